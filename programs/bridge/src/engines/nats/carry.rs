//! The engine's operations: exports, imports, queries, requests and packets.
//!
//! None waits for the server: they queue operations or spawn a task.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::client::Request;
use async_nats::{HeaderMap, Message, RequestErrorKind};
use bytes::Bytes;
use linkspan::Result;

use super::client::{GROUP, Nats, PATIENCE};
use super::exported::Exported;
use super::headers;
use super::outgoing::Outbound;
use super::subjects::covers;
use crate::engine::{
    Answering, Arrival, Bridge, Call, Engine, Newest, Outlet, Presence, Reply, Respond, Sample, failure,
    went_away,
};

impl Engine for Nats {
    fn export_publisher(&self, presence: &Presence) -> Result<Box<dyn Outlet>> {
        let newest: Arc<Mutex<Option<Sample>>> = Arc::default();
        let (shared, answering, incarnation) = (self.shared.clone(), newest.clone(), presence.incarnation);
        // Answers queries for the newest message, except queries for another incarnation.
        let on_request = move |message: Message| {
            if headers::incarnation(&message).is_some_and(|wanted| wanted != incarnation) {
                return;
            }
            let newest = answering.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let (headers, payload) = match newest {
                Some(sample) => (headers::of_sample(&sample), sample.body.bytes),
                None => (headers::of_nothing(), Bytes::new()),
            };
            shared.answer(message.reply.as_deref(), headers, payload);
        };
        let end = self.subscribe(self.shared.subjects.newest(&presence.name), None, Box::new(on_request));
        let announced = self.announce(presence, Some(end));
        let subject = self.shared.subjects.publish(&presence.name);
        Ok(Box::new(Exported { shared: self.shared.clone(), subject, newest, announced }))
    }

    fn export_server(&self, presence: &Presence) -> Result<Box<dyn Any>> {
        let (shared, name, inbox) = (self.shared.clone(), presence.name.clone(), self.shared.inbox.clone());
        // The reply subject identifies the caller. The server delivers a request to one bridge of the group.
        let on_request = move |message: Message| {
            let (shared, to) = (shared.clone(), message.reply.clone());
            let respond = move |reply: Reply| {
                let (headers, payload) = match reply.and_then(|body| shared.fitting(body)) {
                    Ok(body) => (headers::of_body(body.encoding), body.bytes),
                    Err(failure) => {
                        let (headers, payload) = headers::of_failure(&failure);
                        (headers, payload.into())
                    }
                };
                shared.answer(to.as_deref(), headers, payload);
            };
            inbox.push(Arrival::Request(name.clone(), headers::call(&message), Box::new(respond)));
        };
        let end =
            self.subscribe(self.shared.subjects.request(&presence.name), Some(GROUP), Box::new(on_request));
        Ok(Box::new(self.announce(presence, Some(end))))
    }

    fn export_channel(&self, presence: &Presence) -> Result<Box<dyn Any>> {
        Ok(Box::new(self.announce(presence, None)))
    }

    fn id(&self) -> u64 {
        self.shared.id
    }

    fn send(&self, bridge: &Bridge, packet: Bytes) -> Result<()> {
        let subject = self.shared.subjects.packet(bridge.id, &self.shared.machine);
        self.shared.outgoing.urgent(Outbound { subject, headers: HeaderMap::new(), payload: packet });
        Ok(())
    }

    fn import(&self, pattern: &str) -> Result<()> {
        let subject = self.shared.subjects.publish_pattern(pattern);
        let mut imported = self.imported.lock().unwrap_or_else(PoisonError::into_inner);
        // Each subscription delivers a message once, so subscriptions must not overlap.
        if imported.iter().any(|(wide, _)| covers(wide, &subject)) {
            return Ok(());
        }
        imported.retain(|(narrow, _)| !covers(&subject, narrow));
        let shared = self.shared.clone();
        // The subject may be wider than the pattern, so the loop filters names.
        let received = move |message: Message| {
            let Some(name) = shared.subjects.published(&message.subject) else { return };
            shared.inbox.push(match headers::is_end(&message) {
                true => Arrival::Ended(name),
                false => Arrival::Sample(headers::sample(name, &message)),
            });
        };
        imported.push((subject.clone(), self.subscribe(subject, None, Box::new(received))));
        Ok(())
    }

    fn newest(&self, presence: &Presence) -> Result<()> {
        let (shared, presence) = (self.shared.clone(), presence.clone());
        let question = Request::new().headers(headers::of_question(presence.incarnation));
        let question = question.payload(Bytes::new()).timeout(Some(PATIENCE));
        self.spawn(async move {
            let answer = shared.client.send_request(shared.subjects.newest(&presence.name), question).await;
            let newest = match answer {
                Ok(message) if headers::is_nothing(&message) => Newest::None,
                Ok(message) => Newest::Sample(headers::sample(presence.name.clone(), &message)),
                // A time-out, or no bridge answers such queries.
                Err(_) => Newest::Unknown,
            };
            shared.inbox.push(Arrival::Newest(presence, newest));
        });
        Ok(())
    }

    fn longest_request(&self) -> Option<u64> {
        u64::try_from(self.shared.longest()).ok()
    }

    fn request(&self, presence: &Presence, call: Call, timeout: Duration, respond: Respond) -> Result<()> {
        let respond = Answering::new(respond);
        let headers = headers::of_call(&call);
        // A body above the server's limit fails at once with `TooLarge`.
        let body = match self.shared.fitting(call.body) {
            Ok(body) => body,
            Err(failure) => {
                respond.give(Err(failure));
                return Ok(());
            }
        };
        let shared = self.shared.clone();
        let request = Request::new().headers(headers).payload(body.bytes).timeout(Some(timeout));
        let (under_way, subject) = (shared.requests.begin(presence), shared.subjects.request(&presence.name));
        self.spawn(async move {
            let (number, gone) = under_way;
            let reply = tokio::select! {
                answer = shared.client.send_request(subject, request) => answer.map_or_else(
                    |e| Err(match e.kind() {
                        RequestErrorKind::NoResponders => failure("NotFound", "no machine has this server now"),
                        RequestErrorKind::TimedOut => {
                            failure("Timeout", "the server's machine gave no answer in time")
                        }
                        _ => failure("Disconnected", &format!("the request was not sent: {e}")),
                    }),
                    |message| headers::reply(&message),
                ),
                _ = gone => return respond.give(Err(went_away())),
            };
            shared.requests.finish(number);
            respond.give(reply);
        });
        Ok(())
    }
}
