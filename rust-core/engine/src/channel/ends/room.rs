//! The wait for acknowledgements: for room among the messages kept for replay, and for `flush`.
//!
//! A waiting thread receives acknowledgements itself if no thread of the program receives. It releases the direction
//! as soon as such a thread calls.

use std::os::fd::AsFd;

use super::Channel;
use crate::channel::receiving::Reads;
use crate::channel::sending::MAY_BE_STOPPED;
use crate::channel::session_state::class;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{Error, ErrorKind, Result, counted};
use crate::frame::{Kind, flags};
use crate::session::RetransmitClass;
use crate::session::inbox::AckTrigger;

impl Channel {
    /// Receives acknowledgements for a program that only sends, so that the peer can send more.
    ///
    /// Does nothing while another thread receives.
    pub(super) fn collect_acks(&self) {
        if let Some(mut receiving) = self.receiving.try_borrow() {
            receiving.collect_acks(&self.conn);
        }
    }

    /// Leaves the receiving descriptor to a sender without a waiting thread.
    ///
    /// It becomes readable when a frame comes or a link can be made. For a message of `lacks_room`, the peer sends a
    /// frame once there is room. False if the descriptor cannot report it, or if it has happened.
    pub(crate) fn leave_to_sender(&self, lacks_room: Option<(Kind, usize)>) -> Result<bool> {
        let session_state = &self.conn.links.session_state;
        let Some(mut receiving) = self.receiving.try_borrow() else { return Ok(false) };
        let has_room = lacks_room.is_some_and(|(kind, bytes)| {
            let flags = if kind == Kind::Request && self.options.idempotent { flags::IDEMPOTENT } else { 0 };
            let class = class(kind, flags);
            session_state.want_room(class, bytes);
            receiving.collect_acks(&self.conn);
            session_state.halves().has_room(class, bytes)
        });
        if has_room { Ok(false) } else { receiving.leave_to_sender() }
    }

    /// Waits until a message of this class and size has room.
    ///
    /// # Errors
    /// `Timeout` at the deadline, `Full` for a call that does not wait; `InvalidState` once the channel is closed.
    pub(super) fn wait_for_room(
        &self,
        class: RetransmitClass,
        bytes: usize,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let session_state = &self.conn.links.session_state;
        session_state.want_room(class, bytes);
        let read = self.wait_for_acks(waiting, || session_state.halves().has_room(class, bytes));
        session_state.clear_wanted();
        self.check()?;
        read.map_err(|e| match e.kind() {
            ErrorKind::Timeout => {
                let unacknowledged = session_state.unacknowledged();
                let text = format!(
                    "{} ({} bytes), and no more are kept for replay (replay_count, replay_bytes): the peer has not consumed what was sent, and {MAY_BE_STOPPED}; this message was not sent",
                    counted(unacknowledged.count, "is not acknowledged", "are not acknowledged"),
                    unacknowledged.bytes
                );
                Error::new(if waiting.is_none() { ErrorKind::Full } else { ErrorKind::Timeout }, text)
            }
            _ => e,
        })
    }

    /// Waits until `is_enough`, until the receiving direction changes hands, or until the link ends.
    pub(super) fn wait_for_acks(
        &self,
        waiting: &mut Waiting<'_>,
        is_enough: impl Fn() -> bool,
    ) -> Result<()> {
        if let Some(mut receiving) = self.receiving.try_borrow() {
            // The peer may have lacked room for its acknowledgement, and sends none while parked. So this first
            // receives the messages that fill the link, and then requests a frame.
            receiving.collect_acks(&self.conn);
            self.conn.send_ack(AckTrigger::Requested);
            // The direction is released for a thread of the program that calls to receive.
            receiving.lend(self.receiving.wanted()?)?;
            let goes_on = || is_enough() || self.receiving.is_acquired();
            let reads = Reads { is_lent: true, ..Reads::of_library() };
            let read = receiving.read(&self.conn, reads, waiting, goes_on);
            let ended = receiving.generation;
            drop(receiving);
            return match read {
                Err(error) if error.kind() == ErrorKind::Disconnected && self.conn.links.reconnects() => {
                    self.leave_link(ended);
                    Ok(())
                }
                read => read,
            };
        }
        // Another thread receives: it signals `waker` for each acknowledgement, and `ended` when it stops.
        let waker = self.conn.links.session_state.acknowledgements.arm()?;
        let ended = self.receiving.await_end()?;
        self.conn.send_ack(AckTrigger::Requested);
        // Either may have happened before this thread announced its wait.
        let goes_on = is_enough() || !self.receiving.is_acquired();
        let fds = [waker.as_fd(), ended.as_fd(), self.conn.links.wake.as_fd()];
        let waited = if goes_on { Ok(()) } else { drive::change(&fds, waiting) };
        waker.drain();
        ended.drain();
        waited
    }

    fn leave_link(&self, ended: u64) {
        let mut sending = self.conn.sending.borrow();
        if sending.generation <= ended {
            sending.drop_part();
        }
    }
}
