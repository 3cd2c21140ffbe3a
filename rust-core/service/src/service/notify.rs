//! Notifications for a supervisor such as systemd: READY, STATUS, STOPPING, WATCHDOG (`sd_notify(3)`).
//!
//! A supervisor passes a socket in `$NOTIFY_SOCKET`; without it nothing is sent. An error is returned once, for the
//! log.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::state::State;
use crate::error::{Doing, Error, ErrorKind, Result, one_line};
use crate::sys::{descriptor, environment};

/// The variables that an independent program must not inherit.
///
/// It would notify instead of its parent.
pub const NOTIFY_VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

const RETRY_AFTER: Duration = Duration::from_millis(200);

/// The supervisor's socket. Never blocks.
#[derive(Debug)]
pub struct NotifySocket {
    socket: UnixDatagram,
    address: SocketAddr,
    name: String,
    /// The supervisor acts after this time without a notification; `None` without a watchdog.
    watchdog: Option<Duration>,
    pending: String,
}

impl NotifySocket {
    /// Opens the socket that the environment names; `None` without one.
    ///
    /// Errors: `OutOfRange` for an invalid socket name or an invalid number.
    pub fn from_env() -> Result<Option<NotifySocket>> {
        NotifySocket::from_variables(&environment::variable, std::process::id())
    }

