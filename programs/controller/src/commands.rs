//! Handles commands. A command is sent once over each link to one incarnation, and answered once to each client.
//!
//! The service and the id that the client chose identify a command. A command has these states:
//!
//! 1. *Open*: its timer runs. The number and the bytes of open commands are limited for each service and in total. A
//!    repeated id from any client waits for the one answer; with another command it fails with `InvalidState`. A
//!    command for a disconnected service waits until the service has connected and started.
//! 2. *Sent* to one incarnation, with its epoch. If that incarnation ends first, it may have begun the command, which
//!    fails with `Disconnected`. Only commands that change nothing are sent to the next incarnation.
//! 3. *Accepted*, if it takes longer. Clients that wait only for the acceptance are answered now.
//! 4. *Final*: answered by the service, or at the deadline by the controller. Every client that waits receives the
//!    answer. The archive keeps it for clients that lost it. An answer of the service after the deadline replaces the
//!    controller's answer in the archive, and is logged.

use std::sync::Arc;

use crate::archive::FinalAnswer;
use crate::client_protocol::ClientCommand;
use crate::open_command::{Key, OpenCommand, WaitingClient};
use crate::registry::TimedOutCommand;
use crate::schedule::{Due, Name};
use crate::state::{Action, Moment, ServerState};
use linkspan::service::CommandRequest;
use linkspan::service::server_side::{RequestInfo, failure_of, margin};
use linkspan::{
    Answer, Command, Error, ErrorKind, Outcome, RemoteFailure, Result, State, Value, View, quoted,
};

/// Returns whether a command changes nothing and can therefore be carried out twice.
fn is_read_only(command: &Command) -> bool {
    matches!(command, Command::GetData | Command::Status | Command::Describe | Command::Stats | Command::Log)
}

impl ServerState {
    /// Handles a command of a client. `bytes` is the size of its message.
    pub(super) fn handle_command(
        &mut self,
        to: RequestInfo,
        wanted: ClientCommand,
        bytes: usize,
        now: Moment,
    ) {
        let Some((name, _)) = self.services.get_key_value(&*wanted.service) else {
            let foreign = wanted.controller.is_some_and(|controller| controller != self.controller);
            if foreign && now.since < self.limits.settling {
                return self.hold_for_expected_service(to, wanted, bytes, now);
            }
            let error = self.unknown_service(&wanted.service);
            return self.refuse(to, error);
        };
        let key: Key = (name.clone(), wanted.id.as_str().into());
        match self.open_command(&key, to, wanted, bytes, now) {
            Ok(true) => {
                self.send_command(&key, now);
                self.record_changed(&key.0, now);
            }
            Ok(false) => {}
            Err(error) => self.refuse(to, error),
        }
    }

