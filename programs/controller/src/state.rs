//! The state of the server as a pure state machine: its input is messages and times, its output is actions. It uses
//! neither a clock nor a socket.
//!
//! The event loop calls a method for each event (a link, a message, an expired timer) and then carries out the actions
//! of [`ServerState::next_action`] in their order, before the next event. Methods do not fail: an invalid message
//! causes an action (a refusal, the end of the link) and a line of the log.
//!
//! A service has one of these views:
//!
//! | view | since | ends |
//! |---|---|---|
//! | CONNECTED | its introduction was accepted | with its link, its bye, or silence |
//! | STALE | it has sent nothing for `Limits::silence`, over an open link | with the next message, or with its link |
//! | DISCONNECTED | its link ended without a bye; its name and its open commands are kept | when it reconnects, or after `Limits::away` |
//! | GONE | it sent its bye, or was disconnected too long; its open commands have failed | when it connects again, or is forgotten |
//!
//! [`Limits`] bounds everything that a peer can make grow; beyond a limit the server refuses with `Full`.

mod presence;
mod registration;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::archive::Archive;
use crate::client_protocol::{ClientCommand, WatchRequest};
use crate::event_log::{Entry, Log, cut};
use crate::open_command::Key;
use crate::rate_limit::{Limits, TokenBucket};
use crate::registry::{self, AnswerCounts, ServiceRecord};
use crate::schedule::{Due, Name, Schedule};
use linkspan::service::CommandRequest;
use linkspan::service::server_side::{Owner, PeerClock, RequestInfo, ToController, ToService};
use linkspan::{Error, ErrorKind, Timestamp, Value};

/// The current time, since the start of the server and by the clock.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For time-outs and periods, because it does not jump when the clock is set.
    pub since: Duration,
    /// For records and logs.
    pub at: Timestamp,
}

#[derive(Clone, Debug)]
pub enum Action {
    SendToService {
        link: u64,
        message: ToService,
    },
    SendCommand {
        link: u64,
        request: CommandRequest,
        /// Its deadline by the clock of the service, if that is known.
        until: Option<Duration>,
    },
    /// Close a link after its queued messages.
    CloseLink {
        link: u64,
    },
    Reply {
        to: RequestInfo,
        value: Value,
    },
    ReplyError {
        to: RequestInfo,
        error: Error,
    },
    Push {
        to: Vec<u64>,
        value: Value,
    },
}

#[derive(Debug)]
pub(super) struct ServiceLink {
    /// The program at the other end, for log lines and errors.
    pub source: Arc<str>,
    /// The user that runs its program.
    pub owner: Owner,
    /// The machine of the service, if a bridge forwards the link.
    machine: Option<Arc<str>>,
    /// The name of the service; `None` before its introduction.
    pub name: Option<Name>,
    /// Limits its messages, weighted by their size and their log lines.
    rate: TokenBucket,
    /// Limits its malformed messages. Each is reported; one beyond the limit closes the link.
    malformed: TokenBucket,
    last_beat: Option<Duration>,
    /// The clock of the service's machine.
    pub clock: PeerClock,
}

/// The state of the server.
#[derive(Debug)]
pub struct ServerState {
    /// The incarnation of the controller: a random number that clients receive in its hello.
    pub(super) controller: u64,
    pub(super) limits: Limits,
    /// The services by name. This gives lists a stable order for pages.
    pub(super) services: BTreeMap<Name, ServiceRecord>,
    /// The open links of services by token, with or without an introduction.
    pub(super) links: HashMap<u64, ServiceLink>,
    pub(super) watchers: HashMap<u64, WatchRequest>,
    /// Final answers, for clients that have lost them.
    pub(super) archive: Archive,
    pub(super) schedule: Schedule,
    /// Actions that the event loop has not taken yet, in order.
    pub(super) actions: VecDeque<Action>,
    /// The log of the controller and of all services.
    pub(super) log: Log,
    /// The commands that each client waits for.
    pub(super) awaited: HashMap<u64, BTreeSet<Key>>,
    /// Commands for services that may have been registered with an earlier incarnation of the controller.
    ///
    /// Each has the request, the command, its size and its deadline.
    pub(super) expected: BTreeMap<Name, Vec<(RequestInfo, ClientCommand, usize, Duration)>>,
    /// The size of all commands that are open or held, in bytes.
    pub(super) open_bytes: usize,
    pub(super) outcomes: AnswerCounts,
    pub(super) samples_sent: u64,
    /// The time of the last log line about the peer limit.
    peer_limit_reached: Option<Duration>,
}

