//! `linkspan top`: a live view of what is open here and of the services.
//!
//! | what | lives in |
//! |---|---|
//! | the columns of both tables | `columns` |
//! | rows, rates, order, filter | `model` |
//! | what the keys change | `screen` |
//! | what it looks like | `drawing` |
//! | where looks come from | `looking` |
//! | the terminal: keys in, pictures out, left as it was | `terminal` |
//! | looks as text or JSON, without a terminal | `printing` |

mod columns;
mod drawing;
mod looking;
mod model;
mod printing;
mod screen;
mod terminal;

use std::time::Duration;

use clap::Args;
use linkspan::{Error, ErrorKind};

use crate::ending::Ending;
use crate::stop::Stop;

/// `linkspan top`
#[derive(Args, Debug)]
pub struct Top {
    /// Look so often
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = every)]
    pub every: Duration,
    /// Print one look as text, with the rates between two looks, and end
    #[arg(long)]
    pub once: bool,
    /// Print each look as one line of JSON instead
    #[arg(long)]
    pub json: bool,
    /// Where the controller is
    #[command(flatten)]
    pub at: crate::service::At,
}

/// Shows it until it is told to end.
pub fn top(asked: &Top, stop: &Stop) -> Result<(), Ending> {
    match asked.once || asked.json {
        true => printing::print(asked, stop),
        false => terminal::show(asked, stop),
    }
}

pub fn every(text: &str) -> Result<Duration, Error> {
    let seconds = text.parse().ok().and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
    match seconds {
        Some(every) if (0.1..=3600.0).contains(&every.as_secs_f64()) => Ok(every),
        _ => Err(Error::new(
            ErrorKind::OutOfRange,
            format!("{text:?} is no number of seconds from 0.1 to 3600"),
        )),
    }
}