    /// Adds a command of a client to its service's open commands. Returns false if it is already answered or open.
    ///
    /// # Errors
    /// The refusal: `InvalidState` for the id of another command, `Full` beyond the limits.
    pub(super) fn open_command(
        &mut self,
        key: &Key,
        to: RequestInfo,
        wanted: ClientCommand,
        bytes: usize,
        now: Moment,
    ) -> Result<bool> {
        if let Some(finished) = self.archive.get(key) {
            if finished.command != wanted.command {
                return Err(another(&wanted, &finished.command));
            }
            let value = finished.answer.to_value();
            self.actions.push_back(Action::Reply { to, value });
            return Ok(false);
        }
        let awaited = self.awaited.get(&to.session).map_or(0, |open| open.len());
        let waiting = WaitingClient { to, until_accepted: wanted.until_accepted };
        let limits = self.limits.clone();
        let Some(service) = self.services.get_mut(&key.0) else { return Ok(false) };
        let client_is_full = awaited >= limits.open_per_client;
        if let Some(open) = service.open.get_mut(&key.1) {
            if open.command != wanted.command {
                return Err(another(&wanted, &open.command));
            }
            match open.accepted {
                Some(state) if waiting.until_accepted => {
                    let value = accepted(&key.1, state).to_value();
                    self.actions.push_back(Action::Reply { to, value });
                }
                _ if client_is_full => {
                    return Err(full(&format!("this client waits for {awaited} commands")));
                }
                _ if open.waiting.len() >= limits.open_per_client => {
                    let text = format!("{} requests wait for command {}", open.waiting.len(), wanted.id);
                    return Err(full(&text));
                }
                _ => {
                    open.waiting.push(waiting);
                    self.awaited.entry(to.session).or_default().insert(key.clone());
                }
            }
            return Ok(false);
        }
        let epoch = service.introduction.epoch;
        let limit = if client_is_full {
            Some(format!("this client waits for {awaited} commands"))
        } else if service.open.len() >= limits.open {
            Some(format!("{} commands wait for {}", service.open.len(), key.0))
        } else if self.open_bytes.saturating_add(bytes) > limits.open_bytes {
            Some(format!("the open commands of all services have {} bytes", self.open_bytes))
        } else {
            None
        };
        if let Some(limit) = limit {
            return Err(full(&limit));
        }
        // A client that names an incarnation has checked its state, which the next one need not have.
        let pinned = wanted.epoch;
        self.awaited.entry(to.session).or_default().insert(key.clone());
        let open = OpenCommand {
            command: wanted.command,
            arguments: wanted.arguments,
            deadline: now.since.saturating_add(wanted.within),
            pinned,
            sent_to: None,
            accepted: None,
            waiting: vec![waiting],
            is_own: false,
            bytes,
        };
        self.add_open_command(key, open);
        if pinned.is_some_and(|pinned| pinned != epoch) {
            let text = format!(
                "{} has restarted since the incarnation that this command was for, and has the epoch {epoch}; check its status, and send the command again",
                key.0
            );
            let error = Error::new(ErrorKind::InvalidState, text);
            self.answer_for_service(key, Outcome::Rejected, &error, now);
            return Ok(false);
        }
        // Nothing indicates that the service will start again.
        if let Some(service) = self.services.get(&key.0).filter(|service| service.view == View::Gone) {
            let error = Error::new(ErrorKind::Disconnected, service.why_gone());
            self.answer_for_service(key, Outcome::Failed, &error, now);
            return Ok(false);
        }
        Ok(true)
    }

    pub(super) fn add_open_command(&mut self, key: &Key, open: OpenCommand) {
        let Some(service) = self.services.get_mut(&key.0) else { return };
        self.open_bytes = self.open_bytes.saturating_add(open.bytes);
        self.schedule.set(Due::Command(key.0.clone(), key.1.clone()), open.deadline);
        service.open.insert(key.1.clone(), open);
    }

    /// Sends a command to its service if the service is connected.
    pub(super) fn send_command(&mut self, key: &Key, now: Moment) {
        let Some(service) = self.services.get_mut(&key.0) else { return };
        let (Some(link), Some(open)) = (service.link, service.open.get_mut(&key.1)) else { return };
        let epoch = service.introduction.epoch;
        open.sent_to = Some(epoch);
        let remaining = open.deadline.saturating_sub(now.since);
        let request = CommandRequest {
            id: (&*key.1).into(),
            command: open.command.clone(),
            arguments: open.arguments.clone(),
            // Less than the remaining time: the service's time-out must arrive before the controller's.
            within: remaining.saturating_sub(margin(remaining)),
            // Another incarnation must not carry it out.
            epoch: Some(epoch),
        };
        // With this the service does not begin it after the deadline, however long the message takes to arrive.
        let until = self
            .links
            .get(&link)
            .and_then(|service_link| service_link.clock.least(now.since.saturating_add(request.within)));
        self.actions.push_back(Action::SendCommand { link, request, until });
    }

