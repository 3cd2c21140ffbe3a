//! The writer thread of a service: sends, enforces deadlines and handles signals.
//!
//! Each round handles what is due, then sleeps until the next due event or `writer_waker`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::command::{Answer, Outcome, failure_of};
use super::lifecycle::Action;
use super::link::{ControllerLink, LinkInner};
use super::notify::Supervisor;
use super::protocol::{ToController, with_clock};
use crate::codec::Encoding;
use crate::engine::{Payload, service_side};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::sys::poll::{Epoll, Interest};
use crate::sys::{clock, stop};
use crate::value::Value;

/// A longer task is reported as busy. Also the period of that check.
const BUSY_AFTER: Duration = Duration::from_secs(1);
const STEPS_EVERY: Duration = Duration::from_secs(1);
const MISSED_HEARTBEATS: u32 = 3;
/// The longest time that one send may block before the thread checks its other duties.
const SEND_TIMEOUT: Duration = Duration::from_millis(500);

pub struct ServiceWriter {
    epoll: Epoll,
    /// The number of handled signals. The count of arrived signals is global to the process.
    signals: u32,
    supervisor: Supervisor,
    reported_busy: bool,
}

const WAKE: u64 = 1;
const STOP: u64 = 2;

impl ServiceWriter {
    pub fn new(link: &ControllerLink, supervisor: Supervisor) -> Result<ServiceWriter> {
        let epoll = Epoll::new()?;
        epoll.add(&link.writer_waker, WAKE, Interest::IN)?;
        let mut signals = 0;
        if let Some(watch) = &link.signals {
            // The count before the handlers were installed: a signal since then is the service's.
            signals = watch.before();
            // Edge-triggered, because other threads wait on this descriptor as well.
            epoll.add(stop::waker(), STOP, Interest::IN | Interest::ET)?;
        }
        Ok(ServiceWriter { epoll, signals, supervisor, reported_busy: false })
    }

    /// Runs the thread until everything is sent after the end of the service.
    pub fn run(mut self, link: &ControllerLink) {
        let mut ready = Vec::new();
        loop {
            link.wake_on_finish.store(false, Ordering::Release);
            self.handle_signals_received(link);
            link.with(|lifecycle, now| ((), lifecycle.tick(now)));
            // The state that causes the wake-ups is checked below.
            link.writer_waker.drain();
            // Read before the state: `end` sets it after the last change of state, and wakes this thread.
            let ended = link.is_ended();
            let due = self.update_supervisor(link);
            link.close_silent_connection();
            let message = link.send_next();
            if message && link.has_more_to_send() {
                continue;
            }
            if ended && link.is_flushed() {
                link.writer_ended.store(true, Ordering::Release);
                link.program_waker.wake();
                return;
            }
            let timeout = [link.next_due(), due].into_iter().flatten().min();
            if let Err(error) = self.epoll.sleep(timeout, &mut ready) {
                // The error would repeat at once, without end.
                link.writer_ended.store(true, Ordering::Release);
                link.break_off(&error);
                return;
            }
        }
    }

    /// Notifies systemd of the state, and the controller of a long task. Returns when to check again.
    fn update_supervisor(&mut self, link: &ControllerLink) -> Option<Duration> {
        // Set before the state is read, so that a task that finishes afterwards wakes this thread.
        link.wake_on_finish.store(self.supervisor.is_watched(), Ordering::Release);
        let (state, reason, begun) = link.read(|lifecycle| {
            (lifecycle.state(), lifecycle.reason().to_owned(), lifecycle.running().map(|(_, begun)| begun))
        });
        let now = link.now();
        let errors = [self.supervisor.state(state, &reason, now), self.supervisor.tick(begun, now)];
        for error in errors.into_iter().flatten() {
            link.log("error", &error.to_string());
        }
        let busy = begun.is_some_and(|begun| now.saturating_sub(begun) >= BUSY_AFTER);
        if busy != self.reported_busy {
            self.reported_busy = busy;
            link.with(|_, _| ((), vec![Action::Changed]));
        }
        let busy_check = link.inner().next_busy_check();
        let due = self.supervisor.next_due(begun, now);
        if due.is_some() {
            link.wake_on_finish.store(false, Ordering::Release);
        }
        let due = due.map(|due| due.saturating_sub(now));
        [busy_check, due].into_iter().flatten().min()
    }

