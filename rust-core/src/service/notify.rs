//! What a supervisor such as systemd is told: READY, STATUS, STOPPING and WATCHDOG, by the protocol of `sd_notify(3)`.
//!
//! A supervisor that wants to be told gives the program a socket in `$NOTIFY_SOCKET`; where there is none, nothing is
//! done. [`NotifySocket`] is the socket and its words. [`NotifyState`] is what a service says when, as pure state. [`Supervisor`] is
//! both together for a service's thread: what goes wrong is an error for the log, told once, and never the end of
//! anything.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::state::State;
use crate::error::{Error, ErrorKind, Result};

/// What a program that is started for its own sake must not inherit: it would speak for whoever started it.
pub const NOTIFY_VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// A supervisor whose queue is full is told again after so long.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// The supervisor's socket, and the words for it. Never waits.
#[derive(Debug)]
pub struct NotifySocket {
    socket: UnixDatagram,
    address: SocketAddr,
    name: String,
    watchdog: Option<Duration>,
    /// What the supervisor had no room for; it goes with the next words.
    pending: String,
}

impl NotifySocket {
    /// The supervisor that the environment names; none where it names none.
    ///
    /// Errors: `OutOfRange` for a name that is no socket's, or a time that is no number.
    pub fn from_env() -> Result<Option<NotifySocket>> {
        NotifySocket::from_variables(&|name| std::env::var_os(name), std::process::id())
    }

    fn from_variables(variable: &dyn Fn(&str) -> Option<OsString>, pid: u32) -> Result<Option<NotifySocket>> {
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Ok(None) };
        let address = address(&name)?;
        let name = name.to_string_lossy().into_owned();
        let doing = || "making a socket for the supervisor";
        let socket = UnixDatagram::unbound().map_err(|error| of_system(doing(), &error))?;
        socket.set_nonblocking(true).map_err(|error| of_system(doing(), &error))?;
        let watchdog = watchdog(variable, pid)?;
        Ok(Some(NotifySocket { socket, address, name, watchdog, pending: String::new() }))
    }

    /// After so much silence the supervisor acts; none where it does not watch this process.
    pub fn watchdog_time(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Whether the supervisor had no room for some words, which [`say`](NotifySocket::say) tries again.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Says lines of `NAME=VALUE`, each ended by a newline, behind what has not been said yet.
    ///
    /// Errors: `Full` where the supervisor has no room now: the words are kept. For others they are gone.
    pub fn send(&mut self, assignments: &str) -> Result<()> {
        let mut all = std::mem::take(&mut self.pending);
        all.push_str(assignments);
        if all.is_empty() {
            return Ok(());
        }
        match self.socket.send_to_addr(all.as_bytes(), &self.address) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Of words that wait the newest count: each name stands once, however long nobody listens.
                self.pending = newest(&all);
                let text = format!("the supervisor at {} has no room for more words now", self.name);
                Err(Error::new(ErrorKind::Full, text))
            }
            Err(error) => Err(of_system(format!("telling the supervisor at {}", self.name), &error)),
        }
    }
}

fn of_system(doing: impl std::fmt::Display, error: &io::Error) -> Error {
    Error::os(doing, error.raw_os_error().unwrap_or(0))
}

/// A path, or `@name` for a name that no directory holds.
fn address(name: &OsStr) -> Result<SocketAddr> {
    let bytes = name.as_bytes();
    let made = match bytes.first() {
        Some(b'/') => SocketAddr::from_pathname(name),
        Some(b'@') => SocketAddr::from_abstract_name(&bytes[1..]),
        _ => Err(io::Error::from(io::ErrorKind::InvalidInput)),
    };
    made.map_err(|_| {
        let text = format!(
            "NOTIFY_SOCKET is {}: a path from / on, or @ and a name, of at most 107 bytes, is what can be told",
            name.display()
        );
        Error::new(ErrorKind::OutOfRange, text)
    })
}

fn watchdog(variable: &dyn Fn(&str) -> Option<OsString>, pid: u32) -> Result<Option<Duration>> {
    let number = |name: &str| -> Result<Option<u64>> {
        let Some(text) = variable(name) else { return Ok(None) };
        let parsed = text.to_str().and_then(|text| text.parse().ok());
        parsed.map(Some).ok_or_else(|| {
            Error::new(ErrorKind::OutOfRange, format!("{name} is {}, which is no number", text.display()))
        })
    };
    // A watchdog for another process was inherited.
    if number("WATCHDOG_PID")?.is_some_and(|watched| watched != u64::from(pid)) {
        return Ok(None);
    }
    Ok(number("WATCHDOG_USEC")?.filter(|micros| *micros > 0).map(Duration::from_micros))
}

fn status_line(text: &str) -> String {
    // A line's end would begin another word.
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect();
    format!("STATUS={text}\n")
}

fn newest(assignments: &str) -> String {
    let name = |line: &str| line.split('=').next().unwrap_or_default().to_owned();
    let lines: Vec<&str> = assignments.lines().collect();
    let stays = |at: usize| lines[at + 1..].iter().all(|later| name(later) != name(lines[at]));
    (0..lines.len()).filter(|at| stays(*at)).map(|at| format!("{}\n", lines[at])).collect()
}

/// What a service says when. Times are counted from the service's start.
#[derive(Clone, Debug, Default)]
pub struct NotifyState {
    /// After so much silence the supervisor acts.
    watchdog: Option<Duration>,
    ready: bool,
    stopping: bool,
    status: String,
    /// When it last said that it lives.
    last: Option<Duration>,
}