    /// Handles the answer of a service. `bytes` is the size of its message.
    pub(super) fn answer_received(&mut self, name: &Name, mut answer: Answer, bytes: usize, now: Moment) {
        let key: Key = (name.clone(), (&*answer.id).into());
        if let Some(failure) = &mut answer.failure {
            failure.text = super::event_log::cut(&failure.text, self.limits.line.saturating_mul(4));
        }
        let Some(service) = self.services.get_mut(name) else { return };
        let command = service.open.get(&key.1).map(|open| &open.command);
        // Only an answer of the program shows that it responds again. The library answers some commands without the
        // program.
        let by_the_program =
            answer.outcome.is_final() && command.is_some_and(|command| !is_read_only(command));
        if service.timed_out.as_ref().is_some_and(|late| !late.accepted || late.id == key.1 || by_the_program)
        {
            self.clear_problem(name, now);
        }
        let Some(service) = self.services.get_mut(name) else { return };
        let Some(open) = service.open.get_mut(&key.1) else {
            return self.late_answer_received(key, answer, bytes, now);
        };
        if answer.outcome.is_final() {
            return self.finish(&key, answer, false, bytes, now);
        }
        if open.accepted.replace(answer.state).is_some() {
            return;
        }
        let answered: Vec<RequestInfo> =
            open.waiting.extract_if(.., |waiting| waiting.until_accepted).map(|waiting| waiting.to).collect();
        if !open.is_own {
            service.answered.accepted = service.answered.accepted.saturating_add(1);
            self.outcomes.accepted = self.outcomes.accepted.saturating_add(1);
        }
        let value = answer.to_value();
        for to in answered {
            self.stop_awaiting(to, &key);
            self.actions.push_back(Action::Reply { to, value: value.clone() });
        }
    }

    /// Handles an answer to a command that is not open: a repeated answer, or the actual outcome after a time-out.
    fn late_answer_received(&mut self, key: Key, answer: Answer, bytes: usize, now: Moment) {
        let Some(finished) = self.archive.get(&key) else { return };
        if !finished.by_controller || !answer.outcome.is_final() {
            return;
        }
        let command = finished.command.clone();
        let text = format!("{} was {} after its deadline", command.name(), answer.outcome.name());
        self.log_event(Some(&key.0), "warning", &text, now);
        self.archive.put(key, FinalAnswer { command, answer, by_controller: false, bytes }, now.since);
        self.archive.trim(self.limits.finished, self.limits.finished_bytes, None);
    }

    pub(super) fn answer_for_service(&mut self, key: &Key, outcome: Outcome, error: &Error, now: Moment) {
        let state = self.services.get(&key.0).map_or(State::Starting, |service| service.report().state);
        let failure = Some(failure_of(error));
        let answer = Answer { id: (&*key.1).into(), outcome, state, value: Value::Null, failure };
        self.finish(key, answer, true, 256, now);
    }

    /// Records the final answer of a command and replies to all clients that wait for it.
    fn finish(&mut self, key: &Key, answer: Answer, by_controller: bool, bytes: usize, now: Moment) {
        let Some(service) = self.services.get_mut(&key.0) else { return };
        let Some(open) = service.open.shift_remove(&key.1) else { return };
        self.open_bytes = self.open_bytes.saturating_sub(open.bytes);
        self.schedule.cancel(&Due::Command(key.0.clone(), key.1.clone()));
        if open.is_own {
            return self.sample_received(&key.0, &answer, now);
        }
        service.answered.count(answer.outcome);
        self.outcomes.count(answer.outcome);
        let value = answer.to_value();
        for waiting in &open.waiting {
            self.stop_awaiting(waiting.to, key);
            self.actions.push_back(Action::Reply { to: waiting.to, value: value.clone() });
        }
        let name = open.command.name();
        match &answer.failure {
            Some(RemoteFailure { text, .. }) => {
                let text = format!("{name} {}: {text}", answer.outcome.name());
                self.log_event(Some(&key.0), "warning", &text, now);
            }
            None if is_read_only(&open.command) => {}
            None => self.log_event(Some(&key.0), "info", &format!("{name} {}", answer.outcome.name()), now),
        }
        let finished = FinalAnswer { command: open.command, answer, by_controller, bytes };
        self.archive.put(key.clone(), finished, now.since);
        self.archive.trim(self.limits.finished, self.limits.finished_bytes, None);
        self.schedule.set_once(Due::AnswerExpiry, now.since.saturating_add(self.limits.finished_for));
        self.record_changed(&key.0, now);
    }

    /// Drops the answers whose time in the archive is over.
    pub(super) fn expire_answers(&mut self, now: Moment) {
        let (limits, before) = (&self.limits, now.since.checked_sub(self.limits.finished_for));
        if let Some(oldest) = self.archive.trim(limits.finished, limits.finished_bytes, before) {
            self.schedule.set(Due::AnswerExpiry, oldest.saturating_add(limits.finished_for));
        }
    }

