//! Receiving several messages in one call.

use super::Subscriber;
use crate::channel::{Delivery, Operation, batch, is_not_ready, lock_exclusive};
use crate::deadline::{Wait, Waiting};
use crate::error::Result;
use crate::message::Message;
use crate::publish::receive_state::ReceiveState;

impl Subscriber {
    /// Waits for a message as [`Subscriber::recv`] does, and returns it with the messages after it.
    ///
    /// Returns at most `max` messages; with `delivery="latest"` a single message. If an error, such as `Lagged`,
    /// follows the first message, the next call returns the error. A `journal:` counts all returned messages as
    /// consumed at the next call that receives.
    pub fn recv_many<'a>(&self, max: usize, wait: impl Into<Wait<'a>>) -> Result<Vec<Message>> {
        batch::check_max(max).map_err(|e| e.on(&self.shown))?;
        let first = self.recv(wait)?;
        let mut messages = Vec::with_capacity(max.min(batch::RUN));
        messages.push(first);
        // Another thread may receive by now; it then gets the next messages.
        if max > 1
            && self.options.delivery != Some(Delivery::Latest)
            && let Ok(mut receive_state) = lock_exclusive(&self.receive_state, Operation::ReceivePublished)
        {
            self.take_ready(&mut receive_state, max, &mut messages);
        }
        Ok(messages)
    }

    fn take_ready(&self, receive_state: &mut ReceiveState, max: usize, messages: &mut Vec<Message>) {
        const MAX_EMPTY_POLLS: u32 = 64;
        let mut at_once = Waiting::at_once();
        let mut empty_polls = 0;
        receive_state.has_looked = false;
        let is_connected = |state: &ReceiveState| state.feed.is_some() || self.names.is_some();
        while messages.len() < max && empty_polls < MAX_EMPTY_POLLS && is_connected(receive_state) {
            match self.poll_next(receive_state, &mut at_once, false) {
                Ok(Some(message)) => {
                    empty_polls = 0;
                    self.event_log.count_exclusive(&self.event_log.received);
                    receive_state.set_delivered(message.sequence());
                    messages.push(message);
                }
                Ok(None) => empty_polls = empty_polls.saturating_add(1),
                Err(e) if is_not_ready(&e) => break,
                Err(e) => {
                    receive_state.deferred_error = Some(e);
                    break;
                }
            }
        }
        receive_state.update_readiness();
    }
}
