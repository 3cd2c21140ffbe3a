//! The record of one service.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use crate::event_log::{Log, cut};
use crate::open_command::OpenCommand;
use crate::rate_limit::Limits;
use crate::schedule::Name;
use linkspan::service::server_side::{Introduction, Owner, Report, allows, check_service_name};
use linkspan::{Command, Error, ErrorKind, Map, Outcome, Result, State, Timestamp, Value, View};

/// A step is shown as busy after this time. The service then sends a report.
const LASTING: Duration = Duration::from_secs(1);

/// The number of answers to clients' commands by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerCounts {
    pub accepted: u64,
    pub done: u64,
    pub failed: u64,
    pub rejected: u64,
}

impl AnswerCounts {
    pub fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Accepted => self.accepted = self.accepted.saturating_add(1),
            Outcome::Done => self.done = self.done.saturating_add(1),
            Outcome::Failed => self.failed = self.failed.saturating_add(1),
            Outcome::Rejected => self.rejected = self.rejected.saturating_add(1),
        }
    }

    pub fn to_value(self) -> Value {
        Value::map([
            ("accepted", self.accepted),
            ("done", self.done),
            ("failed", self.failed),
            ("rejected", self.rejected),
        ])
    }
}

/// The sampling of a service's data for its watchers.
#[derive(Debug, Default)]
pub struct Sampling {
    /// The time of the last request for a sample.
    pub requested: Option<Duration>,
    /// Whether the request of the last sample is open.
    pub is_open: bool,
    /// The fingerprint of the data that the watchers received last.
    pub last: Option<u64>,
}

#[derive(Debug)]
pub struct TimedOutCommand {
    pub id: Arc<str>,
    /// Whether the service accepted it. Then only its program is slow.
    pub accepted: bool,
}

#[derive(Debug)]
pub struct ServiceRecord {
    pub name: Name,
    /// Its last introduction, with its last report.
    pub introduction: Introduction,
    pub view: View,
    /// The link to it while it is connected.
    pub link: Option<u64>,
    pub source: Arc<str>,
    /// The machine that it is on, if it is not this one.
    pub machine: Option<Arc<str>>,
    /// The user that runs its program. No other user's program may take the name until the service is GONE.
    pub owner: Owner,
    /// The time of its last message, since the start and by the clock.
    pub last_activity: Duration,
    pub last_seen: Timestamp,
    pub first_seen: Timestamp,
    pub connections: u64,
    pub answered: AnswerCounts,
    /// The problem that the controller has found; empty for none.
    pub problem: String,
    /// The command whose time-out is the problem, until the service shows that it answers again.
    pub timed_out: Option<TimedOutCommand>,
    /// Commands without a final answer, in the order of their arrival.
    pub open: IndexMap<Arc<str>, OpenCommand>,
    pub log: Log,
    pub sampling: Sampling,
    /// The time of the last record that was sent to its watchers.
    pub pushed: Option<Duration>,
    /// The time when its link was last closed.
    pub left: Duration,
}

impl ServiceRecord {
    pub fn new(name: Name, introduction: Introduction, now: Duration, at: Timestamp) -> ServiceRecord {
        ServiceRecord {
            name,
            introduction,
            view: View::Disconnected,
            link: None,
            source: "".into(),
            machine: None,
            owner: Owner::Anyone,
            last_activity: now,
            last_seen: at,
            first_seen: at,
            connections: 0,
            answered: AnswerCounts::default(),
            problem: String::new(),
            timed_out: None,
            open: IndexMap::new(),
            log: Log::default(),
            sampling: Sampling::default(),
            pushed: None,
            left: now,
        }
    }

    pub fn report(&self) -> &Report {
        &self.introduction.report
    }

    /// Returns why a service that is GONE does not answer commands.
    pub fn why_gone(&self) -> String {
        let (name, report) = (&self.name, self.report());
        let what = match (report.state, report.reason.as_str()) {
            (State::Stopped | State::Failed, "") => format!("has ended and is {}", report.state.name()),
            (State::Stopped | State::Failed, reason) => {
                format!("has ended and is {}: {reason}", report.state.name())
            }
            _ => "lost its connection and did not reconnect".to_owned(),
        };
        format!("{name} {what}; start it again, and send the command again")
    }

