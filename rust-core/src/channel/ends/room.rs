//! Waiting for room among what is kept to be sent again.

use std::os::fd::AsFd;

use super::Channel;
use crate::channel::session::Nature;
use crate::channel::session::inbox::Occasion;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::poll::wait_readable;

impl Channel {
    /// Looks for acknowledgements while a program only sends: the other side's way to us is to stay free.
    pub(super) fn gather(&self) {
        if let Some(mut receiving) = self.receiving.borrow() {
            receiving.gather(&self.speaker());
        }
    }

    /// Waits until enough has been acknowledged.
    pub(super) fn await_room(&self, nature: Nature, bytes: usize, waiting: &mut Waiting<'_>) -> Result<()> {
        let memory = &self.renewal.memory;
        // A thread of the program that comes to receive has the right to.
        let enough = || self.receiving.is_claimed() || memory.both().has_room(nature, bytes);
        memory.want_room(nature, bytes);
        let read = match self.receiving.borrow() {
            Some(mut receiving) => {
                let speaker = self.speaker();
                // The other side may have had no room to say how far it has come, and says nothing while it sleeps: what
                // keeps its way full is read, and then it is asked.
                receiving.gather(&speaker);
                speaker.speak(Occasion::Asked);
                receiving.read_until(&speaker, waiting, enough)
            }
            None => {
                // Another thread receives, and tells us, or that it reads no longer. The other side may not have been able
                // to say how far it has come.
                let (bell, ended) = (memory.acknowledgements.wanted()?, self.receiving.await_end()?);
                self.speaker().speak(Occasion::Asked);
                // It may have done so before it knew that somebody waits.
                let go = memory.both().has_room(nature, bytes) || !self.receiving.is_claimed();
                let fds = [bell.as_fd(), ended.as_fd(), self.renewal.wake.as_fd()];
                let waited = if go { Ok(()) } else { wait_readable(waiting, &fds) };
                bell.drain();
                ended.drain();
                waited
            }
        };
        memory.want_no_room();
        self.check()?;
        read.map_err(|e| match e.kind() {
            ErrorKind::Timeout => {
                let left = memory.unacknowledged();
                let text = format!(
                    "{} messages with {} bytes wait to be acknowledged, which is as much as is kept to be sent again (replay_count, replay_bytes); this one is still yours",
                    left.count, left.bytes
                );
                Error::new(if waiting.is_none() { ErrorKind::Full } else { ErrorKind::Timeout }, text)
            }
            _ => e,
        })
    }
}
