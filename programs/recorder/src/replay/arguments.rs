//! The command line of `linkspan replay`.

use std::path::PathBuf;
use std::time::Duration;

use crate::quantity;
use crate::tools::choice::Choice;
use crate::tools::opening::Reading;

/// Publish the messages of a recording again, with their numbers and times
#[derive(Debug, clap::Args)]
#[command(after_help = "More in docs/how-to/lockstep.md.

Examples:
  linkspan replay run42.mcap 'lab/*' --from 60 --speed 0.5 --rename lab/=replay/
  linkspan replay run42.mcap --lockstep lab/input")]
pub struct Arguments {
    /// First file of the recording; later parts are found
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) choice: Choice,
    /// Speed: 2 is twice as fast [default: 1; unlimited with --lockstep or --answer]
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    pub(super) speed: Option<f64>,
    /// Send a message for each line of standard input or service command `step`
    #[arg(long, conflicts_with_all = ["speed", "as_fast_as_possible"])]
    pub(super) step: bool,
    /// Send messages without waiting
    #[arg(long, conflicts_with = "speed")]
    pub(super) as_fast_as_possible: bool,
    /// Repeat at the end, as new incarnations of the publishers
    #[arg(long = "loop")]
    pub(super) repeats: bool,
    /// Follow a growing recording until its recorder ends it
    #[arg(long, conflicts_with = "repeats")]
    pub(super) follow: bool,
    /// Publish names that begin with OLD under NEW
    #[arg(long, value_name = "OLD=NEW", value_parser = rename)]
    pub(super) rename: Vec<(String, String)>,
    /// Begin when this published name or pattern has subscribers
    #[arg(long, value_name = "NAME")]
    pub(super) wait_for: Vec<String>,
    /// Send this name over a channel, each message after the previous was consumed
    #[arg(long, value_name = "NAME")]
    pub(super) lockstep: Vec<String>,
    /// Send each message after an answer to the previous one at this name
    #[arg(long, value_name = "NAME")]
    pub(super) answer: Option<String>,
    /// Longest wait for a subscriber, consumer or answer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::duration)]
    pub(super) deadline: Duration,
    /// Name of the replay as a service [default: replay-FILE]
    #[arg(long, value_name = "NAME")]
    pub(super) service: Option<String>,
    /// Print only errors and warnings
    #[arg(short, long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) reading: Reading,
}

impl Arguments {
    /// Returns whether other programs, not the clock, decide when messages are sent.
    pub(super) fn is_paced_by_others(&self) -> bool {
        self.as_fast_as_possible || self.step || self.waits_for_others() && self.speed.is_none()
    }

    /// Returns whether each message waits for a program to handle the previous message.
    pub(super) fn waits_for_others(&self) -> bool {
        self.answer.is_some() || !self.lockstep.is_empty()
    }
}

fn speed(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(factor) if factor > 0.0 && f64::is_finite(factor) => Ok(factor),
        _ => {
            Err("a speed is a number above 0: 0.5, 1, 10; --as-fast-as-possible waits for nothing".to_owned())
        }
    }
}

fn rename(text: &str) -> std::result::Result<(String, String), String> {
    let (old, new) = text.split_once('=').ok_or("it is OLD=NEW, such as lab/=replay/")?;
    Ok((old.to_owned(), new.to_owned()))
}
