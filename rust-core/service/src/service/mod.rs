//! Services and their controller: programs that can be queried, paused, checkpointed and shut down.
//!
//! A service is a program with a name that connects to a controller. Clients send commands through the controller; the
//! service carries each out at most once and answers it once. Its lifecycle is a pure state machine (`lifecycle`) under
//! one lock. Three threads share it: the program's thread fetches tasks, and two threads of the library receive
//! commands and send answers. A service therefore answers STATUS, LOG and CANCEL even if its program hangs.
//!
//! | what | lives in |
//! |---|---|
//! | the states of a service, and the controller's view of it | `state` |
//! | commands and answers | `command` |
//! | the effect of each command in each state | `table` |
//! | the lifecycle of a service as a pure state machine; its cache of final answers | `lifecycle`, `answer_cache` |
//! | the messages between a service and its controller | `protocol` |
//! | notifications for systemd | `notify` |
//! | deadlines between machines whose clocks differ | `peer_clock` |
//! | the service's side: its link to the controller and the link's two threads | `link`, `reader`, `writer` |
//! | its log; the loop that hands out tasks | `log`, `service_loop` |
//! | hooks: a trait, and the loop that calls it | here |
//! | the clients of a controller | `controller` |
//! | the interface to the controller's server, the crate `linkspan-controller` | `server_side` |

mod answer_cache;
mod command;
mod controller;
mod lifecycle;
mod link;
mod log;
mod notify;
mod peer_clock;
mod protocol;
mod reader;
#[doc(hidden)]
pub mod server_side;
mod service_loop;
mod state;
mod table;
mod writer;

#[doc(inline)]
pub use crate::sys::thread::end_with_us;
#[doc(hidden)]
pub use crate::sys::thread::{
    check_room as check_threads, keep_ends_of_children, start as start_thread, start_program, start_scoped,
};
pub use command::{Answer, Command, Outcome};
pub use controller::{Controller, WatchOptions};
pub use link::OnCancel;
pub use log::LogLevel;
pub use notify::NOTIFY_VARIABLES;
pub use protocol::CommandRequest;
pub use service_loop::{ServiceLoop, ServiceOptions, Task, Tasks};
pub use state::{State, View};

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;

const EVERY: Duration = Duration::from_secs(1);

/// The hooks of a service, which run in the thread that calls [`run`].
///
/// [`run`] fetches each task from a [`ServiceLoop`], calls its hook and reports the result. A failed hook leaves the
/// state unchanged, and its error is the answer to the command. A failed step or start makes the service FAILED, and
/// ends [`run`] with its error.
pub trait Service {
    /// Opens the resources of the service.
    fn on_start(&mut self) -> Result<()> {
        Ok(())
    }

    /// Does one step of the work.
    fn step(&mut self) -> Result<()>;

    /// Checkpoints and closes the service's files, so that they can be copied.
    fn on_pause(&mut self) -> Result<()> {
        Ok(())
    }

    /// Opens the resources that a pause has closed.
    fn on_resume(&mut self) -> Result<()> {
        self.on_start()
    }

    /// Writes everything to disk and continues.
    fn on_checkpoint(&mut self) -> Result<()> {
        Ok(())
    }

    /// Ends a service that is not paused; by default calls [`Service::on_pause`].
    fn on_stop(&mut self) -> Result<()> {
        self.on_pause()
    }

    /// Returns the data; changes nothing.
    fn data(&mut self) -> Result<Value> {
        Ok(Value::Null)
    }

    /// Applies settings and returns the effective settings.
    ///
    /// Called only if [`Service::commands`] names `CONFIG`.
    fn on_config(&mut self, _settings: &Value) -> Result<Value> {
        Err(not_known(&Command::Config))
    }

    /// Writes a copy of the service's data. Called only if [`Service::commands`] names `BACKUP`.
    fn on_backup(&mut self, _arguments: &Value) -> Result<Value> {
        Err(not_known(&Command::Backup))
    }

    /// Carries out one of the service's own commands, named in [`Service::commands`].
    fn command(&mut self, name: &str, _arguments: &Value) -> Result<Value> {
        Err(not_known(&Command::Own(name.into())))
    }

    /// Returns the accepted commands besides the usual ones.
    fn commands(&self) -> Vec<String> {
        Vec::new()
    }
}

fn not_known(command: &Command) -> Error {
    let text = format!("the service names {} among its commands and does not carry it out", command.name());
    Error::new(ErrorKind::Unsupported, text)
}

/// Runs a service until its controller or a signal shuts it down.
///
/// The default period of steps is one second. Returns the error of a failed start, step or stop.
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
        // A cancelled step is not a failure. A failed shutdown is one, even if it was cancelled.
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

/// Calls the hook for a command.
///
/// A RUN from READY and a SHUTDOWN from PAUSED need no hook: nothing must be opened or closed.
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

#[cfg(test)]
mod documented;
#[cfg(test)]
mod tests;