impl ServerState {
    /// Creates a state without services. `controller` identifies this incarnation of the controller.
    pub fn new(controller: u64, limits: Limits) -> ServerState {
        ServerState {
            controller,
            limits,
            services: BTreeMap::new(),
            links: HashMap::new(),
            watchers: HashMap::new(),
            archive: Archive::default(),
            schedule: Schedule::default(),
            actions: VecDeque::new(),
            log: Log::default(),
            awaited: HashMap::new(),
            expected: BTreeMap::new(),
            open_bytes: 0,
            outcomes: AnswerCounts::default(),
            samples_sent: 0,
            peer_limit_reached: None,
        }
    }

    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    pub fn next(&self) -> Option<Duration> {
        self.schedule.next()
    }

    /// Logs that a peer was refused at the peer limit, at most once in `Limits::problem`.
    pub fn peer_limit_reached(&mut self, peers: usize, now: Moment) {
        if self.peer_limit_reached.is_none_or(|last| last.saturating_add(self.limits.problem) <= now.since) {
            self.peer_limit_reached = Some(now.since);
            let text = format!("{peers} peers are connected, which is the limit; further ones are refused");
            self.log_event(None, "error", &text, now);
        }
    }

    /// Adds the link of a service that has connected. `machine` is set if the service is on another machine.
    pub fn service_connected(
        &mut self,
        link: u64,
        source: &str,
        owner: Owner,
        machine: Option<Arc<str>>,
        now: Moment,
    ) {
        let service_link = ServiceLink {
            source: cut(source, 200).into(),
            owner,
            machine,
            name: None,
            rate: TokenBucket::new(self.limits.burst, now.since),
            malformed: TokenBucket::new(self.limits.malformed, now.since),
            last_beat: None,
            clock: PeerClock::default(),
        };
        self.links.insert(link, service_link);
        self.schedule.set(Due::IntroductionTimeout(link), now.since.saturating_add(self.limits.introduction));
        let message = ToService::Welcome { controller: self.controller, heartbeat: self.limits.heartbeat };
        self.actions.push_back(Action::SendToService { link, message });
    }

    /// Handles a message of a service. `bytes` is the size of the message.
    pub fn message_received(&mut self, link: u64, received: ToController, bytes: usize, now: Moment) {
        let Some(service_link) = self.links.get_mut(&link) else { return };
        // Long messages and messages with many log lines cost more, because they take more time.
        let lines = if let ToController::Log(lines) = &received { lines.len() } else { 0 };
        let cost = 1.0 + bytes as f64 / 16_384.0 + lines as f64 / 20.0;
        if !service_link.rate.spend(cost, self.limits.rate, self.limits.burst, now.since) {
            let text = format!("sends more than {} messages a second for too long", self.limits.rate);
            return self.drop_for_violation(link, &text, now);
        }
        let name = service_link.name.clone();
        if let ToController::Introduction(introduction) = received {
            return self.introduction_received(link, name, introduction, now);
        }
        let Some(name) = name else {
            return self.drop_for_violation(link, "sends messages before its introduction", now);
        };
        self.note_activity(&name, now);
        match received {
            ToController::Introduction(_) => {}
            ToController::Report(report) => {
                self.send_beat(link, now);
                let report = registry::shorten(report, &self.limits);
                let Some(service) = self.services.get_mut(&name) else { return };
                let (before, state) = (service.report().state, report.state);
                let changed = before != state;
                service.introduction.report = report;
                if changed {
                    let text = match &service.report().reason {
                        reason if reason.is_empty() => format!("is {}", state.name()),
                        reason => format!("is {}: {reason}", state.name()),
                    };
                    self.log_event(Some(&name), "info", &text, now);
                    if before == linkspan::State::Starting {
                        self.send_open_commands(&name, false, now);
                    }
                }
                self.record_changed(&name, now);
            }
            ToController::Answer(answer) => self.answer_received(&name, answer, bytes, now),
            ToController::Log(lines) => {
                for line in lines {
                    let (level, text) = (cut(&line.level, 16), cut(&line.text, self.limits.line));
                    let entry = Entry { at: line.at, service: Some(name.clone()), level, text };
                    self.push_log_entry(&entry);
                    self.append_to_service_log(&name, entry);
                }
            }
            ToController::Bye(state) => {
                let Some(service) = self.services.get_mut(&name) else { return };
                service.introduction.report.state = state;
                self.release_link(link);
                self.service_gone(&name, &format!("deregistered, {}", state.name()), now);
            }
        }
    }

