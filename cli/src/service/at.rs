//! Where the controller is, how long to wait for it.

use std::time::Duration;

use clap::Args;
use linkspan::service::Controller;
use linkspan::{Options, Result, Timeout, Wait};

use crate::arguments::timeout;
use crate::budget::Budget;
use crate::stop::Stop;

/// Where the controller is.
#[derive(Args, Debug, Clone)]
pub struct At {
    /// The controller's endpoint; left out, $LINKSPAN_CONTROLLER, else unix:controller
    #[arg(long, value_name = "ENDPOINT")]
    pub controller: Option<String>,
}

impl At {
    /// The endpoint that is meant.
    pub fn endpoint(&self) -> String {
        self.controller.clone().unwrap_or_else(Controller::default_endpoint)
    }

    /// Connects to it.
    pub fn connect<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Controller> {
        Controller::connect(&self.endpoint(), &Options::default(), wait)
    }
}

/// What every command to a controller takes.
#[derive(Args, Debug, Clone)]
pub struct Asking {
    /// Where.
    #[command(flatten)]
    pub at: At,
    /// Wait so many seconds for the controller and the answer together, or "forever"; left out, 2 for a controller to be
    /// there and 30 for the answer
    #[arg(long, value_name = "SECONDS", value_parser = timeout)]
    pub timeout: Option<Timeout>,
    /// Print each answer as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// How long nobody has to wait to hear that there is no controller.
const COMING: Duration = Duration::from_secs(2);
/// How long an answer may take.
const ANSWERING: Duration = Duration::from_secs(30);

impl Asking {
    /// The controller, and how long its answer may take.
    pub fn connect(&self, stop: &Stop) -> Result<(Controller, Budget)> {
        let mut check = || stop.check();
        let budget = Budget::new(self.timeout.unwrap_or(ANSWERING.into()));
        let coming = match self.timeout {
            Some(_) => budget.left(),
            None => Some(COMING),
        };
        let controller = self.at.connect(Wait::new(coming).tick(&mut check))?;
        Ok((controller, budget))
    }
}
