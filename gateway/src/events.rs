//! Streams of server-sent events. Nothing is queued for a client: an event is written when its connection takes it, in
//! parts, of which the value is the one that all clients share. What comes meanwhile waits in the log of the feed,
//! which counts what it drops; what is under way is counted with what the feeds hold, until it is taken or the stream
//! ends.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::stream::unfold;
use linkspan::Timestamp;
use tokio::sync::{Notify, watch};

use crate::access::Gateway;
use crate::feed::Own;
use crate::frames::Format;
use crate::rights::Rights;
use crate::status::Counted;
use crate::subscription::{Given, Subscription};

/// After this time without an event a comment is sent, so that both ends notice a broken stream.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The longest part of an event that a connection takes at once.
const PART: usize = 16 << 10;

/// Counts an open stream.
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
    /// What the connection has yet to take of the event that is under way, and what holds its memory.
    parts: VecDeque<Bytes>,
    held: Option<(Given, Own)>,
    /// When a comment is due.
    comment: Instant,
    is_over: bool,
    _open: Open,
    _counted: Counted,
}

/// Returns the events of a subscription as the body of a response, which ends with the subscription, with the token and
/// with the gateway.
pub fn body(
    gateway: &Arc<Gateway>,
    rights: Arc<Rights>,
    subscription: Subscription,
    wake: Arc<Notify>,
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
        comment: Instant::now() + HEARTBEAT,
        is_over: false,
        _open: Open(gateway.clone()),
        _counted: Counted::new(&gateway.counters, |counters| &counters.subscriptions),
    };
    unfold(events, async |mut events| events.next().await.map(|part| (Ok(part), events)))
}

impl Events {
    /// Waits for the next part; `None` at the end.
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
                self.comment = now + HEARTBEAT;
                continue;
            }
            if now >= self.comment {
                self.comment = now + HEARTBEAT;
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

    /// Whether the token still counts, also while events never pause.
    fn is_allowed(&self) -> bool {
        !self.rights.is_expired(Timestamp::now())
            && (self.gateway.tokens.is_valid(&self.rights)
                || self.gateway.tokens.is_valid_reading(&self.rights))
    }

    /// Writes an event.
    fn begin(&mut self, given: Given) {
        self.is_over = matches!(given, Given::Closed(_));
        let Ok(pieces) = given.frame(None, Format::Json).pieces(Format::Json) else { return };
        // The codec writes no line break.
        let begin = Bytes::from(format!("event: {}\ndata: ", given.kind()));
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
