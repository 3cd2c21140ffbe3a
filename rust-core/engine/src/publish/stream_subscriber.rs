//! A subscriber on a stream: its position in the history, and its sending side.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::history::History;
use crate::channel::batch::RUN;
use crate::channel::peers::PeerFacts;
use crate::error::Result;
use crate::frame::Outgoing;
use crate::sys::poll::Interest;
use crate::transport::acceptor::WatchedSocket;
use crate::transport::{Sent, Tx};

#[derive(Clone, Copy, Debug)]
pub enum Begin {
    After(u64),
    With(u64),
}

pub struct StreamSubscriber {
    pub id: u64,
    pub facts: PeerFacts,
    pub out: Mutex<Out>,
}

pub struct Out {
    pub tx: Tx,
    hangup_interest: Interest,
    /// The last message that the kernel has taken, or begun to take.
    pub sequence: u64,
    /// Whether the next message was the newest one at the hello, which its header tells.
    retained: bool,
    /// Whether its queue was full. Its watcher is called when there is room.
    full: bool,
    pub watched: Option<WatchedSocket>,
}

impl StreamSubscriber {
    pub fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Out {
    pub fn new(tx: Tx, hangup_interest: Interest) -> Out {
        Out { tx, hangup_interest, sequence: 0, retained: false, full: false, watched: None }
    }

    pub fn begin(&mut self, history: &History, begin: Begin) {
        match begin {
            Begin::After(number) => self.sequence = number.min(history.last()),
            Begin::With(newest) => {
                self.sequence = newest.saturating_sub(1);
                self.retained = newest > 0
                    && history.after(self.sequence).is_some_and(|next| next.header.sequence == newest);
            }
        }
    }

    /// Sends the next messages until the queue is full. The others stay in the history until it drops them; then the
    /// subscriber sees a gap in the numbers.
    pub fn send_pending(&mut self, history: &History) -> Result<()> {
        if self.full {
            return Ok(());
        }
        while let Some(next) = history.after(self.sequence) {
            let many = if self.retained || next.header.sequence == history.last() {
                0
            } else {
                self.tx.try_send_many(history.all_after(self.sequence).take(RUN).map(|p| p.frame(false)))?
            };
            // Relayed messages may skip numbers.
            let last = many.checked_sub(1).and_then(|before| history.all_after(self.sequence).nth(before));
            if let Some(last) = last {
                self.sequence = last.header.sequence;
                continue;
            }
            let frame = next.frame(self.retained);
            if self.tx.try_send(&frame)? == Sent::Blocked {
                self.watch_room(true);
                return Ok(());
            }
            (self.sequence, self.retained) = (next.header.sequence, false);
        }
        if !self.tx.flush()? {
            self.watch_room(true);
        }
        Ok(())
    }

    /// Returns the first message that the kernel has not taken completely.
    pub fn first_left(&mut self, history: &History) -> Option<u64> {
        match history.after(self.sequence) {
            Some(next) => Some(next.header.sequence),
            None => matches!(self.tx.flush(), Ok(false)).then_some(self.sequence),
        }
    }

    pub fn say_farewell(&mut self, bye: &Outgoing<'_>) {
        // A program without Linkspan gets no frames.
        if !self.tx.is_plain() {
            let _ = self.tx.try_send(bye);
        }
    }

    pub fn watch_room(&mut self, wanted: bool) {
        if let Some(watched) = &self.watched {
            self.full = wanted;
            let what = if wanted { self.hangup_interest | Interest::OUT } else { self.hangup_interest };
            // Fails only for an unregistered descriptor.
            let _ = watched.change(what);
        }
    }
}
