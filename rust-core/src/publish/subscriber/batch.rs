//! Several messages a call.

use super::{Hearing, Subscriber};
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
            && let Ok(mut hearing) = only_one(&self.hearing, Does::Hears)
        {
            self.take_along(&mut hearing, max, &mut messages);
        }
        Ok(messages)
    }

    fn take_along(&self, hearing: &mut Hearing, max: usize, messages: &mut Vec<Message>) {
        /// Looks in a row that gave no message.
        const VAIN: u32 = 64;
        let mut at_once = Waiting::at_once();
        let mut vain = 0;
        while messages.len() < max && vain < VAIN && hearing.feed.is_some() {
            match self.one(hearing, &mut at_once) {
                Ok(Some(message)) => {
                    vain = 0;
                    self.record.count_alone(&self.record.received);
                    hearing.given = message.sequence();
                    messages.push(message);
                }
                Ok(None) => vain += 1,
                Err(e) if is_not_now(&e) => break,
                Err(e) => {
                    hearing.behind = Some(e);
                    break;
                }
            }
        }
        hearing.tell();
    }
}
