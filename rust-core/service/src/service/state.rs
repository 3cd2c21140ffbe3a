//! The states of a service, and a controller's view of it.

use crate::error::{Error, ErrorKind, Result, quoted};

/// The state of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// It opens its resources.
    Starting,
    /// It is set up and waits for RUN.
    Ready,
    /// It does its work, step by step.
    Running,
    /// It finishes its step, checkpoints and closes.
    Pausing,
    /// Its output is checkpointed and closed; it waits for RUN.
    Paused,
    /// It waits and checkpoints.
    Checkpointing,
    /// It finishes its step, checkpoints, closes and exits.
    Stopping,
    /// The service has ended properly.
    Stopped,
    /// It could not continue; its reason has the cause.
    Failed,
}

impl State {
    /// All states, in the order of a lifecycle.
    pub const ALL: [State; 9] = [
        State::Starting,
        State::Ready,
        State::Running,
        State::Pausing,
        State::Paused,
        State::Checkpointing,
        State::Stopping,
        State::Stopped,
        State::Failed,
    ];

    /// Returns its name in every language and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            State::Starting => "STARTING",
            State::Ready => "READY",
            State::Running => "RUNNING",
            State::Pausing => "PAUSING",
            State::Paused => "PAUSED",
            State::Checkpointing => "CHECKPOINTING",
            State::Stopping => "STOPPING",
            State::Stopped => "STOPPED",
            State::Failed => "FAILED",
        }
    }

    /// Returns the state of this name; `Malformed` for an unknown name.
    pub fn from_name(name: &str) -> Result<State> {
        State::ALL.into_iter().find(|state| state.name() == name).ok_or_else(|| {
            Error::new(
                ErrorKind::Malformed,
                format!("no state of a service is called {name}", name = quoted(name)),
            )
        })
    }

    /// Returns its meaning, for documents and help texts.
    pub const fn meaning(self) -> &'static str {
        match self {
            State::Starting => "opens what it needs",
            State::Ready => "set up, waits for RUN",
            State::Running => "does its work, step by step",
            State::Pausing => "finishes its step, checkpoints, closes",
            State::Paused => "checkpointed and closed, waits for RUN",
            State::Checkpointing => "stands still and checkpoints",
            State::Stopping => "finishes its step, checkpoints, closes, leaves",
            State::Stopped => "ended in good order",
            State::Failed => "could not go on; the reason says why",
        }
    }

    /// Returns whether it is transitional: an open command leads to another state.
    pub const fn is_transitional(self) -> bool {
        matches!(self, State::Starting | State::Pausing | State::Checkpointing | State::Stopping)
    }
}

/// A controller's view of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum View {
    /// It is connected and sends its heartbeats.
    Connected,
    /// It is connected and has missed three heartbeats.
    Stale,
    /// Its connection has ended; it may reconnect.
    Disconnected,
    /// The service has ended properly, or has been disconnected for too long.
    Gone,
}

impl View {
    /// All views.
    pub const ALL: [View; 4] = [View::Connected, View::Stale, View::Disconnected, View::Gone];

    /// Returns its name in every language and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            View::Connected => "CONNECTED",
            View::Stale => "STALE",
            View::Disconnected => "DISCONNECTED",
            View::Gone => "GONE",
        }
    }

    /// Returns its meaning, for documents and help texts.
    pub const fn meaning(self) -> &'static str {
        match self {
            View::Connected => "connected, and a heartbeat arrived in time",
            View::Stale => "connected, and silent for longer than three heartbeats",
            View::Disconnected => "its connection has ended; it may come back",
            View::Gone => "it has ended in good order, or has been disconnected for ten minutes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_names_round_trip() {
        for state in State::ALL {
            assert_eq!(State::from_name(state.name()).unwrap(), state);
        }
        assert_eq!(State::from_name("running").unwrap_err().kind(), ErrorKind::Malformed);
    }
}
