//! The effect of each command in each state: one table for service, controller and documents.
//!
//! A test compares `docs/lifecycle.md`. The match has no wildcard over states, so a new state does not compile without
//! rules for every command.

use super::command::Command;
use super::state::State;
use crate::error::{Error, ErrorKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Accepted: the service enters the first state now, and the second when the command is done.
    Leads(State, State),
    /// Accepted: the service enters this state now, and its previous state when the command is done.
    Returns(State),
    /// Accepted without a change of state.
    Keeps,
    /// Answered by the library at once.
    Library,
    /// A repeated SHUTDOWN cancels everything that the first one waits for.
    Cancels,
    /// Rejected.
    Refused,
}

pub const fn rule(state: State, command: &Command) -> Rule {
    use State::{Checkpointing, Failed, Paused, Pausing, Ready, Running, Starting, Stopped, Stopping};
    match (command, state) {
        (Command::Status | Command::Describe | Command::Stats | Command::Log | Command::Cancel, _) => {
            Rule::Library
        }
        (Command::GetData, Ready | Running | Pausing | Paused | Checkpointing | Stopping) => Rule::Keeps,
        (Command::Pause, Ready | Running) => Rule::Leads(Pausing, Paused),
        (Command::Run, Ready | Paused | Failed) => Rule::Leads(state, Running),
        (Command::Checkpoint, Ready | Running) => Rule::Returns(Checkpointing),
        (Command::Shutdown, Stopping) => Rule::Cancels,
        (Command::Shutdown, Starting | Ready | Running | Pausing | Paused | Checkpointing | Failed) => {
            Rule::Leads(Stopping, Stopped)
        }
        (Command::Config | Command::Backup | Command::Own(_), Ready | Running | Paused) => Rule::Keeps,
        (Command::Step, Running) => Rule::Keeps,
        (_, Starting | Ready | Running | Pausing | Paused | Checkpointing | Stopping | Stopped | Failed) => {
            Rule::Refused
        }
    }
}

/// Returns whether a state permits a command.
pub const fn allows(state: State, command: &Command) -> bool {
    !matches!(rule(state, command), Rule::Refused)
}

/// Returns the error for a command that a state rejects, with advice.
pub fn refusal(state: State, command: &Command) -> Error {
    let advice = match state {
        State::Starting => "wait until it is READY",
        State::Ready => "RUN it first",
        State::Running => "it runs already",
        State::Pausing | State::Checkpointing => "wait until that is done",
        State::Paused => match command {
            Command::Pause => "it is paused already; RUN it first",
            _ => "it is checkpointed and closed; RUN it first",
        },
        State::Stopping | State::Stopped => "start it again",
        State::Failed => "RUN tries again, SHUTDOWN ends it",
    };
    let text = format!("{} is not possible while the service is {}: {advice}", command.name(), state.name());
    Error::new(ErrorKind::InvalidState, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::{check, table};
    use crate::service::state::View;

    fn commands() -> Vec<Command> {
        let mut commands: Vec<_> =
            Command::ALL.into_iter().filter(|command| !command.is_answered_by_library()).collect();
        commands.push(Command::Own("its own".into()));
        commands
    }

    #[test]
    fn library_rule_matches_command_flag() {
        for state in State::ALL {
            for command in Command::ALL {
                assert_eq!(rule(state, &command) == Rule::Library, command.is_answered_by_library());
            }
        }
    }

    #[test]
    fn refusal_names_state_and_advice() {
        for state in State::ALL {
            for command in commands().iter().filter(|command| !allows(state, command)) {
                let text = refusal(state, command).text().to_owned();
                assert!(text.contains(command.name()) && text.contains(state.name()), "{text}");
            }
        }
        assert!(refusal(State::Paused, &Command::Pause).text().contains("paused already"));
    }

    #[test]
    fn documented_tables_are_current() {
        let head: [String; 10] =
            std::array::from_fn(
                |i| if i == 0 { "command".into() } else { State::ALL[i - 1].name().to_owned() },
            );
        let rows = commands().into_iter().map(|command| {
            std::array::from_fn::<String, 10, _>(|i| {
                if i == 0 {
                    return format!("`{}`", command.name());
                }
                match rule(State::ALL[i - 1], &command) {
                    Rule::Leads(via, then) if via == State::ALL[i - 1] => format!("→ {}", then.name()),
                    Rule::Leads(via, then) => format!("{} → {}", via.name(), then.name()),
                    Rule::Returns(via) => format!("{} → {}", via.name(), State::ALL[i - 1].name()),
                    Rule::Keeps | Rule::Library => "yes".into(),
                    Rule::Cancels => "cancels".into(),
                    Rule::Refused => "–".into(),
                }
            })
        });
        let head: [&str; 10] = std::array::from_fn(|i| head[i].as_str());
        check("lifecycle", &table(head, rows));
        let states = State::ALL.map(|state| [format!("`{}`", state.name()), state.meaning().into()]);
        check("states", &table(["state", "the service"], states));
        let views = View::ALL.map(|view| [format!("`{}`", view.name()), view.meaning().into()]);
        check("views", &table(["view", "the service"], views));
    }
}
