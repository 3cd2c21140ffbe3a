//! Returns the newest message of a publisher, even if it was received before.

use std::sync::atomic::Ordering;

use super::{MAX_FRAMES_AT_ONCE, Subscriber};
use crate::channel::{Operation, lock_exclusive};
use crate::deadline::{Wait, Waiting, at_timeout};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::publish::feed::Polled;
use crate::publish::receive_state::ReceiveState;
use crate::sys::fork;
use crate::sys::poll::next_round;

impl Subscriber {
    /// Returns the newest message, even if it was received before, for programs that poll occasionally.
    ///
    /// Waits for a publisher and its first message.
    ///
    /// # Errors
    /// `Empty` if nothing was published; `NotFound` without a publisher.
    pub fn newest<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Message> {
        self.newest_within(&mut self.options.start(wait)).map_err(|e| self.named(e).on(&self.shown))
    }

    pub(in crate::publish) fn newest_within(&self, waiting: &mut Waiting<'_>) -> Result<Message> {
        fork::check(self.fork_generation)
            .and_then(|()| lock_exclusive(&self.receive_state, Operation::ReceivePublished))
            .and_then(|state| self.with_state(state, |state| self.find_newest(state, waiting)))
    }

    fn find_newest(&self, receive_state: &mut ReceiveState, waiting: &mut Waiting<'_>) -> Result<Message> {
        loop {
            next_round(waiting)?;
            if self.closed.load(Ordering::Acquire) {
                return Err(self.closed_error());
            }
            if receive_state.feed.is_none() {
                receive_state.newest = None;
                self.connect(receive_state, waiting)?;
            }
            let Some(feed) = &mut receive_state.feed else { continue };
            match feed.newest() {
                Ok(Some(Polled::Frame(frame))) => {
                    return Ok(self.message(frame, feed));
                }
                Ok(Some(Polled::Empty)) => {
                    receive_state
                        .wait_for_frame(&self.wake, waiting)
                        .map_err(at_timeout(nothing_published()))?;
                }
                Ok(Some(Polled::Moved)) => {
                    receive_state.moved = true;
                    receive_state.drop_feed();
                }
                Ok(Some(Polled::Ignored) | None) => {
                    if let Some(newest) = self.read_to_newest(receive_state, waiting)? {
                        return Ok(newest);
                    }
                }
                // The publisher overwrites messages faster than they can be copied.
                Err(e) if e.kind() == ErrorKind::Stalled => {
                    waiting.sleep().map_err(at_timeout(e))?;
                    waiting.woke(false)?;
                }
                Err(e) if e.kind() == ErrorKind::Disconnected => {
                    self.event_log.disconnected_from(e.to_string(), Some(feed.session));
                    receive_state.feed_failed(&e, self.origin.retry());
                }
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    receive_state.wait_for_frame(&self.wake, waiting).map_err(at_timeout(e))?;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Reads all messages that have arrived over a stream, and returns the last one. `None` if the connection has ended
    /// and the caller must reconnect.
    fn read_to_newest(
        &self,
        receive_state: &mut ReceiveState,
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Message>> {
        // Parking checks whether the publisher has ended, which a read may not report yet.
        if let Some(feed) = &mut receive_state.feed {
            feed.park()?;
            feed.unpark();
        }
        let mut at_once = Waiting::at_once();
        let mut read = 0u32;
        while receive_state.feed.is_some() {
            next_round(waiting)?;
            match self.poll_next(receive_state, &mut at_once, false) {
                Ok(Some(message)) => {
                    receive_state.newest = Some(message);
                    read = read.saturating_add(1);
                    if read >= MAX_FRAMES_AT_ONCE {
                        return Ok(receive_state.newest.clone());
                    }
                }
                Ok(None) => {}
                Err(e) if e.kind() == ErrorKind::Lagged => {
                    if let Some(next) = receive_state.pending.pop_front() {
                        receive_state.newest = Some(next);
                    }
                }
                Err(e) if e.kind() == ErrorKind::Timeout => {
                    if let Some(kept) = &receive_state.newest {
                        return Ok(Some(kept.clone()));
                    }
                    receive_state
                        .wait_for_frame(&self.wake, waiting)
                        .map_err(at_timeout(nothing_published()))?;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }
}

pub(in crate::publish) fn nothing_published() -> Error {
    Error::new(ErrorKind::Empty, "nothing has been published yet")
}
