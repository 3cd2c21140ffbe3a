//! The bridge as a service: a controller monitors, pauses and ends it; a supervisor gets its state.
//!
//! The bridge needs no controller. It handles these commands:
//!
//! | command | effect |
//! |---|---|
//! | run | ends a pause |
//! | pause | withdraws every name until `run`; done after that has happened |
//! | get data | returns the whole status |
//! | shutdown | ends the program; done after all names are gone, or earlier if the command came through this bridge |
//! | others | fail with `Unsupported` |

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use linkspan::service::{ServiceLoop, ServiceOptions, State, Task};
use linkspan::{Command, Controller, Error, ErrorKind, Result, Value};

use crate::status::Status;

pub enum LoopTask {
    /// Withdraw every name until the command `run`, then finish the task.
    Pause(Task),
    /// Open a new session, because certificates were revoked.
    Again,
    /// End the program. A signal or a supervisor has no task.
    End(Option<Task>),
}

pub struct Service {
    service: ServiceLoop,
    /// The name of its controller, without the transport.
    controller: String,
}

impl Service {
    /// Starts the service under this name. It connects to its controller when one is present.
    ///
    /// # Errors
    /// Errors of `ServiceLoop::start`: a malformed or already used name.
    pub fn start(name: &str, description: String) -> Result<Service> {
        let mut options = ServiceOptions::default();
        options.description = description;
        // A bridge's state ends with its session, so there is nothing to write.
        options.unsupported = vec![Command::Checkpoint.name().to_owned()];
        let controller = Controller::default_endpoint();
        let controller = controller.rsplit_once(':').map_or(&*controller, |(_, name)| name).to_owned();
        Ok(Service { service: ServiceLoop::start(name, &options)?, controller })
    }

    pub fn fail(&self, error: &Error) {
        self.service.fail(error);
    }

    pub fn controller(&self) -> &str {
        &self.controller
    }

    /// Answers commands that do not need the loop, and returns the first that does. Does not wait.
    ///
    /// With `carries_control`, commands come through this bridge from another machine's controller.
    ///
    /// # Errors
    /// Errors of the service's connection, except a time-out.
    pub fn next_loop_task(&self, status: &Status, carries_control: bool) -> Result<Option<LoopTask>> {
        self.next(Some(Duration::ZERO), status, carries_control)
    }

    /// Waits during a pause for the command `run`. Returns `Some` if the program must end instead.
    ///
    /// # Errors
    /// Errors of the service's connection.
    pub fn wait_for_run(&self, status: &Status) -> Result<Option<LoopTask>> {
        while self.service.state() != State::Running {
            if let Some(end @ LoopTask::End(_)) = self.next(None, status, false)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Waits up to `patience` (`None`: forever) for a command that needs the loop, and answers the others.
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
                // A paused bridge has no link to that controller, so its command to run could not arrive.
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

    /// Writes new status lines to the service's log and standard error, and updates the current problems.
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
