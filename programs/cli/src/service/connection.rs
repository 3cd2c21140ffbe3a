//! The arguments of every command to a controller, and the connection that they describe.

use std::time::Duration;

use clap::Args;
use linkspan::service::Controller;
use linkspan::{Deadline, Options, Result, Timeout, Wait};

use crate::deadline::deadline;
use crate::quantity::timeout;
use crate::signals::Signals;

/// The controller's endpoint.
#[derive(Args, Debug, Clone)]
pub struct ControllerArgs {
    /// The controller's endpoint; default: $LINKSPAN_CONTROLLER, else unix:controller
    #[arg(long, value_name = "ENDPOINT")]
    pub controller: Option<String>,
}

impl ControllerArgs {
    pub fn endpoint(&self) -> String {
        self.controller.clone().unwrap_or_else(Controller::default_endpoint)
    }

    pub fn connect<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Controller> {
        Controller::connect(&self.endpoint(), &Options::default(), wait)
    }
}

/// Arguments of every command to a controller.
#[derive(Args, Debug, Clone)]
pub struct QueryArgs {
    /// The controller.
    #[command(flatten)]
    pub at: ControllerArgs,
    /// Wait at most this long, in seconds or "forever", for the connection and the answer together; default: 2 for the
    /// connection, 30 for the answer
    #[arg(long, value_name = "SECONDS", value_parser = timeout)]
    pub timeout: Option<Timeout>,
    /// Print each answer as one line of JSON
    #[arg(long)]
    pub json: bool,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

impl QueryArgs {
    pub fn connect(&self, signals: &Signals) -> Result<(Controller, Deadline)> {
        let mut check = || signals.check();
        let deadline = deadline(self.timeout.unwrap_or(ANSWER_TIMEOUT.into()));
        let connect_timeout = match self.timeout {
            Some(_) => deadline.remaining(),
            None => Some(CONNECT_TIMEOUT),
        };
        let controller = self.at.connect(Wait::new(connect_timeout).tick(&mut check))?;
        Ok((controller, deadline))
    }
}
