//! The reader thread of a service: connects to the controller and receives its commands and events.
//!
//! [`Redial`] spaces the attempts to connect.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::command::{Answer, Outcome, error_of, failure_of};
use super::link::{ControllerLink, HEARTBEAT_RANGE};
use super::protocol::{CommandRequest, ToController, ToService, until_of};
use crate::deadline::{Deadline, Waiting};
use crate::engine::service_side::{self, Redial};
use crate::engine::{Channel, Message, Options};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::sys::poll::wait_readable;
use crate::sys::{clock, random};
use crate::value::Value;

/// A connection of this duration resets the back-off between attempts.
const STABLE_AFTER: Duration = Duration::from_secs(5);

impl ControllerLink {
    pub(super) fn receive(&self, options: &Options) {
        let mut redial = Redial::default();
        while !self.is_ended() {
            let connected_at = Instant::now();
            let ended = self.run_connection(options);
            let mut inner = self.inner();
            inner.drop_connection();
            inner.connecting = None;
            if let Err(error) = ended {
                inner.problem = Some(error);
            }
            drop(inner);
            self.program_waker.wake();
            self.writer_waker.wake();
            if connected_at.elapsed() >= STABLE_AFTER {
                redial.succeeded();
            }
            let pause = redial.failed(random::number().unwrap_or(1));
            let mut waiting = Waiting::until(Deadline::after(pause));
            // Returns when the pause is over or the service ends. Any other error would repeat at once, without end.
            if let Err(error) = wait_readable(&mut waiting, &[self.end_waker.as_fd()])
                && error.kind() != ErrorKind::Timeout
            {
                self.break_off(&error);
                return;
            }
        }
    }

    /// Connects and receives until the connection ends, with the reason as the error.
    ///
    /// `Ok` if the service has ended.
    fn run_connection(&self, options: &Options) -> Result<()> {
        let channel = Arc::new(Channel::dial(&self.identity.controller, options)?);
        self.inner().connecting = Some(channel.clone());
        if self.is_ended() {
            return Ok(());
        }
        loop {
            let message = channel.recv(None)?;
            let value = message.value()?;
            if let Some(last_received) = &mut self.inner().last_received {
                *last_received = Instant::now();
            }
            match service_side::header(&message).kind {
                Kind::Command => self.receive_command(value),
                Kind::Event => match ToService::from_value(value)? {
                    ToService::Welcome { heartbeat, .. } => {
                        let mut inner = self.inner();
                        inner.heartbeat = heartbeat.clamp(HEARTBEAT_RANGE.0, HEARTBEAT_RANGE.1);
                        inner.channel = Some(channel.clone());
                        inner.problem = None;
                        let introduction = self.introduction(&inner);
                        inner.queued.push_front(ToController::Introduction(introduction));
                        inner.introduced = true;
                        drop(inner);
                        self.writer_waker.wake();
                    }
                    ToService::Beat => self.inner().last_received = Some(Instant::now()),
                    ToService::Refused(failure) => return Err(error_of(failure)),
                },
                _ => return Err(unexpected(&message)),
            }
        }
    }

    fn receive_command(&self, value: &Value) {
        let read = CommandRequest::from_value(value).and_then(|request| Ok((request, until_of(value)?)));
        match read {
            Ok((mut request, until)) => {
                let clock = clock::since_boot();
                match until.and_then(|until| clock.checked_sub(until)) {
                    Some(late) => {
                        self.with(|lifecycle, now| ((), lifecycle.late_command(&request, late, now)));
                    }
                    None => {
                        let left = until.map_or(Duration::MAX, |until| until.saturating_sub(clock));
                        request.within = request.within.min(left);
                        self.with(|lifecycle, now| ((), lifecycle.command(request, now)));
                    }
                }
            }
            Err(error) => {
                let id = value.at("id").and_then(Value::as_text).unwrap_or_default();
                let mut inner = self.inner();
                let answer = Answer {
                    id: id.into(),
                    outcome: Outcome::Rejected,
                    state: inner.lifecycle.state(),
                    value: Value::Null,
                    failure: Some(failure_of(&error)),
                };
                inner.enqueue(ToController::Answer(answer));
                drop(inner);
                self.writer_waker.wake();
            }
        }
    }
}

fn unexpected(message: &Message) -> Error {
    let text = format!(
        "a controller sends commands and events, and this one sent {:?}",
        service_side::header(message).kind
    );
    Error::new(ErrorKind::Malformed, text)
}
