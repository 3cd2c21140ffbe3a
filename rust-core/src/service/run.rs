//! The service's side for programs with hooks: a trait, and the loop that calls it.

use std::time::Duration;

use super::command::Command;
use super::service_loop::{ServiceLoop, ServiceOptions, Task};
use super::state::State;
use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;

/// The period of steps where the program says nothing.
const EVERY: Duration = Duration::from_secs(1);

/// What a service does, and what it does when it is told to. All of it happens in the thread that calls [`run`].
///
/// A hook that fails leaves the state as it was, and whoever gave the command is told the error. A step or a start that fails
/// makes the service FAILED, and ends [`run`] with its error.
pub trait Service {
    /// Opens what it needs.
    fn on_start(&mut self) -> Result<()> {
        Ok(())
    }

    /// Does one step of its work.
    fn step(&mut self) -> Result<()>;

    /// Checkpoints and closes what it writes, so that it can be copied.
    fn on_pause(&mut self) -> Result<()> {
        Ok(())
    }

    /// Opens again what was closed.
    fn on_resume(&mut self) -> Result<()> {
        self.on_start()
    }

    /// Brings what it writes to rest on the disk, and goes on.
    fn on_checkpoint(&mut self) -> Result<()> {
        Ok(())
    }

    /// Ends; what it writes was not closed by a pause before. Pauses, where nothing else is said.
    fn on_stop(&mut self) -> Result<()> {
        self.on_pause()
    }

    /// Its data for whoever asks; changes nothing.
    fn data(&mut self) -> Result<Value> {
        Ok(Value::Null)
    }

    /// Takes settings, and gives those that are in force. Only where [`Service::commands`] names `CONFIG`.
    fn on_config(&mut self, _settings: &Value) -> Result<Value> {
        Err(not_known(&Command::Config))
    }

    /// Writes a copy of what it keeps. Only where [`Service::commands`] names `BACKUP`.
    fn on_backup(&mut self, _arguments: &Value) -> Result<Value> {
        Err(not_known(&Command::Backup))
    }

    /// A command of its own, one of those that [`Service::commands`] names.
    fn command(&mut self, name: &str, _arguments: &Value) -> Result<Value> {
        Err(not_known(&Command::Own(name.into())))
    }

    /// The commands that it takes beyond the usual.
    fn commands(&self) -> Vec<String> {
        Vec::new()
    }
}

fn not_known(command: &Command) -> Error {
    let text = format!("the service names {} among its commands and does not carry it out", command.name());
    Error::new(ErrorKind::Unsupported, text)
}

/// Runs a service until it is shut down, by its controller or by a signal. A step each second, where the options say nothing.
///
/// The error of a start, a step or a stop that failed; the controller has been told it.
pub fn run(service: &mut impl Service, name: &str, options: &ServiceOptions) -> Result<()> {
    let mut options = options.clone();
    options.every.get_or_insert(EVERY);
    options.commands.extend(service.commands());
    let tasks = ServiceLoop::start(name, &options)?;
    let ended = service.on_start().and_then(|()| work(service, &tasks));
    if let Err(error) = &ended
        && tasks.state() != State::Failed
    {
        tasks.fail(error);
    }
    ended
}

fn work(service: &mut impl Service, tasks: &ServiceLoop) -> Result<()> {
    while let Some(task) = tasks.next(None)? {
        let command = task.command().clone();
        let failed = match command {
            Command::Step => service.step().map(|()| Value::Null),
            _ => carry_out(service, &task),
        };
        // A step that was given up is no failure; an end that was not reached is one, whoever gave it up.
        let fatal = command == Command::Shutdown || command == Command::Step && !task.is_cancelled();
        match failed {
            Ok(value) => task.done(&value)?,
            Err(error) => {
                task.failed(&error)?;
                if fatal {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

fn carry_out(service: &mut impl Service, task: &Task) -> Result<Value> {
    let null = |()| Value::Null;
    match task.command() {
        Command::GetData => service.data(),
        Command::Pause => service.on_pause().map(null),
        Command::Run if task.before() == State::Ready => Ok(Value::Null),
        Command::Run if task.before() == State::Failed => service.on_start().map(null),
        Command::Run => service.on_resume().map(null),
        Command::Checkpoint => service.on_checkpoint().map(null),
        Command::Shutdown if task.before() == State::Paused => Ok(Value::Null),
        Command::Shutdown => service.on_stop().map(null),
        Command::Config => service.on_config(task.arguments()),
        Command::Backup => service.on_backup(task.arguments()),
        Command::Own(name) => service.command(name, task.arguments()),
        other => Err(not_known(other)),
    }
}