    fn handle_signals_received(&mut self, link: &ControllerLink) {
        if !link.identity.handle_signals {
            return;
        }
        while self.signals < stop::count() {
            self.signals += 1;
            link.with(|lifecycle, now| ((), lifecycle.terminate(now)));
        }
    }
}

impl LinkInner {
    pub(super) fn has_unreported_task(&self) -> bool {
        self.introduced && self.busy_check.is_none() && self.lifecycle.running().is_some()
    }

    fn report_every(&self) -> Duration {
        if self.lifecycle.counts().steps == self.reported_steps {
            self.heartbeat
        } else {
            STEPS_EVERY.min(self.heartbeat)
        }
    }

    /// Returns when to check again for a long task.
    ///
    /// A program with many short steps is checked once per period, not at each step.
    fn next_busy_check(&mut self) -> Option<Duration> {
        let now = Instant::now();
        if self.introduced && self.lifecycle.running().is_some() {
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

    fn next_due(&self) -> Option<Duration> {
        let inner = self.inner();
        let due = inner.lifecycle.next_due().map(|due| due.saturating_sub(self.now()));
        let beat = inner.introduced.then(|| inner.report_every().saturating_sub(inner.last_report.elapsed()));
        let silence = inner.last_received.map(|last_received| {
            (MISSED_HEARTBEATS * inner.heartbeat).saturating_sub(last_received.elapsed())
        });
        [due, beat, silence].into_iter().flatten().min()
    }

    /// Closes a connection whose controller has missed its beats.
    ///
    /// The network may have failed without an error from the kernel.
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

    /// Sends the next message. Returns false without a message, or if it could not be sent now.
    ///
    /// Waits for at most [`SEND_TIMEOUT`], without the lock.
    fn send_next(&self) -> bool {
        let (channel, message, lines) = {
            let mut inner = self.inner();
            let Some(channel) = inner.channel.clone().filter(|_| inner.introduced) else { return false };
            if inner.queued.is_empty() && inner.last_report.elapsed() >= inner.report_every() {
                let report = self.report(&inner);
                inner.queued.push_back(ToController::Report(report));
            }
            // Log lines are sent before a goodbye, but after everything else.
            match inner.queued.front() {
                Some(ToController::Bye(_)) | None if inner.log.has_unsent() => {
                    let (lines, until) = inner.log.unsent();
                    (channel, ToController::Log(lines), Some(until))
                }
                Some(message) => (channel, message.clone(), None),
                None => return false,
            }
        };
        let limits = self.identity.options.limits();
        let mut value = message.to_value();
        if matches!(message, ToController::Introduction(_) | ToController::Report(_)) {
            value = with_clock(value, clock::since_boot());
        }
        let payload = Payload::new(&value, Encoding::Cbor, &limits);
        let sent =
            payload.and_then(|payload| service_side::send_as(&channel, Kind::Event, &payload, SEND_TIMEOUT));
        let mut inner = self.inner();
        match sent {
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::Timeout => return true,
            // This message can never be sent, so its failure replaces an answer.
            Err(e) if matches!(e.kind(), ErrorKind::TooLarge | ErrorKind::Unsupported) => {
                if let Some(replacement) = failed_answer(&message, &e) {
                    inner.queued.push_back(replacement);
                }
                inner.log.add("error", &format!("a message to the controller could not be sent: {e}"));
            }
            Err(_) => {
                if inner.channel.as_ref().is_some_and(|now| Arc::ptr_eq(now, &channel)) {
                    inner.drop_connection();
                    // Closing ends a reader that waits on the broken connection.
                    drop(channel.close(Duration::ZERO));
                }
                return false;
            }
        }
        // Only a report counts as a heartbeat: answers to a watcher's samples could otherwise postpone reports forever.
        if let ToController::Report(report) = &message {
            (inner.last_report, inner.reported_steps) = (Instant::now(), report.steps);
        }
        match lines {
            Some(until) => inner.log.sent(until),
            None if inner.queued.front() == Some(&message) => drop(inner.queued.pop_front()),
            None => {}
        }
        true
    }
}

fn failed_answer(message: &ToController, why: &Error) -> Option<ToController> {
    let ToController::Answer(answer) = message else { return None };
    let failure = failure_of(why);
    let outcome = Outcome::Failed;
    Some(ToController::Answer(Answer {
        outcome,
        value: Value::Null,
        failure: Some(failure),
        ..answer.clone()
    }))
}
