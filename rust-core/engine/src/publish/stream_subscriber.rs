//! A subscriber with a stream of its own: its position in the history, and the sending side to it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::history::History;
use crate::channel::batch::RUN;
use crate::error::Result;
use crate::frame::Outgoing;
use crate::sys::poll::Interest;
use crate::transport::acceptor::WatchedSocket;
use crate::transport::{Sent, Tx};

/// Where a subscriber with a stream begins.
#[derive(Clone, Copy, Debug)]
pub enum Begin {
    /// After this number: it was connected before, or waited for the publisher.
    After(u64),
    /// With this number, the newest one when its hello was answered; it gets later messages, too.
    With(u64),
}

/// A subscriber with a stream of its own.
pub struct StreamSubscriber {
    pub id: u64,
    /// Locked by the publishing thread and by the acceptor's.
    pub out: Mutex<Out>,
}

/// The sending side to one subscriber.
pub struct Out {
    pub tx: Tx,
    /// Besides an error or a full hang-up, the event that reports the subscriber's end.
    hangup_interest: Interest,
    /// The number of the last message that the kernel has taken, or begun to take.
    pub sequence: u64,
    /// Whether the next message is the one that was the newest when the subscriber connected; its
    /// header says so.
    retained: bool,
    /// Whether its queue was full: then its watcher is called when there is room.
    full: bool,
    /// Its registration at the acceptor.
    pub watched: Option<WatchedSocket>,
}

impl StreamSubscriber {
    /// Locks the sending side.
    pub fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Out {
    /// Returns a sending side that has sent nothing.
    pub fn new(tx: Tx, hangup_interest: Interest) -> Out {
        Out { tx, hangup_interest, sequence: 0, retained: false, full: false, watched: None }
    }

    /// Sets where the subscriber begins.
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

    /// Sends the next messages until the queue is full. The others stay in the history; once that
    /// has dropped them, the subscriber sees a gap in the numbers.
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
            // Relayed messages may leave numbers out.
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

    /// Returns the number of the first message that the kernel has not taken whole.
    pub fn first_left(&mut self, history: &History) -> Option<u64> {
        match history.after(self.sequence) {
            Some(next) => Some(next.header.sequence),
            None => matches!(self.tx.flush(), Ok(false)).then_some(self.sequence),
        }
    }

    /// Sends the last frame, if there is room for it.
    pub fn say_farewell(&mut self, bye: &Outgoing<'_>) {
        // A program without Linkspan gets no frames.
        if !self.tx.is_plain() {
            // An error is the end of the connection, which ends now.
            let _ = self.tx.try_send(bye);
        }
    }

    /// Starts or stops being called when the queue has room.
    pub fn watch_room(&mut self, wanted: bool) {
        if let Some(watched) = &self.watched {
            self.full = wanted;
            let what = if wanted { self.hangup_interest | Interest::OUT } else { self.hangup_interest };
            // Fails only for a descriptor that is not registered, and this one is.
            let _ = watched.change(what);
        }
    }
}
