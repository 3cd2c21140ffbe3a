//! The commands and states of services under their C names.

use std::ffi::{CStr, c_char};

use linkspan::service::{Command, State};

/// The commands for a service.
pub type linkspan_command = i32;
/// The service is STOPPED, and the program ends.
pub const LINKSPAN_COMMAND_END: linkspan_command = 0;
/// Do the next step; sent by the service's clock.
pub const LINKSPAN_COMMAND_STEP: linkspan_command = 1;
/// Reply with the data; change nothing.
pub const LINKSPAN_COMMAND_GET_DATA: linkspan_command = 2;
/// Checkpoint, close databases and files.
pub const LINKSPAN_COMMAND_PAUSE: linkspan_command = 3;
/// Reopen everything that PAUSE closed.
pub const LINKSPAN_COMMAND_RUN: linkspan_command = 4;
/// Checkpoint; steps follow.
pub const LINKSPAN_COMMAND_CHECKPOINT: linkspan_command = 5;
/// Checkpoint and close, unless `before` is `LINKSPAN_STATE_PAUSED`.
pub const LINKSPAN_COMMAND_SHUTDOWN: linkspan_command = 6;
/// Return or change the settings.
pub const LINKSPAN_COMMAND_CONFIG: linkspan_command = 7;
/// Write a backup copy.
pub const LINKSPAN_COMMAND_BACKUP: linkspan_command = 8;
/// A command of the service, named in `name`.
pub const LINKSPAN_COMMAND_OWN: linkspan_command = 9;

/// The state of a service.
pub type linkspan_state = i32;
/// The service opens its resources.
pub const LINKSPAN_STATE_STARTING: linkspan_state = 1;
/// The service is set up and waits for RUN.
pub const LINKSPAN_STATE_READY: linkspan_state = 2;
/// The service works, step by step.
pub const LINKSPAN_STATE_RUNNING: linkspan_state = 3;
/// The service finishes its step, checkpoints and closes.
pub const LINKSPAN_STATE_PAUSING: linkspan_state = 4;
/// The service has checkpointed and closed, and waits for RUN.
pub const LINKSPAN_STATE_PAUSED: linkspan_state = 5;
/// The service checkpoints, without steps.
pub const LINKSPAN_STATE_CHECKPOINTING: linkspan_state = 6;
/// The service finishes its step, checkpoints, closes and disconnects.
pub const LINKSPAN_STATE_STOPPING: linkspan_state = 7;
/// The service has ended normally.
pub const LINKSPAN_STATE_STOPPED: linkspan_state = 8;
/// The service cannot continue.
pub const LINKSPAN_STATE_FAILED: linkspan_state = 9;

/// A test compares them with the core's table.
const STATES: &[(linkspan_state, State, &CStr)] = &[
    (LINKSPAN_STATE_STARTING, State::Starting, c"STARTING"),
    (LINKSPAN_STATE_READY, State::Ready, c"READY"),
    (LINKSPAN_STATE_RUNNING, State::Running, c"RUNNING"),
    (LINKSPAN_STATE_PAUSING, State::Pausing, c"PAUSING"),
    (LINKSPAN_STATE_PAUSED, State::Paused, c"PAUSED"),
    (LINKSPAN_STATE_CHECKPOINTING, State::Checkpointing, c"CHECKPOINTING"),
    (LINKSPAN_STATE_STOPPING, State::Stopping, c"STOPPING"),
    (LINKSPAN_STATE_STOPPED, State::Stopped, c"STOPPED"),
    (LINKSPAN_STATE_FAILED, State::Failed, c"FAILED"),
];

pub(crate) fn number(state: State) -> linkspan_state {
    STATES.iter().find(|(_, known, _)| *known == state).map_or(0, |(number, ..)| *number)
}

/// The library answers commands without a number.
pub(crate) fn command_number(command: &Command) -> linkspan_command {
    match command {
        Command::Step => LINKSPAN_COMMAND_STEP,
        Command::GetData => LINKSPAN_COMMAND_GET_DATA,
        Command::Pause => LINKSPAN_COMMAND_PAUSE,
        Command::Run => LINKSPAN_COMMAND_RUN,
        Command::Checkpoint => LINKSPAN_COMMAND_CHECKPOINT,
        Command::Shutdown => LINKSPAN_COMMAND_SHUTDOWN,
        Command::Config => LINKSPAN_COMMAND_CONFIG,
        Command::Backup => LINKSPAN_COMMAND_BACKUP,
        _ => LINKSPAN_COMMAND_OWN,
    }
}

/// Returns the name of a state: `"RUNNING"`; `"UNKNOWN"` for other numbers.
///
/// It lives as long as the program.
#[unsafe(no_mangle)]
pub extern "C" fn linkspan_state_name(state: linkspan_state) -> *const c_char {
    STATES.iter().find(|(number, ..)| *number == state).map_or(c"UNKNOWN", |(.., name)| name).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_their_names_are_those_of_the_core() {
        let core = State::ALL.into_iter().map(|state| (state, state.name()));
        assert!(core.eq(STATES.iter().map(|(_, state, name)| (*state, name.to_str().unwrap()))));
        let numbers: Vec<_> = STATES.iter().map(|(number, ..)| *number).collect();
        assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
    }
}