    /// Records the clock of a service's machine, read when it sent a message that has just arrived.
    pub fn clock_received(&mut self, link: u64, clock: Duration, now: Moment) {
        if let Some(service_link) = self.links.get_mut(&link) {
            service_link.clock.received(clock, now.since);
        }
    }

    pub fn malformed_message(&mut self, link: u64, error: &Error, now: Moment) {
        // An unknown message of a later version is ignored.
        if error.kind() == ErrorKind::Unsupported {
            return;
        }
        let Some(service_link) = self.links.get_mut(&link) else { return };
        let rate = self.limits.malformed / 60.0;
        let is_tolerated = service_link.malformed.spend(1.0, rate, self.limits.malformed, now.since);
        let text = format!("sent a malformed message: {}", cut(&error.to_string(), 300));
        if is_tolerated {
            return self.report_violation(link, &text, now);
        }
        self.drop_for_violation(link, &format!("{text}, more often than is tolerated"), now);
    }

    /// Removes a link that was closed. `fault` is whether the service violated the protocol.
    pub fn link_closed(&mut self, link: u64, why: &str, fault: bool, now: Moment) {
        if fault {
            self.report_violation(link, &format!("violated the protocol: {}", cut(why, 300)), now);
        }
        let Some(service_link) = self.links.get(&link) else { return };
        let name = service_link.name.clone();
        self.remove_link(link);
        if let Some(name) = name {
            self.service_disconnected(&name, why, now);
        }
    }

    /// Runs the timers that have expired.
    pub fn advance(&mut self, now: Moment) {
        while let Some(due) = self.schedule.take(now.since) {
            match due {
                Due::Command(name, id) => self.command_timed_out(&(name, id), now),
                Due::HeartbeatTimeout(name) => self.heartbeat_missed(&name, now),
                Due::Gone(name) => {
                    let away = self.limits.away.as_secs();
                    self.service_gone(&name, &format!("has been disconnected for {away} s"), now);
                }
                Due::Sample(name) => self.sample(&name, now),
                Due::Push(name) => self.push_record(&name, now),
                Due::ProblemExpiry(name) => self.clear_problem(&name, now),
                Due::IntroductionTimeout(link) => {
                    if self.links.get(&link).is_some_and(|service_link| service_link.name.is_none()) {
                        self.drop_for_violation(link, "sent no introduction in time", now);
                    }
                }
                Due::ExpectedService(name) => self.expected_service_timeout(&name, now),
                Due::AnswerExpiry => self.expire_answers(now),
            }
        }
    }

    /// Records and logs a problem of a service if it is new.
    pub(super) fn report_problem(&mut self, name: &Name, text: &str, now: Moment) {
        self.schedule.set(Due::ProblemExpiry(name.clone()), now.since.saturating_add(self.limits.problem));
        let Some(service) = self.services.get_mut(name) else { return };
        service.timed_out = None;
        if service.problem == text {
            return;
        }
        service.problem = text.to_owned();
        self.log_event(Some(name), "warning", text, now);
        self.record_changed(name, now);
    }

    pub(super) fn clear_problem(&mut self, name: &Name, now: Moment) {
        self.schedule.cancel(&Due::ProblemExpiry(name.clone()));
        let Some(service) = self.services.get_mut(name) else { return };
        service.timed_out = None;
        if !std::mem::take(&mut service.problem).is_empty() {
            self.record_changed(name, now);
        }
    }

    /// Appends a line to the log of the controller and, with a name, to the log of that service.
    pub(super) fn log_event(&mut self, name: Option<&Name>, level: &str, text: &str, now: Moment) {
        let text = cut(text, self.limits.line);
        let entry = Entry { at: now.at, service: name.cloned(), level: level.into(), text };
        self.push_log_entry(&entry);
        if let Some(name) = name {
            self.append_to_service_log(name, entry.clone());
        }
        self.log.push(entry, self.limits.events, self.limits.logs_bytes);
    }

    fn append_to_service_log(&mut self, name: &Name, entry: Entry) {
        let share = self.limits.log_share(self.services.len());
        if let Some(service) = self.services.get_mut(name) {
            service.log.push(entry, self.limits.lines, share);
        }
    }
}