    /// Removes a command from the commands that a client waits for.
    fn stop_awaiting(&mut self, to: RequestInfo, key: &Key) {
        if let Some(open) = self.awaited.get_mut(&to.session) {
            open.remove(key);
            if open.is_empty() {
                self.awaited.remove(&to.session);
            }
        }
    }

    pub(super) fn command_timed_out(&mut self, key: &Key, now: Moment) {
        let Some(service) = self.services.get(&key.0) else { return };
        let Some(open) = service.open.get(&key.1) else { return };
        let (command, name) = (open.command.name().to_owned(), &key.0);
        if !service.is_connected() {
            let text = format!(
                "{name} is {}, and did not reconnect within the time-out of {command}; check why it ended",
                service.view.name()
            );
            return self.answer_for_service(
                key,
                Outcome::Failed,
                &Error::new(ErrorKind::Disconnected, text),
                now,
            );
        }
        let text = match open.accepted {
            Some(_) => format!("{name} accepted {command} and did not complete it in time"),
            None if open.sent_to != Some(service.introduction.epoch) => format!(
                "{name} has connected again and is {}: it did not start within the time-out of {command}",
                service.report().state.name()
            ),
            None => format!("{name} did not answer {command} in time"),
        };
        let (name, late) =
            (name.clone(), TimedOutCommand { id: key.1.clone(), accepted: open.accepted.is_some() });
        self.report_problem(&name, &text, now);
        if let Some(service) = self.services.get_mut(&name) {
            service.timed_out = Some(late);
        }
        self.answer_for_service(key, Outcome::Failed, &Error::new(ErrorKind::Timeout, text), now);
    }

    /// Sends the open commands of a service that has connected or started.
    ///
    /// Fails commands for other incarnations. A service that is starting would refuse commands, so these wait
    /// until it has started. With `again`, commands that this incarnation received over an earlier connection are
    /// sent again.
    pub(super) fn send_open_commands(&mut self, name: &Name, again: bool, now: Moment) {
        let Some(service) = self.services.get(name) else { return };
        let epoch = service.introduction.epoch;
        let is_starting = service.report().state == State::Starting;
        let ids: Vec<Arc<str>> = service.open.keys().cloned().collect();
        for id in ids {
            let Some(open) = self.services.get(name).and_then(|service| service.open.get(&id)) else {
                continue;
            };
            let key = (name.clone(), id);
            let is_other = |given: u64| given != epoch;
            let is_due = if open.sent_to == Some(epoch) {
                again
            } else {
                !is_starting || open.command.is_taken_while_starting()
            };
            if open.pinned.is_some_and(is_other)
                || open.sent_to.is_some_and(is_other) && !is_read_only(&open.command)
            {
                let text = format!(
                    "{name} disconnected and has restarted; whether it carried out {} before that is unknown",
                    open.command.name()
                );
                self.answer_for_service(
                    &key,
                    Outcome::Failed,
                    &Error::new(ErrorKind::Disconnected, text),
                    now,
                );
            } else if is_due {
                self.send_command(&key, now);
            }
        }
    }

    pub(super) fn fail_open_commands(&mut self, name: &Name, now: Moment) {
        let Some(service) = self.services.get(name) else { return };
        let keys: Vec<Key> = service.open.keys().map(|id| (name.clone(), id.clone())).collect();
        let error = Error::new(ErrorKind::Disconnected, service.why_gone());
        for key in keys {
            self.answer_for_service(&key, Outcome::Failed, &error, now);
        }
    }

    /// Replies with the answer to a command, or with ACCEPTED while the command is open.
    pub(super) fn command_outcome(&mut self, to: RequestInfo, service: &str, id: &str) {
        let Some((name, known)) = self.services.get_key_value(service) else {
            let error = self.unknown_service(service);
            return self.refuse(to, error);
        };
        let key: Key = (name.clone(), id.into());
        let answer = match (known.open.get(id), self.archive.get(&key)) {
            (Some(open), _) => accepted(id, open.accepted.unwrap_or(known.report().state)).to_value(),
            (None, Some(finished)) => finished.answer.to_value(),
            (None, None) => {
                let text = format!(
                    "no command {id} of {service} is known: final answers are kept for {} s",
                    self.limits.finished_for.as_secs(),
                    id = quoted(id)
                );
                return self.refuse(to, Error::new(ErrorKind::NotFound, text));
            }
        };
        self.actions.push_back(Action::Reply { to, value: answer });
    }