impl NotifyState {
    /// A supervisor that acts after so much silence, if it watches at all.
    pub fn new(watchdog: Option<Duration>) -> NotifyState {
        NotifyState { watchdog, ..NotifyState::default() }
    }

    /// The words for a state and its reason; empty where nothing has changed for the supervisor.
    ///
    /// READY is said when the service comes to a state of its life for the first time, and never by one that fails or
    /// ends before that.
    pub fn state(&mut self, state: State, reason: &str) -> String {
        let lives = !matches!(state, State::Starting | State::Stopping | State::Stopped | State::Failed);
        let ends = matches!(state, State::Stopping | State::Stopped);
        match reason {
            "" => self.assignments(lives, ends, state.name()),
            reason => self.assignments(lives, ends, &format!("{}: {reason}", state.name())),
        }
    }

    /// The same for whoever has no states: whether it is set up, whether it has begun to end, a line for people.
    pub fn assignments(&mut self, lives: bool, ends: bool, status: &str) -> String {
        let mut assignments = String::new();
        if lives && !std::mem::replace(&mut self.ready, true) {
            assignments.push_str("READY=1\n");
        }
        if ends && !std::mem::replace(&mut self.stopping, true) {
            assignments.push_str("STOPPING=1\n");
        }
        let status = status_line(status);
        if status != self.status {
            assignments.push_str(&status);
            self.status = status;
        }
        assignments
    }

    /// When it is next to say that it lives: now, or later. None where nobody watches, or where what the program does,
    /// begun at `doing_since`, will have lasted longer than the supervisor's time by then. Silence lets the supervisor
    /// act on a program that is stuck, although the library's thread is not. A program that waits, paused or for its
    /// next step, is not stuck.
    pub fn next_watchdog(&self, doing_since: Option<Duration>, now: Duration) -> Option<Duration> {
        let time = self.watchdog?;
        let due = self.last.map_or(now, |last| last.saturating_add(time / 2).max(now));
        match doing_since {
            Some(begun) if due.saturating_sub(begun) >= time => None,
            _ => Some(due),
        }
    }

    /// The words now, as far as they are due.
    pub fn watchdog(&mut self, doing_since: Option<Duration>, now: Duration) -> &'static str {
        if self.next_watchdog(doing_since, now) != Some(now) {
            return "";
        }
        self.last = Some(now);
        "WATCHDOG=1\n"
    }
}

/// The supervisor of a service, if it has one: for the service's thread.
#[derive(Debug, Default)]
pub struct Supervisor {
    notify: Option<NotifySocket>,
    notifier: NotifyState,
    /// What went wrong last, so that it is told once.
    problem: Option<ErrorKind>,
    /// When words that found no room are tried again.
    retry_at: Option<Duration>,
}

impl Supervisor {
    /// For the supervisor that the environment names, and what is wrong with that name.
    pub fn from_env() -> (Supervisor, Option<Error>) {
        match NotifySocket::from_env() {
            Ok(notify) => (Supervisor::to(notify), None),
            Err(error) => (Supervisor::default(), Some(error)),
        }
    }

    fn to(notify: Option<NotifySocket>) -> Supervisor {
        let watchdog = notify.as_ref().and_then(NotifySocket::watchdog_time);
        Supervisor { notify, notifier: NotifyState::new(watchdog), ..Supervisor::default() }
    }

    /// Whether there is a supervisor at all.
    pub fn is_present(&self) -> bool {
        self.notify.is_some()
    }

    /// Whether a supervisor acts on silence: then it is to be told when the program ends something that took too long.
    pub fn is_watched(&self) -> bool {
        self.notifier.watchdog.is_some()
    }

    /// The service is in this state. Gives an error for the log.
    #[must_use = "an error is for the service's log"]
    pub fn state(&mut self, state: State, reason: &str, now: Duration) -> Option<Error> {
        let assignments = self.notifier.state(state, reason);
        self.send(&assignments, now)
    }

    /// A controller, which has no states: it is set up, or has begun to end. Gives an error for the log.
    #[must_use = "an error is for the log"]
    pub fn controller_state(&mut self, ends: bool, status: &str, now: Duration) -> Option<Error> {
        let assignments = self.notifier.assignments(!ends, ends, status);
        self.send(&assignments, now)
    }

    /// When [`tick`](Supervisor::tick) is to be called, while what the program does was begun at `doing_since`, or it does
    /// nothing. None while that lasts too long: to be asked again when it ends.
    pub fn next_due(&self, doing_since: Option<Duration>, now: Duration) -> Option<Duration> {
        self.notify.as_ref()?;
        let watchdog = self.notifier.next_watchdog(doing_since, now);
        [watchdog, self.retry_at].into_iter().flatten().min()
    }

    /// Says what is due. Gives an error for the log.
    #[must_use = "an error is for the service's log"]
    pub fn tick(&mut self, doing_since: Option<Duration>, now: Duration) -> Option<Error> {
        let assignments = self.notifier.watchdog(doing_since, now);
        if assignments.is_empty() && self.retry_at.is_none_or(|retry_at| retry_at > now) {
            return None;
        }
        self.send(assignments, now)
    }

    fn send(&mut self, assignments: &str, now: Duration) -> Option<Error> {
        let notify = self.notify.as_mut()?;
        if assignments.is_empty() && !notify.has_pending() {
            return None;
        }
        let sent = notify.send(assignments);
        self.retry_at = notify.has_pending().then_some(now.saturating_add(RETRY_AFTER));
        match sent {
            Ok(()) => {
                self.problem = None;
                None
            }
            Err(error) => {
                let before = self.problem.replace(error.kind());
                (before != Some(error.kind())).then_some(error)
            }
        }
    }
}

#[cfg(test)]
mod tests;
