//! `linkspan recording check`: proves that a recording is complete, or says what is not.
//!
//! For each name and incarnation the numbers of messages, and of those that events say were missed or skipped, follow each other; the recorder
//! was never without a connection to a name that lives; each part was closed by its recorder, with all of its threads alive.

use std::collections::BTreeMap;
use std::path::PathBuf;

use linkspan::{Error, ErrorKind, Result};
use linkspan_recording::event::Kind;
use linkspan_recording::{Entry, format};

use super::open;

/// Prove that a recording has every message, or say which it lacks
///
/// Missed messages that the recording says are no fault of it. The exit code is 1 where there is a fault.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  linkspan recording check run42.mcap")]
pub struct Arguments {
    /// The file of the recording; its further parts are found
    file: PathBuf,
    /// Print nothing where all is well
    #[arg(short, long)]
    quiet: bool,
}

/// Checks the numbers of names.
#[derive(Debug, Default)]
struct Numbers {
    /// The number that comes next, by name and incarnation.
    next: BTreeMap<(String, u64), u64>,
    messages: u64,
    missed: u64,
    faults: Vec<String>,
}

impl Numbers {
    /// Takes the numbers from `first` on, of messages or of missed ones.
    fn take(&mut self, name: &str, incarnation: u64, first: u64, count: u64, what: &str) {
        let key = (name.to_owned(), incarnation);
        let place = format!("{name} (incarnation {incarnation:016x})");
        if let Some(next) = self.next.get(&key).copied() {
            if first > next {
                let lacks = match first.saturating_sub(1) {
                    last if last == next => format!("message {next}"),
                    last => format!("messages {next} to {last}"),
                };
                self.faults
                    .push(format!("gap: {place} lacks {lacks}, and no event says that they were missed"));
            } else if first.saturating_add(count) <= next {
                self.faults.push(format!(
                    "repeat or order: {place} has {what} {first} after {}",
                    next.saturating_sub(1)
                ));
                return;
            } else if first < next {
                self.faults.push(format!(
                    "overlap: {place} has {what} {first} to {} after {}",
                    first.saturating_add(count).saturating_sub(1),
                    next.saturating_sub(1)
                ));
            }
        }
        self.next.insert(key, first.saturating_add(count));
    }
}

/// Checks it.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut reader = open(&arguments.file)?;
    let mut numbers = Numbers::default();
    while let Some(entry) = reader.read()? {
        match entry {
            Entry::Message(message) if message.channel.repeated => {}
            Entry::Message(message) => {
                numbers.messages = numbers.messages.saturating_add(1);
                let (name, incarnation, number) =
                    (message.channel.topic.clone(), message.channel.incarnation, message.number);
                numbers.take(&name, incarnation, number, 1, "message");
            }
            Entry::Event(event) if matches!(event.kind, Kind::Refused | Kind::Unconnected) => {
                numbers.faults.push(format!("{}: {}: {}", event.kind.name(), event.name, event.text));
            }
            Entry::Metadata(format::metadata::END, end)
                if end.get("reason").is_some_and(|why| why == "failed") =>
            {
                numbers
                    .faults
                    .push("failed: the recorder ended with an error; its last event says which".into());
            }
            Entry::Event(event) if matches!(event.kind, Kind::Missed | Kind::Skipped) => {
                let count = event.count.unwrap_or(0);
                if event.kind == Kind::Missed {
                    numbers.missed = numbers.missed.saturating_add(count);
                }
                let what = format!("{} messages", event.kind.name());
                numbers.take(
                    &event.name,
                    event.incarnation.unwrap_or(0),
                    event.first.unwrap_or(0),
                    count,
                    &what,
                );
            }
            _ => {}
        }
    }
    numbers.faults.extend(reader.problems().iter().map(|problem| format!("file: {problem}")));
    if numbers.faults.is_empty() {
        if !arguments.quiet {
            println!("complete: {} messages, {} missed and said so", numbers.messages, numbers.missed);
        }
        return Ok(());
    }
    numbers.faults.iter().for_each(|fault| println!("{fault}"));
    let text = format!(
        "{} has {}",
        arguments.file.display(),
        crate::record::counted(numbers.faults.len() as u64, "fault")
    );
    Err(Error::new(ErrorKind::Corrupt, text))
}