    /// [`NotifySocket::from_env`] with the environment passed in, for tests.
    fn from_variables(variable: &dyn Fn(&str) -> Option<OsString>, pid: u32) -> Result<Option<NotifySocket>> {
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Ok(None) };
        let address = address(&name)?;
        let name = name.to_string_lossy().into_owned();
        let doing = || "making a socket for the supervisor";
        let socket = UnixDatagram::unbound().map_err(|error| of_system(doing(), &error))?;
        let socket: UnixDatagram = descriptor::above_standard(Ok(socket.into())).doing(doing())?.into();
        socket.set_nonblocking(true).map_err(|error| of_system(doing(), &error))?;
        let watchdog = watchdog(variable, pid)?;
        Ok(Some(NotifySocket { socket, address, name, watchdog, pending: String::new() }))
    }

    /// Returns the watchdog time-out; `None` if the supervisor does not watch this process.
    pub fn watchdog_time(&self) -> Option<Duration> {
        self.watchdog
    }

    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Sends lines of `NAME=VALUE`, each ended by a newline, after the pending lines.
    ///
    /// Errors: `Full` if the supervisor has no room now; the lines stay pending. After other errors they are dropped.
    pub fn send(&mut self, assignments: &str) -> Result<()> {
        let mut all = std::mem::take(&mut self.pending);
        all.push_str(assignments);
        if all.is_empty() {
            return Ok(());
        }
        match self.socket.send_to_addr(all.as_bytes(), &self.address) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Only the newest assignment to each name stays pending, which bounds the size.
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

fn address(name: &OsStr) -> Result<SocketAddr> {
    let bytes = name.as_bytes();
    let made = match bytes.first() {
        Some(b'/') => SocketAddr::from_pathname(name),
        Some(b'@') => SocketAddr::from_abstract_name(&bytes[1..]),
        _ => Err(io::Error::from(io::ErrorKind::InvalidInput)),
    };
    made.map_err(|_| {
        let text = format!(
            "NOTIFY_SOCKET is {}; expected an absolute path or @name of at most 107 bytes",
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
    // The variables were inherited, and name the watchdog of another process.
    if number("WATCHDOG_PID")?.is_some_and(|watched| watched != u64::from(pid)) {
        return Ok(None);
    }
    Ok(number("WATCHDOG_USEC")?.filter(|micros| *micros > 0).map(Duration::from_micros))
}

fn status_line(text: &str) -> String {
    // A newline would begin another assignment.
    let end = text.char_indices().nth(400).map_or(text.len(), |(end, _)| end);
    format!("STATUS={}\n", one_line(&text[..end]))
}

fn newest(assignments: &str) -> String {
    let name = |line: &str| line.split('=').next().unwrap_or_default().to_owned();
    let lines: Vec<&str> = assignments.lines().collect();
    let stays = |at: usize| lines[at + 1..].iter().all(|later| name(later) != name(lines[at]));
    (0..lines.len()).filter(|at| stays(*at)).map(|at| format!("{}\n", lines[at])).collect()
}

/// Decides which notifications are due. Times count from the service's start.
#[derive(Clone, Debug, Default)]
pub struct NotifyState {
    watchdog: Option<Duration>,
    ready: bool,
    stopping: bool,
    status: String,
    last: Option<Duration>,
}

impl NotifyState {
    pub fn new(watchdog: Option<Duration>) -> NotifyState {
        NotifyState { watchdog, ..NotifyState::default() }
    }

    /// Returns the assignments for a state and its reason; empty if nothing has changed.
    ///
    /// READY is sent when the service first enters a state after STARTING, and never if it fails or ends before that.
    pub fn state(&mut self, state: State, reason: &str) -> String {
        let lives = !matches!(state, State::Starting | State::Stopping | State::Stopped | State::Failed);
        let ends = matches!(state, State::Stopping | State::Stopped);
        match reason {
            "" => self.assignments(lives, ends, state.name()),
            reason => self.assignments(lives, ends, &format!("{}: {reason}", state.name())),
        }
    }

    /// Returns the assignments for a program without states: ready, stopping, a status line.
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

    /// Returns the time of the next watchdog notification.
    ///
    /// `None` without a watchdog, and if the task begun at `doing_since` will by then have lasted longer than the
    /// time-out. The supervisor then acts on a stuck program although the library's thread still runs.
    pub fn next_watchdog(&self, doing_since: Option<Duration>, now: Duration) -> Option<Duration> {
        let time = self.watchdog?;
        let due = self.last.map_or(now, |last| last.saturating_add(time / 2).max(now));
        match doing_since {
            Some(begun) if due.saturating_sub(begun) >= time => None,
            _ => Some(due),
        }
    }

    pub fn watchdog(&mut self, doing_since: Option<Duration>, now: Duration) -> &'static str {
        if self.next_watchdog(doing_since, now) != Some(now) {
            return "";
        }
        self.last = Some(now);
        "WATCHDOG=1\n"
    }
}

/// The supervisor of a service, if it has one.
#[derive(Debug, Default)]
pub struct Supervisor {
    notify: Option<NotifySocket>,
    notifier: NotifyState,
    /// The kind of the last error, to return a repeated error once.
    problem: Option<ErrorKind>,
    retry_at: Option<Duration>,
}

impl Supervisor {
    /// Opens the supervisor that the environment names, or returns an error for an invalid variable.
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

    /// Returns whether there is a supervisor.
    pub fn is_present(&self) -> bool {
        self.notify.is_some()
    }

    /// Returns whether the supervisor has a watchdog.
    pub fn is_watched(&self) -> bool {
        self.notifier.watchdog.is_some()
    }

    /// Sends the notifications for a state. Returns an error for the log.
    #[must_use = "an error is for the service's log"]
    pub fn state(&mut self, state: State, reason: &str, now: Duration) -> Option<Error> {
        let assignments = self.notifier.state(state, reason);
        self.send(&assignments, now)
    }

    /// Notifies of the status of a controller. Returns an error for the log.
    #[must_use = "an error is for the log"]
    pub fn controller_state(&mut self, ends: bool, status: &str, now: Duration) -> Option<Error> {
        let assignments = self.notifier.assignments(!ends, ends, status);
        self.send(&assignments, now)
    }

    /// Returns when [`tick`](Supervisor::tick) is due, for a task begun at `doing_since`.
    ///
    /// `None` while the task lasts too long: call this again when it ends.
    pub fn next_due(&self, doing_since: Option<Duration>, now: Duration) -> Option<Duration> {
        self.notify.as_ref()?;
        let watchdog = self.notifier.next_watchdog(doing_since, now);
        [watchdog, self.retry_at].into_iter().flatten().min()
    }

    /// Sends the due notification. Returns an error for the log.
    #[must_use = "an error is for the service's log"]
    pub fn tick(&mut self, doing_since: Option<Duration>, now: Duration) -> Option<Error> {
        let assignments = self.notifier.watchdog(doing_since, now);
        if assignments.is_empty() && self.retry_at.is_none_or(|retry_at| retry_at > now) {
            return None;
        }
        self.send(assignments, now)
    }

    /// Sends assignments and pending assignments. Returns an error for the log, once.
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
