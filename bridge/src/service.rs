//! The bridge as a Linkspan service: a controller sees it, pauses it and ends it, and a supervisor such as systemd is told how it is.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use linkspan::service::{ServiceLoop, ServiceOptions, State, Task};
use linkspan::{Command, Error, ErrorKind, Result, Value};

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
pub struct Service(ServiceLoop);

impl Service {
    /// Starts it under this name. It looks for its controller for as long as it lives, and needs none.
    pub fn start(name: &str, description: String) -> Result<Service> {
        let mut options = ServiceOptions::default();
        options.description = description;
        // What a bridge knows is gone with its session: there is nothing to write.
        options.unsupported = vec![Command::Checkpoint.name().to_owned()];
        ServiceLoop::start(name, &options).map(Service)
    }

    /// Tells the controller why the bridge ends.
    pub fn fail(&self, error: &Error) {
        self.0.fail(error);
    }

    /// Answers what can be answered at once, and gives what the loop has to do; none where nothing is asked.
    pub fn asked(&self, status: &Status) -> Result<Option<Asked>> {
        self.next(Some(Duration::ZERO), status)
    }

    /// Waits until it is told to run again, while paused. Gives why it is not to run.
    pub fn wait_for_run(&self, status: &Status) -> Result<Option<Asked>> {
        while self.0.state() != State::Running {
            if let Some(end @ Asked::End(_)) = self.next(None, status)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn next(&self, patience: Option<Duration>, status: &Status) -> Result<Option<Asked>> {
        loop {
            let task = match self.0.next(patience) {
                Ok(Some(task)) => task,
                Ok(None) => return Ok(Some(Asked::End(None))),
                Err(e) if e.kind() == ErrorKind::Timeout => return Ok(None),
                Err(e) => return Err(e),
            };
            match task.command() {
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
            eprintln!("linkspan-bridge: {text}");
            self.0.log(level, &text);
        }
        if let Some(reason) = status.take_reason() {
            self.0.set_reason(&reason);
        }
    }
}

impl AsFd for Service {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
