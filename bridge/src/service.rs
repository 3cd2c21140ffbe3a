//! The bridge as a Linkspan service: a controller sees it, pauses it and ends it, and a supervisor such as systemd is told how it is.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use linkspan::service::{ServiceLoop, ServiceOptions, State, Task};
use linkspan::{Command, Controller, Error, ErrorKind, Result, Value};

use crate::status::Status;

/// What is asked of the loop.
pub enum Asked {
    /// To let go of every name until it is told to run.
    Pause(Task),
    /// To begin anew: certificates were revoked.
    Again,
    /// To end.
    End(Option<Task>),
}

/// The service of this program.
pub struct Service {
    service: ServiceLoop,
    controller: String,
}

impl Service {
    /// Starts it under this name. It looks for its controller for as long as it lives, and needs none.
    pub fn start(name: &str, description: String) -> Result<Service> {
        let mut options = ServiceOptions::default();
        options.description = description;
        // What a bridge knows is gone with its session: there is nothing to write.
        options.unsupported = vec![Command::Checkpoint.name().to_owned()];
        let controller = Controller::default_endpoint();
        let controller = controller.rsplit_once(':').map_or(&*controller, |(_, name)| name).to_owned();
        Ok(Service { service: ServiceLoop::start(name, &options)?, controller })
    }

    /// Tells the controller why the bridge ends.
    pub fn fail(&self, error: &Error) {
        self.service.fail(error);
    }

    /// The name of its controller.
    pub fn controller(&self) -> &str {
        &self.controller
    }

    /// Answers what can be answered at once, and gives what the loop has to do; none where nothing is asked. With `carries_control`
    /// commands come through this bridge itself, from a controller of another machine.
    pub fn asked(&self, status: &Status, carries_control: bool) -> Result<Option<Asked>> {
        self.next(Some(Duration::ZERO), status, carries_control)
    }

    /// Waits until it is told to run again, while paused. Gives why it is not to run.
    pub fn wait_for_run(&self, status: &Status) -> Result<Option<Asked>> {
        while self.service.state() != State::Running {
            if let Some(end @ Asked::End(_)) = self.next(None, status, false)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn next(
        &self,
        patience: Option<Duration>,
        status: &Status,
        carries_control: bool,
    ) -> Result<Option<Asked>> {
        loop {
            let task = match self.service.next(patience) {
                Ok(Some(task)) => task,
                Ok(None) => return Ok(Some(Asked::End(None))),
                Err(e) if e.kind() == ErrorKind::Timeout => return Ok(None),
                Err(e) => return Err(e),
            };
            match task.command() {
                Command::Pause if carries_control => {
                    let text = "the controller is on another machine and reached through this bridge, which could not be told to run again; pause it from a controller of its own machine";
                    task.failed(&Error::new(ErrorKind::Unsupported, text))?;
                }
                Command::Pause => return Ok(Some(Asked::Pause(task))),
                Command::Shutdown => return Ok(Some(Asked::End(Some(task)))),
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

    /// Says what it has to say since the last time: in the service's log and on standard error; and what is wrong now.
    pub fn tell(&self, status: &mut Status) {
        for (level, text) in status.take_notes() {
            crate::stderr::print_line(&text);
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
