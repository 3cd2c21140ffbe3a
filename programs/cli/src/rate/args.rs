//! The command line of `linkspan rate`.

use std::time::Duration;

use clap::Args;

use crate::args::EndpointArgs;
use crate::quantity::{duration, interval};

/// `linkspan rate`
#[derive(Args, Debug)]
pub struct RateArgs {
    /// The endpoint.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// More names and patterns
    #[arg(value_name = "NAME")]
    pub more: Vec<String>,
    /// The interval between two lines of a name
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub every: Duration,
    /// End after this time [default: at Ctrl-C]
    #[arg(long = "for", value_name = "SECONDS", allow_hyphen_values = true, value_parser = duration)]
    pub stay: Option<Duration>,
    /// Print each line as JSON, with times in seconds
    #[arg(long, short)]
    pub json: bool,
}
