//! Requests for the newest values of publishers, which keep nothing for them: the hello has `once`. Several requests
//! run together, so a silent publisher does not delay the others.
//!
//! A publisher does not know such a reader, and may rewrite the newest message's slot during the copy. If that happens
//! each time, the value comes by a subscription, whose claim of the slot the publisher respects.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use super::names::{DESCRIPTORS, MAX_NAMES};
use super::receive_state::Part;
use super::subscriber::{Subscriber, nothing_published};
use crate::channel::asking::{Pending, Progress};
use crate::channel::dial::Dialler;
use crate::channel::handshake::Hello;
use crate::channel::link::{owner_of, qualify};
use crate::channel::pattern::Pattern;
use crate::channel::{Options, Use};
use crate::deadline::{Deadline, Waiting, at_timeout};
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Incoming, Kind};
use crate::message::{Message, ReceivedFrom, SchemaIds};
use crate::sys::headroom;
use crate::sys::poll::{Epoll, Interest};
use crate::transport::Rx;
use crate::transport::broadcast::Received;
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::{AnsweredCall, MIN_ANSWER_TIME};

/// The most attempts at a publisher whose answer was out of date when it was read.
const MAX_ATTEMPTS: u32 = 8;

const NONE: u64 = u64::MAX;

/// Returns the newest value of a publisher, without waiting for one to start. `Stalled` if it does not answer in time;
/// `Timeout` if `limit` left it less than the usual time; `Empty` before its first message.
pub fn newest(endpoint: &Endpoint, options: &Options, limit: Deadline) -> Result<Message> {
    let mut found = newest_of_each(vec![endpoint.clone()], options, limit)?;
    found.pop().map_or_else(|| Err(nothing_published()), |(_, found)| found)
}

/// Does this for several publishers within the time of one, as far as descriptors allow. An error of one publisher is
/// its result.
pub fn newest_of_each(
    mut endpoints: Vec<Endpoint>,
    options: &Options,
    limit: Deadline,
) -> Result<Vec<(Endpoint, Result<Message>)>> {
    let together = (headroom::descriptor_limit() / 2 / DESCRIPTORS).clamp(1, MAX_NAMES as u64) as usize;
    let mut found = Vec::new();
    while !endpoints.is_empty() {
        let rest = endpoints.split_off(endpoints.len().min(together));
        let set = Epoll::new()?;
        let mut under_way = BTreeMap::new();
        for (token, endpoint) in (0..).zip(std::mem::replace(&mut endpoints, rest)) {
            match Request::new(&endpoint, options, limit, &set) {
                Ok(request) => {
                    under_way.insert(token, request);
                }
                Err(error) => found.push((endpoint, Err(error))),
            }
        }
        finish(&mut under_way, &set, &mut found)?;
    }
    let message = |(endpoint, found): (Endpoint, Result<Found>)| match found {
        Ok(Found::Overtaken) => {
            let newest = subscribed(&endpoint, options, limit);
            (endpoint, newest)
        }
        Ok(Found::Newest(message)) => (endpoint, Ok(message)),
        Err(error) => (endpoint, Err(error)),
    };
    Ok(found.into_iter().map(message).collect())
}

enum Found {
    Newest(Message),
    Overtaken,
}

fn subscribed(endpoint: &Endpoint, options: &Options, limit: Deadline) -> Result<Message> {
    // The position of a `client_id` belongs to the program's own subscriber.
    let options = Options { client_id: None, ..options.clone() };
    let ends = Deadline::after(MIN_ANSWER_TIME).sooner(limit);
    let text = "the publisher had published more each time before its newest message was copied; try again, or subscribe";
    Subscriber::to_one(endpoint.clone(), &options, None, Part::Alone)?
        .newest_within(&mut Waiting::until(ends))
        .map_err(at_timeout(Error::new(ErrorKind::Stalled, text)))
}

fn finish(
    under_way: &mut BTreeMap<u64, Request<'_>>,
    set: &Epoll,
    found: &mut Vec<(Endpoint, Result<Found>)>,
) -> Result<()> {
    let (mut due, mut ready): (Vec<u64>, _) = (under_way.keys().copied().collect(), Vec::new());
    loop {
        for token in due.drain(..) {
            let Some(request) = under_way.get_mut(&token) else { continue };
            if let Some(descriptor) = request.descriptor() {
                set.remove(descriptor);
            }
            let result = match request.step().transpose() {
                None if request.ends.has_passed() => Err(request.stalled()),
                None => match request.descriptor().map(|descriptor| set.add(descriptor, token, Interest::IN))
                {
                    Some(Err(error)) => Err(error),
                    _ => continue,
                },
                Some(result) => result,
            };
            if let Some(request) = under_way.remove(&token) {
                found.push((request.endpoint, result));
            }
        }
        let Some(first) = under_way.values().map(|request| request.ends).min_by_key(|ends| ends.remaining())
        else {
            return Ok(());
        };
        match drive::events(set, &mut Waiting::until(first), &mut ready) {
            Err(error) if error.kind() == ErrorKind::Timeout => {
                let over = under_way.iter().filter(|(_, request)| request.ends.has_passed());
                due.extend(over.map(|(token, _)| *token));
            }
            waited => waited?,
        }
        due.extend(ready.drain(..).map(|one| one.token).filter(|token| *token != NONE));
        due.sort_unstable();
        due.dedup();
    }
}

