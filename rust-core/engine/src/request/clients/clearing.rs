//! The waits between steps: for a frame, briefly or in the epoll set. Before the set, clients without frames are parked
//! and waiting answers are sent.

use std::time::Duration;

use super::{ACCEPTOR, Clients, FRAMES_PER_ROUND, ROOM, ROUNDS_AFTER_STOP, STOP, WAKE};
use crate::channel::acceptor::ChannelAcceptor;
use crate::deadline::{Deadline, Waiting};
use crate::drive;
use crate::error::{ErrorKind, Result};
use crate::planted;
use crate::session::inbox::AckTrigger;
use crate::sys::poll::Ready;
use crate::sys::stop;
use crate::transport::Waited;

/// The time between two looks at a client while this process has too few descriptors for its files.
const PAUSE: Duration = Duration::from_millis(10);

impl Clients {
    /// Waits until the next step may find a request. Returns false after a signal has asked the program to stop.
    pub fn clear(&mut self, acceptor: &ChannelAcceptor, waiting: &mut Waiting<'_>) -> Result<bool> {
        planted::sleep_in_loop();
        let goes_on = self.wait_soon(waiting)? || self.wait(acceptor, waiting)?;
        if !self.watched {
            // A program with an event loop waits there, so its thread always counts as parked.
            self.server_waker.unpark();
        }
        Ok(goes_on)
    }

    /// Waits briefly for the client of the last look while no other client is ready. Returns true if it may have a
    /// frame.
    fn wait_soon(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        // With a single client, a short sleep delays no other client.
        let is_single = self.clients.len() == 1 && !waiting.is_none() && !self.watched;
        let last = self.served.last().copied().filter(|_| self.ready_queue.is_empty());
        let Some(token) = last else { return Ok(false) };
        let Some(client) =
            self.clients.get_mut(&token).filter(|client| !client.queued && !client.half_closed)
        else {
            return Ok(false);
        };
        // Bounds the short waits for a client that never completes a message.
        let has_come = self.idle < FRAMES_PER_ROUND
            && if is_single && !client.client_tx.has_unfinished() {
                drive::data_soon(&mut client.part.rx, waiting)? == Waited::Ready
            } else {
                client.part.rx.spin()
            };
        if has_come {
            self.idle += 1;
            client.queued = true;
            self.served.pop();
            self.ready_queue.push_back(token);
        } else {
            client.send_ack(AckTrigger::Park);
        }
        Ok(has_come)
    }

    /// Sends waiting answers, parks idle clients, and waits for an event. Only polls for events if a client is still in
    /// the queue, or if the call does not wait.
    fn wait(&mut self, acceptor: &ChannelAcceptor, waiting: &mut Waiting<'_>) -> Result<bool> {
        acceptor.queue.check_failure()?;
        // The waker is only a hint, and a wait has several causes to end: the count decides.
        if waiting.heeds_signals() && !self.waits_without_end() && !self.serves_the_rest() {
            self.signal_watch.as_mut().map(stop::Watch::take_request);
            self.rounds_after_stop = 0;
            return Ok(false);
        }
        self.server_waker.prepare_park();
        self.flush_pending()?;
        let was_busy = !self.ready_queue.is_empty();
        let is_busy = self.park_served();
        let lacks_descriptors = std::mem::take(&mut self.lacks_descriptors);
        // Look for other clients as well if one client always has frames without messages.
        if is_busy && !was_busy && !lacks_descriptors && self.idle < FRAMES_PER_ROUND {
            self.idle += 1;
            return Ok(true);
        }
        self.frames_in_round = 0;
        let waited = if is_busy {
            if lacks_descriptors && !waiting.is_none() {
                pause(waiting)?;
            }
            self.epoll.sleep(Some(Duration::ZERO), &mut self.ready)?;
            let may_be_late = self.idle >= FRAMES_PER_ROUND || lacks_descriptors;
            let is_late = may_be_late && waiting.deadline().has_passed();
            if is_late { Err(waiting.timed_out()) } else { Ok(()) }
        } else if waiting.is_none() {
            self.epoll.sleep(Some(Duration::ZERO), &mut self.ready)?;
            if self.ready.iter().all(|r| r.token == STOP) { Err(waiting.timed_out()) } else { Ok(()) }
        } else {
            drive::events(&self.epoll, waiting, &mut self.ready)
        };
        if !is_busy || waited.is_err() {
            self.idle = 0;
        }
        self.handle_events(Clients::queue);
        waited.map(|()| true)
    }

    pub(super) fn handle_events(&mut self, of_client: fn(&mut Clients, u64)) {
        let mut ready = std::mem::take(&mut self.ready);
        for Ready { token, .. } in ready.drain(..) {
            match token {
                WAKE => self.wake.drain(),
                ACCEPTOR | STOP => {}
                token if token & ROOM != 0 => {}
                token => of_client(self, token),
            }
        }
        self.ready = ready;
    }

    fn waits_without_end(&self) -> bool {
        self.signal_watch.as_ref().is_some_and(|watch| !watch.is_requested())
    }

    /// Returns whether to serve requests that came before the signal. Only links without a session count, such as
    /// mailslots, because their requests are lost with this process. Rounds are bounded, because the senders may
    /// continue.
    fn serves_the_rest(&mut self) -> bool {
        let holds_more =
            |token| self.clients.get(token).is_some_and(|client| client.part.negotiated.is_none());
        let serves = self.rounds_after_stop < ROUNDS_AFTER_STOP && self.ready_queue.iter().any(holds_more);
        self.rounds_after_stop += u32::from(serves);
        serves
    }

    pub(super) fn park_served(&mut self) -> bool {
        for token in self.served.drain(..) {
            let Some(client) = self.clients.get_mut(&token) else { continue };
            if client.part.parked || client.queued || client.half_closed {
                continue;
            }
            let parked = client.part.park();
            self.lacks_descriptors |= parked.is_err();
            if parked.unwrap_or(true) {
                client.queued = true;
                self.ready_queue.push_back(token);
            }
        }
        !self.ready_queue.is_empty()
    }
}

/// Pauses because this process has too few descriptors for a client's files: its socket would end any other sleep at
/// once.
fn pause(waiting: &mut Waiting<'_>) -> Result<()> {
    let paused = waiting.until_sooner(Deadline::after(PAUSE), |waiting| drive::change(&[], waiting));
    paused.or_else(|e| if e.kind() == ErrorKind::Timeout { Ok(()) } else { Err(e) })
}
