//! The command line of `linkspan top`.

use std::time::Duration;

use clap::Args;

use crate::quantity::interval;
use crate::service::ControllerArgs;

/// `linkspan top`
#[derive(Args, Debug)]
pub struct TopArgs {
    /// The refresh interval
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub every: Duration,
    /// Print one snapshot as text, with the rates since the snapshot before, and end
    #[arg(long)]
    pub once: bool,
    /// Print each snapshot as one line of JSON
    #[arg(long)]
    pub json: bool,
    /// The controller's endpoint
    #[command(flatten)]
    pub at: ControllerArgs,
}
