//! The command line of `linkspan top`.

use std::time::Duration;

use clap::Args;

use crate::args::interval;
use crate::service::ControllerArgs;

/// `linkspan top`
#[derive(Args, Debug)]
pub struct TopArgs {
    /// Look so often
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub every: Duration,
    /// Print one look as text, with the rates between two looks, and end
    #[arg(long)]
    pub once: bool,
    /// Print each look as one line of JSON instead
    #[arg(long)]
    pub json: bool,
    /// Where the controller is
    #[command(flatten)]
    pub at: ControllerArgs,
}
