//! Server-sent event streams.
//!
//! Nothing is queued for a client: the stream writes an event in parts when the connection takes it, and all clients
//! share the value. Newer messages wait in the feed's log, which counts drops. The memory of the current event counts
//! as held until the client takes it or the stream ends.
//!
//! Events of one name have an id (number and incarnation), which lets a client resume. Events of a pattern lack it,
//! because an id would need the numbers of all names.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::stream::unfold;
use linkspan::{Error, ErrorKind, Timestamp};
use tokio::sync::{Notify, watch};

use crate::access::Gateway;
use crate::clock::after;
use crate::feed::Own;
use crate::frames::Format;
use crate::rights::Rights;
use crate::status::Counted;
use crate::subscription::{Given, Resume, Subscription};

/// Silence after which a comment is sent, to let both ends notice a broken stream.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The longest part of an event that a connection takes at once, in bytes.
const PART: usize = 16 << 10;

struct Open(Arc<Gateway>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::AcqRel);
    }
}

struct Events {
    gateway: Arc<Gateway>,
    rights: Arc<Rights>,
    subscription: Subscription,
    wake: Arc<Notify>,
    tokens: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    /// Unsent parts of the current event, and the owner of their memory.
    parts: VecDeque<Bytes>,
    held: Option<(Given, Own)>,
    comment: Instant,
    is_over: bool,
    /// Whether it follows one name, whose messages have an id.
    is_single: bool,
    _open: Open,
    _counted: Counted,
}

/// Returns the resume point of a client from the `Last-Event-ID` header of `EventSource`.
///
/// # Errors
/// `Malformed` if it is not an id of this stream.
pub fn last(headers: &HeaderMap, is_single: bool) -> Result<Option<Resume>, Error> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let parts = value.to_str().ok().filter(|_| is_single).and_then(|text| text.split_once('.'));
    let resume = parts.and_then(|(number, incarnation)| {
        let incarnation = u64::from_str_radix(incarnation, 16).ok()?;
        Some(Resume { number: number.parse().ok()?, incarnation: Some(incarnation) })
    });
    let text = "Last-Event-ID is the id of the last event of one name; events of a pattern have none";
    resume.map(Some).ok_or_else(|| Error::new(ErrorKind::Malformed, text))
}

/// Returns a subscription's events as a response body. It ends with the subscription, token or gateway.
pub fn body(
    gateway: &Arc<Gateway>,
    rights: Arc<Rights>,
    subscription: Subscription,
    wake: Arc<Notify>,
    is_single: bool,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    gateway.sessions.fetch_add(1, Ordering::AcqRel);
    let events = Events {
        gateway: gateway.clone(),
        rights,
        subscription,
        wake,
        tokens: gateway.tokens.changes(),
        stop: gateway.stop.clone(),
        parts: VecDeque::new(),
        held: None,
        comment: after(HEARTBEAT),
        is_over: false,
        is_single,
        _open: Open(gateway.clone()),
        _counted: Counted::new(&gateway.counters, |counters| &counters.subscriptions),
    };
    unfold(events, async |mut events| events.next().await.map(|part| (Ok(part), events)))
}

impl Events {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(part) = self.take_part() {
                return Some(part);
            }
            self.held = None;
            if self.is_over || !self.is_allowed() {
                return None;
            }
            let now = Instant::now();
            if let Some(given) = self.subscription.next(now) {
                self.begin(given);
                self.comment = after(HEARTBEAT);
                continue;
            }
            if now >= self.comment {
                self.comment = after(HEARTBEAT);
                return Some(Bytes::from_static(b": alive\n\n"));
            }
            let until = self.subscription.due().into_iter().fold(self.comment, Instant::min);
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(until.into()) => {}
                changed = self.tokens.changed() => if changed.is_err() { return None },
                _ = self.stop.wait_for(|stop| *stop) => return None,
            }
        }
    }

    fn take_part(&mut self) -> Option<Bytes> {
        let first = self.parts.front_mut()?;
        if first.len() > PART {
            return Some(first.split_to(PART));
        }
        self.parts.pop_front()
    }

    /// Checks the token, because a busy stream never reaches the wait for its end.
    fn is_allowed(&self) -> bool {
        !self.rights.is_expired(Timestamp::now())
            && (self.gateway.tokens.is_valid(&self.rights)
                || self.gateway.tokens.is_valid_reading(&self.rights))
    }

    fn begin(&mut self, given: Given) {
        self.is_over = matches!(given, Given::Closed(_));
        let Ok(pieces) = given.frame(None, Format::Json).pieces(Format::Json) else { return };
        // JSON from the codec has no line break, which would end the event.
        let id = match &given {
            Given::Message { message, .. } if self.is_single => {
                format!("id: {}.{:016x}\n", message.number, message.incarnation)
            }
            _ => String::new(),
        };
        let begin = Bytes::from(format!("{id}event: {}\ndata: ", given.kind()));
        let all = std::iter::once(begin).chain(pieces).chain([Bytes::from_static(b"\n\n")]);
        self.parts = all.collect();
        if self.parts.iter().map(Bytes::len).sum::<usize>() <= PART {
            let mut whole = BytesMut::new();
            self.parts.drain(..).for_each(|part| whole.extend_from_slice(&part));
            self.parts.push_back(whole.freeze());
        }
        let is_shared =
            |part: &Bytes| matches!(&given, Given::Message { message, .. } if message.keeps(part));
        let own = self.parts.iter().filter(|part| !is_shared(part)).map(Bytes::len).sum();
        self.held = Some((given, self.gateway.feeds.hold(own)));
    }
}
