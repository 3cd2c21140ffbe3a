//! The writer thread of a service: sends to the controller and to systemd, enforces deadlines and handles signals.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::command::{Answer, Outcome, failure_of};
use super::lifecycle::Action;
use super::link::{ControllerLink, Inner};
use super::notify::Supervisor;
use super::protocol::ToController;
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::message::Payload;
use crate::sys::poll::{Epoll, Interest};
use crate::sys::stop;
use crate::value::Value;

/// A task that lasts longer is reported as busy; also the period of that check.
const BUSY_AFTER: Duration = Duration::from_secs(1);
/// The number of missed heartbeats after which the controller counts as lost.
const MISSED_HEARTBEATS: u32 = 3;
/// The longest time that one send may block before the thread checks its other duties.
const SEND_TIMEOUT: Duration = Duration::from_millis(500);

/// The state of the writer thread.
pub struct Writer {
    epoll: Epoll,
    signals: u32,
    supervisor: Supervisor,
    /// Whether the last report said that the program is busy.
    reported_busy: bool,
}

const WAKE: u64 = 1;
const STOP: u64 = 2;

impl Writer {
    pub fn new(link: &ControllerLink, supervisor: Supervisor) -> Result<Writer> {
        let epoll = Epoll::new()?;
        epoll.add(&link.writer_waker, WAKE, Interest::IN)?;
        let mut signals = 0;
        if link.identity.handle_signals {
            signals = stop::count();
            // Edge-triggered, because other threads wait on the same descriptor.
            epoll.add(stop::waker(), STOP, Interest::IN | Interest::ET)?;
        }
        Ok(Writer { epoll, signals, supervisor, reported_busy: false })
    }

    pub fn run(mut self, link: &ControllerLink) {
        let mut ready = Vec::new();
        loop {
            link.wake_on_finish.store(false, Ordering::Release);
            self.handle_signals_received(link);
            link.with(|life, now| ((), life.tick(now)));
            // Everything that this thread's own wake-ups stand for is checked below.
            link.writer_waker.drain();
            let due = self.update_supervisor(link);
            link.close_silent_connection();
            let said = link.send_next();
            if said && link.has_more_to_send() {
                continue;
            }
            if link.is_ended() && link.is_flushed() {
                link.program_waker.wake();
                return;
            }
            // If waiting fails, the loop runs again at once.
            let left = [link.next_due(), due].into_iter().flatten().min();
            let _ = self.epoll.sleep(left, &mut ready);
        }
    }

    /// Notifies systemd of the state and the controller of a long task; returns when to check again.
    fn update_supervisor(&mut self, link: &ControllerLink) -> Option<Duration> {
        // Set before the state is read, so that a task that finishes afterwards wakes this thread.
        link.wake_on_finish.store(self.supervisor.is_watched(), Ordering::Release);
        let (state, reason, begun) = link
            .read(|life| (life.state(), life.reason().to_owned(), life.running().map(|(_, begun)| begun)));
        let now = link.now();
        let told = [self.supervisor.state(state, &reason, now), self.supervisor.tick(begun, now)];
        for error in told.into_iter().flatten() {
            link.log("error", &error.to_string());
        }
        let busy = begun.is_some_and(|begun| now.saturating_sub(begun) >= BUSY_AFTER);
        if busy != self.reported_busy {
            self.reported_busy = busy;
            link.with(|_, _| ((), vec![Action::Changed]));
        }
        let read = link.inner().next_busy_check();
        let due = self.supervisor.next_due(begun, now);
        if due.is_some() {
            link.wake_on_finish.store(false, Ordering::Release);
        }
        let due = due.map(|due| due.saturating_sub(now));
        [read, due].into_iter().flatten().min()
    }

    fn handle_signals_received(&mut self, link: &ControllerLink) {
        if !link.identity.handle_signals {
            return;
        }
        while self.signals < stop::count() {
            self.signals += 1;
            link.with(|life, now| ((), life.terminate(now)));
        }
    }
}

impl Inner {
    /// Returns whether the program has begun a task that is not timed yet and a controller is connected.
    pub(super) fn has_unreported_task(&self) -> bool {
        self.introduced && self.busy_check.is_none() && self.life.running().is_some()
    }

