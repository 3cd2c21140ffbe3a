//! What a step of serving needs that found no request: a frame, within a short wait or in the epoll set. On the way to
//! the set the clients that have nothing are parked, and what waits for them is sent.

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

/// The time between two looks at a client for whose files this process has no descriptor.
const PAUSE: Duration = Duration::from_millis(10);

impl Clients {
    /// Waits until the next step may find a request. False once a signal has asked the program to stop.
    ///
    /// # Errors
    /// `Timeout` at the deadline; why no more clients come.
    pub fn clear(&mut self, acceptor: &ChannelAcceptor, waiting: &mut Waiting<'_>) -> Result<bool> {
        planted::sleep_in_loop();
        let goes_on = self.wait_soon(waiting)? || self.wait(acceptor, waiting)?;
        if !self.watched {
            // A program with an event loop waits there, so its thread always counts as parked.
            self.server_waker.unpark();
        }
        Ok(goes_on)
    }

    /// Waits for the client that was looked at last, while no other one is ready, and as long as its transport has a
    /// short wait. True where it may have something.
    fn wait_soon(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        // With a single client, a short sleep for it keeps no other one waiting.
        let is_single = self.clients.len() == 1 && !waiting.is_none() && !self.watched;
        let last = self.served.last().copied().filter(|_| self.ready_queue.is_empty());
        let Some(token) = last else { return Ok(false) };
        let Some(client) =
            self.clients.get_mut(&token).filter(|client| !client.queued && !client.half_closed)
        else {
            return Ok(false);
        };
        // A client that never completes a message is not waited for again and again.
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

    /// Sends what waits, parks the clients that have nothing, and waits for an event; looks only for events where a
    /// client is left in the queue, and in a call that does not wait.
    fn wait(&mut self, acceptor: &ChannelAcceptor, waiting: &mut Waiting<'_>) -> Result<bool> {
        acceptor.queue.check_failure()?;
        // The waker is a hint, and several causes end a wait: the count decides.
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
        // Others are looked for, too, where one always has something that is no message.
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
            // The clients that are parked are looked at if they report something.
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

    /// Handles the events of a wait; those of the links of clients as the caller does.
    pub(super) fn handle_events(&mut self, of_client: fn(&mut Clients, u64)) {
        let mut ready = std::mem::take(&mut self.ready);
        for Ready { token, .. } in ready.drain(..) {
            match token {
                WAKE => self.wake.drain(),
                // The next step looks at what they tell of.
                ACCEPTOR | STOP => {}
                token if token & ROOM != 0 => {}
                token => of_client(self, token),
            }
        }
        self.ready = ready;
    }

    /// Returns whether a wait without end goes on: the signals end it once they are watched, and none was received.
    fn waits_without_end(&self) -> bool {
        self.signal_watch.as_ref().is_some_and(|watch| !watch.is_requested())
    }

    /// Returns whether requests are served that came before the signal: those of links without a session, which are
    /// lost with this process, as a mailslot's are. Rounds of them are counted, because their senders may go on.
    fn serves_the_rest(&mut self) -> bool {
        let holds_more =
            |token| self.clients.get(token).is_some_and(|client| client.part.negotiated.is_none());
        let serves = self.rounds_after_stop < ROUNDS_AFTER_STOP && self.ready_queue.iter().any(holds_more);
        self.rounds_after_stop += u32::from(serves);
        serves
    }

    /// Parks the clients that had nothing; true if one has something after all.
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

/// Sleeps for a short time, where what waits in the socket of a client would end each other sleep: this process has no
/// descriptor for it.
fn pause(waiting: &mut Waiting<'_>) -> Result<()> {
    let paused = waiting.until_sooner(Deadline::after(PAUSE), |waiting| drive::change(&[], waiting));
    paused.or_else(|e| if e.kind() == ErrorKind::Timeout { Ok(()) } else { Err(e) })
}
