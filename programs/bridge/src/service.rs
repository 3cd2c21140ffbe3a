//! The bridge as a Linkspan service: a controller sees, pauses and ends it, and a supervisor such as systemd
//! gets its state.
//!
//! The bridge needs no controller. It handles these commands:
//!
//! | command | effect |
//! |---|---|
//! | run | ends a pause; otherwise nothing |
//! | pause | every name is withdrawn until `run`; done once that has happened |
//! | get data | answers with the whole status |
//! | shutdown | the program ends; done once every name has been withdrawn, or before that if the command came through this bridge |
//! | others | fail with `Unsupported` |

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use linkspan::service::{ServiceLoop, ServiceOptions, State, Task};
use linkspan::{Command, Controller, Error, ErrorKind, Result, Value};

use crate::status::Status;

/// What the event loop has to do for a command.
pub enum LoopTask {
    /// Withdraw every name until the command `run`. The task is done once that has happened.
    Pause(Task),
    /// Open a new session: certificates were revoked.
    Again,
    /// End the program. There is a task if a command requests it, and none for a signal or a supervisor.
    End(Option<Task>),
}

/// The service of this program.
pub struct Service {
    service: ServiceLoop,
    /// The name of its controller, without the transport.
    controller: String,
}

impl Service {
    /// Starts the service under this name. It connects to its controller whenever there is one, and needs
    /// none.
    ///
    /// # Errors
    /// Those of `ServiceLoop::start`: a name that is malformed, or that another service has.
    pub fn start(name: &str, description: String) -> Result<Service> {
        let mut options = ServiceOptions::default();
        options.description = description;
        // The state of a bridge ends with its session: there is nothing to write.
        options.unsupported = vec![Command::Checkpoint.name().to_owned()];
        let controller = Controller::default_endpoint();
        let controller = controller.rsplit_once(':').map_or(&*controller, |(_, name)| name).to_owned();
        Ok(Service { service: ServiceLoop::start(name, &options)?, controller })
    }

    /// Reports to the controller why the bridge ends.
    pub fn fail(&self, error: &Error) {
        self.service.fail(error);
    }

    /// Returns the name of its controller.
    pub fn controller(&self) -> &str {
        &self.controller
    }

    /// Answers the commands that need nothing of the loop, and returns the first that does; `None` if there
    /// is none. Does not wait. With `carries_control` the commands come through this bridge itself, from a
    /// controller of another machine.
    ///
    /// # Errors
    /// Those of the service's connection, but for a time-out.
    pub fn next_loop_task(&self, status: &Status, carries_control: bool) -> Result<Option<LoopTask>> {
        self.next(Some(Duration::ZERO), status, carries_control)
    }

    /// Waits, while paused, for the command `run`. Returns `Some` if the program is to end instead.
    ///
    /// # Errors
    /// Those of the service's connection.
    pub fn wait_for_run(&self, status: &Status) -> Result<Option<LoopTask>> {
        while self.service.state() != State::Running {
            if let Some(end @ LoopTask::End(_)) = self.next(None, status, false)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Waits at most for `patience` (`None` is for ever) for a command that needs the loop, and answers the
    /// others.
    fn next(
        &self,
        patience: Option<Duration>,
        status: &Status,
        carries_control: bool,
    ) -> Result<Option<LoopTask>> {
        loop {
            let task = match self.service.next(patience) {
                Ok(Some(task)) => task,
                Ok(None) => return Ok(Some(LoopTask::End(None))),
                Err(e) if e.kind() == ErrorKind::Timeout => return Ok(None),
                Err(e) => return Err(e),
            };
            match task.command() {
                // A paused bridge has no link to that controller, so the command to run again could not
                // arrive.
                Command::Pause if carries_control => {
                    let text = "the controller is on another machine and reached through this bridge, which could not be told to run again; pause it from a controller of its own machine";
                    task.failed(&Error::new(ErrorKind::Unsupported, text))?;
                }
                Command::Pause => return Ok(Some(LoopTask::Pause(task))),
                Command::Shutdown => return Ok(Some(LoopTask::End(Some(task)))),
                Command::GetData => task.done(&status.to_value())?,
                Command::Run => {
                    task.done(&Value::Null)?;
                    return Ok(None);
                }
                other => {
                    let text = format!(
                        "a bridge has no use for {}: it keeps nothing that could be written",
                        other.name()
                    );
                    let refused = Error::new(ErrorKind::Unsupported, text);
                    task.failed(&refused)?;
                }
            }
        }
    }

    /// Writes the new lines of the status to the service's log and to standard error, and updates the reason,
    /// which describes what is wrong now.
    pub fn report(&self, status: &mut Status) {
        for (level, text) in status.take_notes() {
            crate::stderr::print_note(&text);
            self.service.log(level, &text);
        }
        if let Some(reason) = status.take_reason() {
            self.service.set_reason(&reason);
        }
    }
}

impl AsFd for Service {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.service.as_fd()
    }
}