    /// Removes a client. Its commands are still carried out.
    pub fn client_left(&mut self, session: u64) {
        for (name, id) in self.awaited.remove(&session).unwrap_or_default() {
            if let Some(open) = self.services.get_mut(&name).and_then(|known| known.open.get_mut(&id)) {
                open.waiting.retain(|waiting| waiting.to.session != session);
            }
        }
        self.unwatch(session);
    }

    /// Returns whether a client waits for the answer to a command.
    ///
    /// The service may not have connected yet.
    pub fn has_pending_commands(&self, session: u64) -> bool {
        self.awaited.contains_key(&session)
            || self.expected.values().flatten().any(|(to, ..)| to.session == session)
    }
}

fn accepted(id: &str, state: State) -> Answer {
    Answer { id: id.into(), outcome: Outcome::Accepted, state, value: Value::Null, failure: None }
}

fn another(wanted: &ClientCommand, known: &Command) -> Error {
    let text = format!(
        "the id {:?} belongs to another command, {} to {}; give each command its own id",
        wanted.id,
        known.name(),
        wanted.service
    );
    Error::new(ErrorKind::InvalidState, text)
}

fn full(what: &str) -> Error {
    Error::new(
        ErrorKind::Full,
        format!("{what}, which is the limit; try again when some of them are answered"),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client_protocol::ClientRequest;
    use crate::rate_limit::Limits;
    use crate::tests::FakeService;
    use linkspan::Timestamp;
    use linkspan::service::server_side::{Owner, ToController};

    fn at(millis: u64) -> Moment {
        Moment { since: Duration::from_millis(millis), at: Timestamp(0) }
    }

    /// Sends the service a command. Returns the time-out of the command, and its deadline by the clock of the service.
    fn send_calibrate(state: &mut ServerState, id: &str, now: u64) -> (Duration, Option<Duration>) {
        while state.next_action().is_some() {}
        let command = Value::map([
            ("what", Value::from("command")),
            ("service", "lab/power".into()),
            ("id", id.into()),
            ("command", "calibrate".into()),
            ("within", 2.0.into()),
            ("wait", "done".into()),
        ]);
        let to = RequestInfo { session: 9, number: now, idempotent: false };
        state.request(to, ClientRequest::from_value(&command).unwrap(), 100, at(now));
        let sent = std::iter::from_fn(|| state.next_action()).find_map(|action| match action {
            Action::SendCommand { request, until, .. } => Some((request.within, until)),
            _ => None,
        });
        sent.unwrap()
    }

    fn calibrate(session: u64, id: &str, controller: u64) -> (RequestInfo, ClientRequest) {
        let command = Value::map([
            ("what", Value::from("command")),
            ("service", "lab/power".into()),
            ("id", id.into()),
            ("command", "calibrate".into()),
            ("controller", controller.into()),
        ]);
        let to = RequestInfo { session, number: 1, idempotent: true };
        (to, ClientRequest::from_value(&command).unwrap())
    }

    #[test]
    fn client_whose_command_is_held_counts_as_waiting() {
        let mut state = ServerState::new(7, Limits::default());
        // The client was connected to another incarnation of the controller.
        let (to, command) = calibrate(9, "a", 6);
        state.request(to, command, 100, at(0));
        assert!(state.next_action().is_none(), "the command is held for its service");
        assert!(state.has_pending_commands(9));
        assert!(!state.has_pending_commands(8));
    }

    #[test]
    fn held_command_is_sent_once_its_service_has_started() {
        let mut state = ServerState::new(7, Limits::default());
        let (to, command) = calibrate(9, "a", 6);
        state.request(to, command, 100, at(0));
        let mut it = FakeService::introduction("lab/power", 1);
        it.report.state = State::Starting;
        let sent = |state: &mut ServerState, link, message| {
            if matches!(message, ToController::Introduction(_)) {
                state.service_connected(link, "power-1", Owner::Anyone, None, at(1));
            }
            state.message_received(link, message, 100, at(1));
            let is_command = |action: &Action| matches!(action, Action::SendCommand { .. });
            std::iter::from_fn(|| state.next_action()).filter(is_command).count()
        };
        assert_eq!(sent(&mut state, 1, ToController::Introduction(it.clone())), 0);
        assert!(state.has_pending_commands(9) && state.stats().get("open") == Some(&Value::from(1)));
        let mut report = it.report.clone();
        assert_eq!(sent(&mut state, 1, ToController::Report(report.clone())), 0, "it is still STARTING");
        report.state = State::Ready;
        assert_eq!(sent(&mut state, 1, ToController::Report(report.clone())), 1);
        report.state = State::Running;
        assert_eq!(sent(&mut state, 1, ToController::Report(report)), 0, "it has been sent");
        // This incarnation connects again: the command may have been lost with the connection.
        state.link_closed(1, "went away", false, at(2));
        assert_eq!(sent(&mut state, 2, ToController::Introduction(it.clone())), 1);
        // A second introduction over a connection reports the start of the program, as a report does.
        let (to, command) = calibrate(9, "b", 7);
        state.link_closed(2, "went away", false, at(3));
        state.request(to, command, 100, at(3));
        it.epoch = 2;
        assert_eq!(sent(&mut state, 3, ToController::Introduction(it.clone())), 0);
        it.report.state = State::Running;
        state.message_received(3, ToController::Introduction(it), 100, at(4));
        let is_command = |action: &Action| matches!(action, Action::SendCommand { .. });
        assert_eq!(std::iter::from_fn(|| state.next_action()).filter(is_command).count(), 1);
    }

    #[test]
    fn error_at_a_limit_states_which_one_is_reached() {
        let default = Limits::default;
        for (limits, text) in [
            (Limits { open: 1, ..default() }, "1 commands wait for lab/power"),
            (Limits { open_per_client: 1, ..default() }, "this client waits for 1 commands"),
            (Limits { open_bytes: 150, ..default() }, "the open commands of all services have 100 bytes"),
        ] {
            let mut state = ServerState::new(7, limits);
            state.service_connected(1, "power-1", Owner::Anyone, None, at(0));
            let introduction = ToController::Introduction(FakeService::introduction("lab/power", 1));
            state.message_received(1, introduction, 100, at(0));
            for id in ["a", "b"] {
                let (to, command) = calibrate(9, id, 7);
                state.request(to, command, 100, at(0));
            }
            let refused = std::iter::from_fn(|| state.next_action()).find_map(|action| match action {
                Action::ReplyError { error, .. } => Some(error),
                _ => None,
            });
            let error = refused.unwrap();
            assert!(error.kind() == ErrorKind::Full && error.text().starts_with(text), "{error}");
        }
    }

    #[test]
    fn command_deadline_uses_the_clock_of_its_service() {
        let mut state = ServerState::new(7, Limits::default());
        let connect = |state: &mut ServerState, link, now| {
            state.service_connected(link, "power-1", Owner::Anyone, None, at(now));
            let introduction = ToController::Introduction(FakeService::introduction("lab/power", 1));
            state.message_received(link, introduction, 100, at(now));
        };
        connect(&mut state, 1, 1000);
        assert_eq!(send_calibrate(&mut state, "a", 1000).1, None, "its clock is not known");
        // The clock of the service is 5000 s ahead. The first message takes 3 s, the second one 20 ms.
        for (sent, delay) in [(1000, 3000), (5000, 20)] {
            state.clock_received(1, Duration::from_millis(5_000_000 + sent), at(sent + delay));
        }
        let (within, until) = send_calibrate(&mut state, "b", 6000);
        let (until, due) = (until.unwrap(), Duration::from_millis(5_006_000) + within);
        assert!(until <= due, "{until:?} is after {due:?}");
        assert!(due - until <= Duration::from_millis(25), "{until:?} is long before {due:?}");
        // The service may reconnect from another machine.
        state.link_closed(1, "went away", false, at(7000));
        connect(&mut state, 2, 7000);
        assert_eq!(send_calibrate(&mut state, "c", 8000).1, None);
    }
}
