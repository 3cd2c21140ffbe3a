//! The command line of `linkspan replay`.

use std::path::PathBuf;
use std::time::Duration;

use crate::quantity;
use crate::tools::choice::Choice;
use crate::tools::opening::Reading;

/// Publish the messages of a recording again
///
/// Each message has the number and the time that it had; a subscriber is told of what was missed when it was recorded.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  linkspan replay run42.mcap
  linkspan replay run42.mcap 'lab/*' --from 60 --speed 0.5 --rename lab/=replay/
  linkspan replay run42.mcap --as-fast-as-possible --answer solver/done --wait-for lab/input
  linkspan replay run42.mcap --lockstep lab/input
  linkspan replay run42.mcap --follow --rename lab/=copy/")]
pub struct Arguments {
    /// The file of the recording; its further parts are found
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) choice: Choice,
    /// How fast: 2 is twice as fast as it was recorded; 1 where nothing is given. With --lockstep and --answer messages
    /// are sent no earlier than at this speed; without it, as soon as the programs are ready
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    pub(super) speed: Option<f64>,
    /// Send the next message at each line on standard input, or at the command `step` of the service
    #[arg(long, conflicts_with_all = ["speed", "as_fast_as_possible"])]
    pub(super) step: bool,
    /// Wait for nothing between two messages
    #[arg(long, conflicts_with = "speed")]
    pub(super) as_fast_as_possible: bool,
    /// Begin again at the end, as another incarnation of the publishers
    #[arg(long = "loop")]
    pub(super) repeats: bool,
    /// Go on while the recording is written, until its recorder ends it
    #[arg(long, conflicts_with = "repeats")]
    pub(super) follow: bool,
    /// Publish names that begin with OLD under NEW
    #[arg(long, value_name = "OLD=NEW", value_parser = rename)]
    pub(super) rename: Vec<(String, String)>,
    /// Begin once this name, as it is published, or each name that fits this pattern has a subscriber
    #[arg(long, value_name = "NAME")]
    pub(super) wait_for: Vec<String>,
    /// Send the messages of this name over a channel, to the program that connects there, and each one when it has
    /// consumed the one before
    #[arg(long, value_name = "NAME")]
    pub(super) lockstep: Vec<String>,
    /// Send each message when there was a message at this name for the one before: the programs need to know nothing
    /// else
    #[arg(long, value_name = "NAME")]
    pub(super) answer: Option<String>,
    /// The longest wait for a subscriber, a consumer or an answer; who was late is said, and the exit code is 1
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::duration)]
    pub(super) deadline: Duration,
    /// The name of this replay as a service: replay-FILE where none is given
    #[arg(long, value_name = "NAME")]
    pub(super) service: Option<String>,
    /// Print nothing but errors and warnings
    #[arg(short, long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) reading: Reading,
}

impl Arguments {
    /// Whether messages are sent when others are ready, and not by the clock.
    pub(super) fn is_paced_by_others(&self) -> bool {
        self.as_fast_as_possible || self.step || self.waits_for_others() && self.speed.is_none()
    }

    /// Whether each message waits for what a program does with the one before.
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
