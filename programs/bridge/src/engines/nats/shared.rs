//! The state that all tasks of the engine share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use linkspan::{Encoding, ErrorKind, Value, codec};
use tokio::sync::{Notify, mpsc};

use super::bucket::Bucket;
use super::names::{List, Version};
use super::outgoing::{Outbound, Outgoing};
use super::presence_event::PresenceEvent;
use super::requests::Requests;
use super::subjects::Subjects;
use crate::engine::{Arrival, Body, Presence, Reply, failure};
use crate::inbox::Inbox;

/// The most bytes of headers that a server counts as part of a message.
const HEADERS: usize = 1024;

pub struct Shared {
    pub client: Client,
    pub subjects: Subjects,
    pub inbox: Inbox,
    pub machine: String,
    /// The number of this bridge's incarnation.
    pub id: u64,
    pub outgoing: Outgoing,
    pub list: Mutex<List>,
    pub changed: Notify,
    pub presence_events: mpsc::UnboundedSender<PresenceEvent>,
    pub requests: Requests,
    pub bucket: Option<Bucket>,
}

impl Shared {
    /// Queues an answer, if the request has a reply subject.
    pub fn answer(&self, to: Option<&str>, headers: HeaderMap, payload: Bytes) {
        if let Some(to) = to {
            self.outgoing.urgent(Outbound { subject: to.to_owned(), headers, payload });
        }
    }

    /// Returns the most bytes of a value that the server accepts.
    pub fn longest(&self) -> usize {
        self.client.max_payload().saturating_sub(HEADERS)
    }

    /// Returns why the server would not accept a value of this size; `None` if it would.
    pub fn surplus(&self, size: usize) -> Option<String> {
        let most = self.client.max_payload();
        (size.saturating_add(HEADERS) > most).then(|| {
            format!(
                "it has {size} bytes, and the NATS server lets {most} through, headers included: raise its max_payload"
            )
        })
    }

    /// Returns the body, or a failure if the server would not accept it.
    pub fn fitting(&self, body: Body) -> Reply {
        match self.surplus(body.bytes.len()) {
            Some(why) => Err(failure(ErrorKind::TooLarge.name(), &why)),
            None => Ok(body),
        }
    }

    pub fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn send_heartbeat(&self, version: Version, more: Option<(&'static str, bool)>) {
        if self.client.connection_state() != async_nats::connection::State::Connected {
            return;
        }
        let fields = [("machine", Value::from(self.machine.as_str())), ("bridge", self.id.into())];
        let more = more.into_iter().map(|(key, is)| (key, Value::from(is)));
        let map = Value::map(fields.into_iter().chain(version.fields()).chain(more));
        let bytes = codec::encode(&map, Encoding::Cbor).unwrap_or_default();
        // The next heartbeat replaces a lost one.
        let _ = self.client.publish(self.subjects.presence(), Bytes::from(bytes)).await;
    }

    pub fn appeared(&self, names: Vec<Presence>) {
        names.into_iter().for_each(|name| self.inbox.push(Arrival::Appeared(name)));
    }
}