struct Request<'a> {
    endpoint: Endpoint,
    options: &'a Options,
    dialler: Dialler,
    own_hello: Hello,
    stage: Stage,
    attempts: u32,
    ends: Deadline,
    limit: Deadline,
}

enum Stage {
    New,
    Asked(Pending<()>),
    Delivering(Rx, String, SchemaIds),
}

impl<'a> Request<'a> {
    fn new(endpoint: &Endpoint, options: &'a Options, limit: Deadline, set: &Epoll) -> Result<Request<'a>> {
        options.check(endpoint.transport(), Use::Subscribe)?;
        // Nothing waits for another attempt.
        let dialler = Dialler::new(endpoint, options, set, NONE)?;
        let mut own_hello =
            Hello::new(Pattern::Publish, options.client_id.clone(), options.max_message_size)?;
        (own_hello.once, own_hello.slots) = (true, endpoint.transport().capabilities().slots);
        let ends = Deadline::after(MIN_ANSWER_TIME).sooner(limit);
        Ok(Request {
            endpoint: endpoint.clone(),
            options,
            dialler,
            own_hello,
            stage: Stage::New,
            attempts: 0,
            ends,
            limit,
        })
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.stage {
            Stage::New => None,
            Stage::Asked(pending) => Some(pending.descriptor()),
            Stage::Delivering(rx, ..) => rx.descriptors().into_iter().next(),
        }
    }

    fn stalled(&self) -> Error {
        let waiting = Waiting::at_once();
        let over = waiting.timed_out();
        match &self.stage {
            Stage::Asked(pending) => pending.unanswered(&waiting, over),
            _ => over,
        }
    }

    fn step(&mut self) -> Result<Option<Found>> {
        loop {
            let offer = || Ok(((), Vec::new()));
            let progress = match std::mem::replace(&mut self.stage, Stage::New) {
                Stage::New => {
                    self.dialler.attempt(|dialling| dialling.begin(&self.own_hello, offer).map(Some))
                }
                Stage::Asked(pending) => {
                    let asked = Progress::Pending(pending);
                    self.dialler.attempt(|dialling| dialling.go_on(asked, &self.own_hello, offer).map(Some))
                }
                Stage::Delivering(mut rx, source, schemas) => {
                    let Some(frame) = rx.try_recv()? else {
                        self.stage = Stage::Delivering(rx, source, schemas);
                        return Ok(None);
                    };
                    if frame.header.kind != Kind::Data {
                        return Err(nothing_published());
                    }
                    return Ok(Some(self.message(frame, source, schemas)));
                }
            };
            match progress? {
                Some(Progress::Pending(pending)) => {
                    // The time for an answer starts with the question.
                    self.ends = pending.late().sooner(self.limit);
                    self.stage = Stage::Asked(pending);
                    return Ok(None);
                }
                Some(Progress::Connected(called, hello, ())) => {
                    if let Some(found) = self.answered(called, &hello)? {
                        return Ok(Some(found));
                    }
                }
                None => {}
            }
            if matches!(self.stage, Stage::New) {
                self.attempts += 1;
                if self.attempts == MAX_ATTEMPTS {
                    return Ok(Some(Found::Overtaken));
                }
                self.ends = Deadline::after(MIN_ANSWER_TIME).sooner(self.limit);
            }
        }
    }

    fn answered(&mut self, mut called: AnsweredCall, hello: &Hello) -> Result<Option<Found>> {
        Pattern::Publish.fits(hello.pattern)?;
        let source = qualify(&owner_of(&called.stream, called.credentials.as_ref()), hello.source());
        let schemas = SchemaIds::agreed(hello.schemas.first(), self.options.schema.as_ref());
        let longest = self.options.max_message_size;
        let Some(rings) = self.endpoint.transport().driver().broadcast() else {
            let rx = Rx::of_stream(called.stream, called.process, longest);
            self.stage = Stage::Delivering(rx, source, schemas);
            self.ends = Deadline::after(MIN_ANSWER_TIME).sooner(self.limit);
            return Ok(None);
        };
        match rings.newest(&mut called, hello.session, longest) {
            Ok(Received::Frame(frame)) => Ok(Some(self.message(frame, source, schemas))),
            Ok(Received::Nothing) => Err(nothing_published()),
            // After its answer, the publisher changed to a larger ring, or to a slot whose file did not come with it.
            Ok(Received::Moved) => Ok(None),
            // It was overwritten during each of several copies.
            Err(error) if error.kind() == ErrorKind::Stalled => Ok(Some(Found::Overtaken)),
            Err(error) => Err(error),
        }
    }

    fn message(&self, frame: Incoming, source: String, schemas: SchemaIds) -> Found {
        let origin = ReceivedFrom { source: &source.into(), session: 0, schemas };
        let message = Message::new(frame, origin, self.options.limits());
        Found::Newest(message.with_schema(self.options.checks_received()))
    }
}