    pub fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// Returns the commands that its state permits now; none while it is disconnected.
    pub fn allowed(&self) -> Vec<Value> {
        if !self.is_connected() {
            return Vec::new();
        }
        let it = &self.introduction;
        let takes = |command: &Command| match command {
            Command::Config | Command::Backup => it.commands.iter().any(|name| name == command.name()),
            _ => !it.unsupported.iter().any(|name| name == command.name()),
        };
        let own = self.introduction.commands.iter().filter_map(|name| Command::from_name(name).ok());
        let own = own.filter(|command| matches!(command, Command::Own(_)));
        let all = Command::ALL.into_iter().filter(takes).chain(own);
        let state = self.report().state;
        all.filter(|command| allows(state, command)).map(|command| command.name().into()).collect()
    }

    /// Returns the record as clients receive it.
    pub fn to_value(&self, now: Duration) -> Value {
        let (it, report) = (&self.introduction, self.report());
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| {
            map.insert(key.to_owned(), value);
        };
        put("name", (&*self.name).into());
        put("view", self.view.name().into());
        put("state", report.state.name().into());
        put("since", report.since.into());
        // Short steps are not shown as busy, because the report may be older than the step.
        let steps = report.doing.as_deref() == Some(Command::Step.name());
        if let Some(busy) = report.busy.filter(|busy| self.is_connected() && (*busy >= LASTING || !steps)) {
            put("busy", busy.saturating_add(now.saturating_sub(self.last_activity)).as_secs_f64().into());
            put("doing", report.doing.as_deref().unwrap_or_default().into());
        }
        put("steps", report.steps.into());
        put("reason", report.reason.as_str().into());
        put("problem", self.problem.as_str().into());
        put("epoch", it.epoch.into());
        put("pid", it.pid.into());
        put("program", it.program.as_str().into());
        put("description", it.description.as_str().into());
        put("commands", it.commands.clone().into());
        if !it.unsupported.is_empty() {
            put("unsupported", it.unsupported.clone().into());
        }
        if it.adopted {
            put("adopted", true.into());
        }
        if let Some(every) = it.every {
            put("every", every.as_secs_f64().into());
        }
        put("source", (&*self.source).into());
        if let Some(machine) = &self.machine {
            put("machine", (&**machine).into());
        }
        put("first_seen", self.first_seen.into());
        put("last_seen", self.last_seen.into());
        put("connections", self.connections.into());
        put("answered", self.answered.to_value());
        put("open", (self.open.values().filter(|open| !open.is_own).count() as u64).into());
        put("allowed", Value::Array(self.allowed()));
        Value::Map(map)
    }

    /// Returns the approximate size of the record in bytes.
    pub fn size(&self) -> usize {
        let it = &self.introduction;
        let texts = [&it.program, &it.description, &it.report.reason, &self.problem];
        let texts = texts.iter().fold(1_000usize, |all, text| all.saturating_add(text.len()));
        texts.saturating_add(it.commands.len().saturating_mul(150))
    }
}

/// The most commands that a service may declare.
const COMMANDS: usize = 100;

/// Checks an introduction, and shortens texts that are too long.
pub fn check(mut it: Introduction, limits: &Limits) -> Result<Introduction> {
    check_service_name(&it.name)?;
    if it.commands.len() > COMMANDS {
        let text = format!(
            "it declares {} commands of its own, and at most {COMMANDS} are allowed",
            it.commands.len()
        );
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    // Other names in this list are ignored.
    it.unsupported.retain(|name| Command::from_name(name).is_ok_and(|one| one.may_be_unsupported()));
    it.unsupported.truncate(2);
    for name in &it.commands {
        Command::from_name(name)?;
    }
    it.program = cut(&it.program, 200);
    it.description = cut(&it.description, limits.line);
    it.report = shorten(it.report, limits);
    Ok(it)
}

/// Changes the name of a service on another machine to `NAME@MACHINE`.
///
/// Services on several machines can therefore have equal names.
pub fn on_machine(mut it: Introduction, machine: &Option<Arc<str>>) -> Result<Introduction> {
    if let Some(machine) = machine {
        check_service_name(machine)?;
        it.name = format!("{}@{machine}", it.name);
    }
    Ok(it)
}

pub fn shorten(mut report: Report, limits: &Limits) -> Report {
    report.reason = cut(&report.reason, limits.line);
    report.doing = report.doing.map(|doing| cut(&doing, 64));
    report
}
