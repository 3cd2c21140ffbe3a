//! The shared step of a subscriber's calls: connects without a feed, and returns one message or waits.

use std::sync::atomic::Ordering;

use super::Subscriber;
use crate::channel::event_log::End;
use crate::deadline::{Waiting, at_timeout};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Incoming;
use crate::message::{Message, ReusedMessage};
use crate::publish::feed::{Feed, FeedEnd, Polled};
use crate::publish::receive_state::ReceiveState;
use crate::transport::BodyViews;

const UNKNOWN_END: &str =
    "it did not say which message was its last, so those that it published last may be missing";

impl Subscriber {
    /// Returns the next message; `None` after another event, such as a move to another ring. `iterates` as for
    /// [`Subscriber::receive`].
    pub(super) fn poll_next(
        &self,
        receive_state: &mut ReceiveState,
        waiting: &mut Waiting<'_>,
        iterates: bool,
    ) -> Result<Option<Message>> {
        receive_state.unpark();
        if let Some(error) = receive_state.deferred_error.take() {
            return Err(error);
        }
        // It arrived together with a gap, which was reported first.
        if let Some(message) = receive_state.pending.pop_front() {
            return self.copied(receive_state, message).map(Some);
        }
        if let Some(names) = &self.names {
            return self.poll_names(names, receive_state, waiting, iterates);
        }
        if receive_state.feed.is_none() {
            self.connect(receive_state, waiting)?;
            if let Some(error) = receive_state.deferred_error.take() {
                return Err(error);
            }
        }
        if let Some(message) = self.take_ready_plain(receive_state) {
            return Ok(Some(message));
        }
        self.poll_frame(receive_state, waiting)
    }

    fn poll_frame(
        &self,
        receive_state: &mut ReceiveState,
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Message>> {
        let Some(feed) = &mut receive_state.feed else { return Ok(None) };
        match feed.poll(receive_state.takes_whole) {
            Ok(Polled::Frame(frame)) => {
                let gap = feed.gap(&frame);
                let message = self.message(frame, feed);
                if gap > 0 {
                    receive_state.pending.push_back(message);
                    return Err(Error::lagged(gap));
                }
                Ok(Some(message))
            }
            // More may follow a frame that is not a message.
            Ok(Polled::Ignored) => Ok(None),
            Ok(Polled::Empty) => {
                let waited = receive_state.wait_for_frame(&self.wake, waiting);
                waited.map_err(|e| receive_state.explain(e))?;
                let closed = self.closed.load(Ordering::Acquire);
                Ok(if closed { None } else { self.take_ready_plain(receive_state) })
            }
            // The publisher has replaced its ring by a larger ring, which continues the numbers.
            Ok(Polled::Moved) => {
                receive_state.moved = true;
                receive_state.drop_feed();
                self.connect(receive_state, waiting)?;
                Ok(None)
            }
            // The subscriber has no memory for a message, and the publisher does not wait.
            Err(e) if e.kind() == ErrorKind::OutOfMemory && e.missed().is_some() => {
                self.event_log.lagged(e.missed().unwrap_or(0));
                Err(e)
            }
            // The feed continues after these errors. A record whose schema does not match stays the next one.
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::Lagged
                        | ErrorKind::TooLarge
                        | ErrorKind::OutOfMemory
                        | ErrorKind::Corrupt
                        | ErrorKind::SchemaMismatch
                ) =>
            {
                Err(e)
            }
            // The publisher overwrites messages faster than they can be copied.
            Err(e) if e.kind() == ErrorKind::Stalled => {
                waiting.sleep().map_err(at_timeout(e))?;
                waiting.woke(false)?;
                Ok(None)
            }
            Err(e) => {
                if e.kind() != ErrorKind::Disconnected {
                    let incarnation = receive_state.feed.as_ref().map(|feed| feed.session);
                    self.event_log.disconnected_from(e.to_string(), incarnation);
                    receive_state.feed_failed(&e, self.origin.retry());
                    return Err(e);
                }
                let lost = self.note_end(receive_state, &e);
                receive_state.feed_failed(&e, self.origin.retry());
                if lost > 0 { Err(Error::lagged(lost)) } else { Ok(None) }
            }
        }
    }

    /// Records the end of a publisher. Returns how many of its last messages are lost.
    fn note_end(&self, receive_state: &mut ReceiveState, error: &Error) -> u64 {
        let Some(feed) = &mut receive_state.feed else { return 0 };
        let ended = feed.end();
        let end = |read: u64, last| End {
            name: self.shown.clone(),
            incarnation: feed.session,
            source: feed.source.to_string(),
            first: read.saturating_add(1),
            last,
        };
        let (end, lost, text) = match ended {
            FeedEnd::Whole => (None, 0, error.to_string()),
            FeedEnd::Lacks { read, last } => {
                (Some(end(read, Some(last))), last.saturating_sub(read), error.to_string())
            }
            FeedEnd::Unknown { read } => (Some(end(read, None)), 0, format!("{error}; {UNKNOWN_END}")),
        };
        self.event_log.disconnected_from(text, Some(feed.session));
        self.event_log.ended(end);
        lost
    }

    #[inline]
    pub(super) fn take_fast(&self, receive_state: &mut ReceiveState, spins: bool) -> Option<Message> {
        let feed = receive_state.feed.as_mut()?;
        let fast = feed.peek_fast(spins)?;
        let message = match ReusedMessage::take(fast.length()) {
            Some(place) => feed.take_fast(&fast, place, &self.limits)?,
            None => feed.take_fast_anew(&fast, &self.limits)?,
        };
        match self.options.checks_received() {
            None => Some(message),
            schema => Some(message.with_schema(schema)),
        }
    }

    /// Copies a kept body that stayed in its slot. A binding may copy it instead. After `OutOfMemory` the message stays
    /// the next one.
    fn copied(&self, receive_state: &mut ReceiveState, mut message: Message) -> Result<Message> {
        if message.uncopied_body().is_some() && self.options.body_views() != BodyViews::Whole {
            let copied = message.copy_to_one_block();
            if let Err(error) = copied {
                receive_state.pending.push_front(message);
                return Err(error);
            }
        }
        Ok(message)
    }

    fn take_ready_plain(&self, receive_state: &mut ReceiveState) -> Option<Message> {
        self.take_fast(receive_state, false)
    }

    pub(super) fn message(&self, frame: Incoming, feed: &mut Feed) -> Message {
        feed.message(frame, self.limits).with_schema(self.options.checks_received())
    }
}
