//! Several messages a call.

use super::{ReceiveState, Subscriber};
use crate::channel::{Delivery, Does, batch, is_not_now, only_one};
use crate::deadline::{Wait, Waiting};
use crate::error::Result;
use crate::message::Message;

impl Subscriber {
    /// Waits for the next message as [`Subscriber::recv`] does, and takes those along that have come behind it: at most `max` in
    /// all, with `delivery="latest"` one. An error that is met behind the first one, and that messages were missed there, is what
    /// the next call gives. A `journal:` counts them as consumed together, with the next call that receives.
    pub fn recv_many<'a>(&self, max: usize, wait: impl Into<Wait<'a>>) -> Result<Vec<Message>> {
        batch::check_max(max).map_err(|e| e.on(&self.shown))?;
        let mut waiting = wait.into().start(self.options.timeout).on_wait(&self.options.on_wait);
        let first = self.hear(&mut waiting, false).map_err(|e| e.on(&self.shown))?;
        let first = first.ok_or_else(|| self.is_closed())?;
        let mut messages = Vec::with_capacity(max.min(batch::RUN));
        messages.push(first);
        // Where another thread hears by now, that one gets what follows.
        if max > 1
            && self.options.delivery != Some(Delivery::Latest)
            && let Ok(mut receive_state) = only_one(&self.receive_state, Does::ReceivesPublished)
        {
            self.take_along(&mut receive_state, max, &mut messages);
        }
        Ok(messages)
    }

    fn take_along(&self, receive_state: &mut ReceiveState, max: usize, messages: &mut Vec<Message>) {
        /// Looks in a row that gave no message.
        const MAX_EMPTY_POLLS: u32 = 64;
        let mut at_once = Waiting::at_once();
        let mut empty_polls = 0;
        while messages.len() < max && empty_polls < MAX_EMPTY_POLLS && receive_state.feed.is_some() {
            match self.one(receive_state, &mut at_once) {
                Ok(Some(message)) => {
                    empty_polls = 0;
                    self.record.count_alone(&self.record.received);
                    receive_state.given = message.sequence();
                    messages.push(message);
                }
                Ok(None) => empty_polls += 1,
                Err(e) if is_not_now(&e) => break,
                Err(e) => {
                    receive_state.behind = Some(e);
                    break;
                }
            }
        }
        receive_state.tell();
    }
}