    /// Returns when to check again whether a task takes long. An idle program is not checked, and one with many short steps
    /// once per period rather than at each step.
    fn next_busy_check(&mut self) -> Option<Duration> {
        let now = Instant::now();
        if self.introduced && self.life.running().is_some() {
            self.busy_check = Some(self.busy_check.filter(|until| *until > now).unwrap_or(now + BUSY_AFTER));
        } else if self.busy_check.is_some_and(|until| until <= now) {
            self.busy_check = None;
        }
        self.busy_check.map(|until| until.saturating_duration_since(now))
    }
}

impl ControllerLink {
    fn has_more_to_send(&self) -> bool {
        let inner = self.inner();
        inner.introduced && (!inner.queued.is_empty() || inner.log.has_unsent())
    }

    /// Returns when the next deadline, heartbeat or silence check is due.
    fn next_due(&self) -> Option<Duration> {
        let inner = self.inner();
        let due = inner.life.next_due().map(|due| due.saturating_sub(self.now()));
        let beat = inner.introduced.then(|| inner.heartbeat.saturating_sub(inner.last_report.elapsed()));
        let silence = inner.last_received.map(|last_received| {
            (MISSED_HEARTBEATS * inner.heartbeat).saturating_sub(last_received.elapsed())
        });
        [due, beat, silence].into_iter().flatten().min()
    }

    /// Closes a connection whose controller has missed its beats: the network may have failed without an error from the kernel.
    fn close_silent_connection(&self) {
        let mut inner = self.inner();
        if inner
            .last_received
            .is_none_or(|last_received| last_received.elapsed() < MISSED_HEARTBEATS * inner.heartbeat)
        {
            return;
        }
        let channel = inner.drop_connection();
        drop(inner);
        // The reader notices the closed connection and reconnects.
        drop(channel.map(|channel| channel.close(Duration::ZERO)));
    }

    /// Sends the next message; returns false if none was sent.
    fn send_next(&self) -> bool {
        let (channel, said, lines) = {
            let mut inner = self.inner();
            let Some(channel) = inner.channel.clone().filter(|_| inner.introduced) else { return false };
            if inner.queued.is_empty() && inner.last_report.elapsed() >= inner.heartbeat {
                let report = self.report(&inner);
                inner.queued.push_back(ToController::Report(report));
            }
            // Log lines are sent before a goodbye and after everything else.
            match inner.queued.front() {
                Some(ToController::Bye(_)) | None if inner.log.has_unsent() => {
                    let (lines, until) = inner.log.unsent();
                    (channel, ToController::Log(lines), Some(until))
                }
                Some(said) => (channel, said.clone(), None),
                None => return false,
            }
        };
        let limits = self.identity.options.limits();
        let payload = Payload::new(&said.to_value(), Encoding::Cbor, &limits);
        let sent = payload.and_then(|payload| channel.send_as(Kind::Event, &payload, SEND_TIMEOUT));
        let mut inner = self.inner();
        match sent {
            Ok(_) => {}
            // The message stays queued and is sent later.
            Err(e) if e.kind() == ErrorKind::Timeout => return true,
            // This message can never be sent, so an answer is replaced by its failure.
            Err(e) if matches!(e.kind(), ErrorKind::TooLarge | ErrorKind::Unsupported) => {
                if let Some(instead) = failed_answer(&said, &e) {
                    inner.queued.push_back(instead);
                }
                inner.log.add("error", &format!("a message to the controller could not be sent: {e}"));
            }
            // The reader notices the error as well and reconnects.
            Err(_) => {
                if inner.channel.as_ref().is_some_and(|now| Arc::ptr_eq(now, &channel)) {
                    inner.drop_connection();
                    // Closing ends a reader that waits on the broken connection.
                    drop(channel.close(Duration::ZERO));
                }
                return false;
            }
        }
        // Only a report counts as a heartbeat: answers to a watcher's samples could otherwise postpone reports for ever.
        if matches!(said, ToController::Report(_)) {
            inner.last_report = Instant::now();
        }
        match lines {
            Some(until) => inner.log.sent(until),
            // Only this thread removes messages, so the front is still the sent one unless the connection is new.
            None if inner.queued.front() == Some(&said) => drop(inner.queued.pop_front()),
            None => {}
        }
        true
    }
}

/// Returns the failed answer that replaces one that cannot be sent.
fn failed_answer(said: &ToController, why: &Error) -> Option<ToController> {
    let ToController::Answer(answer) = said else { return None };
    let failure = failure_of(why);
    let outcome = Outcome::Failed;
    Some(ToController::Answer(Answer {
        outcome,
        value: Value::Null,
        failure: Some(failure),
        ..answer.clone()
    }))
}
