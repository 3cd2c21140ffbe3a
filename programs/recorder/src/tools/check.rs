//! `linkspan recording check`: proves that a recording is complete, or reports its gaps.
//!
//! In a complete recording, the numbers of each publisher are consecutive. It has no time without a connection to a
//! live name, no unclosed part, no failed recorder, and no incomplete original. Damage of a file and losses of the
//! recorder have different exit codes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use linkspan::{Error, ErrorKind, Result};
use linkspan_recording::event::Kind;
use linkspan_recording::reader::{Problem, ProblemKind};
use linkspan_recording::{Dropped, Entry, format};

use super::opening::{FAILED, is_failed, open};
use super::progress::Progress;
use crate::record::counted;
use crate::{stderr, stdout};

/// Prove that a recording has every message or its loss, or list the gaps
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes (docs/recording-format.md, Completeness):
  0  every message is there or counted as missed, and each part was closed
  1  the recording is damaged or contradicts itself
  5  complete as far as is known, for example after a kill of the recorder
  6  the file is whole; its recorder reports losses that it could not count

Examples:
  linkspan recording check run42.mcap
  linkspan recording check run42.mcap --quiet")]
pub struct Arguments {
    /// First file of the recording; later parts are found
    file: PathBuf,
    /// Print nothing except faults and losses
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Default)]
struct Numbers {
    /// The next number by name and incarnation, and the count of holes before it. It can exceed the largest `u64` by
    /// one.
    next: BTreeMap<(String, u64), (u128, usize)>,
    messages: u64,
    missed: u64,
    unaccounted: BTreeSet<(String, u64)>,
    /// Names whose publishers may have sent more than any number shows.
    unknown: BTreeSet<String>,
    /// Damage and contradictions.
    faults: Findings,
    /// Losses without a number that the recorder reports.
    losses: Findings,
    /// Gaps across missing parts. If the recorder removed these parts, the gaps are not faults.
    over_holes: OverHoles,
    /// The number of holes so far: places with missing parts.
    holes: usize,
    /// The first and the last missing part of each hole.
    missing: Vec<(u64, u64)>,
    /// Whether another program wrote a channel. Its messages lack the numbers of a publisher.
    has_foreign: bool,
}

/// The first findings of one sort, and the count of all.
#[derive(Debug, Default)]
struct Findings {
    first: Vec<String>,
    count: u64,
}

impl Findings {
    fn add(&mut self, text: String) {
        if self.first.len() < MAX_FINDINGS {
            self.first.push(text);
        }
        self.count = self.count.saturating_add(1);
    }

    fn print(&self, sort: &str) -> Result<()> {
        self.first.iter().try_for_each(|text| stdout::print_line(text))?;
        if self.count > self.first.len() as u64 {
            stdout::print_line(&format!("further {sort} are counted alone: {} in all", self.count))?;
        }
        Ok(())
    }
}

/// The first gaps across missing parts, each with its holes, and the count of further gaps.
#[derive(Debug, Default)]
struct OverHoles {
    first: Vec<(Range<usize>, String)>,
    further: u64,
}

impl OverHoles {
    fn add(&mut self, holes: Range<usize>, text: String) {
        if self.first.len() < MAX_FINDINGS {
            self.first.push((holes, text));
        } else {
            self.further = self.further.saturating_add(1);
        }
    }
}

impl Numbers {
    /// Notes the latest hole of the reader.
    fn take_holes(&mut self, holes: usize, latest: Option<(u64, u64)>) {
        self.holes = holes;
        // Nothing is known of a hole before the latest one if no record came between them.
        self.missing.resize(holes.saturating_sub(1).max(self.missing.len()), (0, u64::MAX));
        if let (true, Some(latest)) = (self.missing.len() < holes, latest) {
            self.missing.push(latest);
        }
    }

    /// Moves the gaps across missing parts to the faults, unless the recorder removed all of these parts.
    fn settle_holes(&mut self, dropped: &Dropped) {
        let is_removed =
            |hole: usize| self.missing.get(hole).is_some_and(|(first, last)| dropped.has(*first, *last));
        let OverHoles { first, further } = std::mem::take(&mut self.over_holes);
        for (holes, text) in first {
            if !holes.into_iter().all(is_removed) {
                self.faults.add(text);
            }
        }
        if !(0..self.holes).all(is_removed) {
            self.faults.count = self.faults.count.saturating_add(further);
        }
    }

    /// Checks numbers of messages or of reported losses.
    fn take(&mut self, name: &str, incarnation: u64, first: u64, count: u64, what: &str) {
        let place = || format!("{} (incarnation {incarnation:016x})", named(name));
        let end = u128::from(first).saturating_add(count.into());
        let key = (name.to_owned(), incarnation);
        // The publisher continued, so its numbers show the losses.
        self.unaccounted.remove(&key);
        let Some((next, holes)) = self.next.insert(key.clone(), (end, self.holes)) else { return };
        let before = next.saturating_sub(1);
        let fault = match u128::from(first).checked_sub(next) {
            Some(0) => return,
            Some(1) => {
                format!("gap: {} lacks message {next}, and no event says that they were missed", place())
            }
            Some(_) => {
                let last = first.saturating_sub(1);
                format!(
                    "gap: {} lacks messages {next} to {last}, and no event says that they were missed",
                    place()
                )
            }
            None if end <= next => {
                self.next.insert(key, (next, self.holes));
                format!("repeat or order: {} has {what} {first} after {before}", place())
            }
            None => {
                let last = end.saturating_sub(1);
                format!("overlap: {} has {what} {first} to {last} after {before}", place())
            }
        };
        if u128::from(first) <= next || holes == self.holes {
            return self.faults.add(fault);
        }
        self.over_holes.add(holes..self.holes, fault);
    }

    /// Checks the next number of a publisher that a part states for the earlier parts.
    ///
    /// After a hole, this is the only information about a publisher that sent nothing more.
    fn take_next(&mut self, name: &str, incarnation: u64, next: u64) {
        let key = (name.to_owned(), incarnation);
        match self.next.get(&key) {
            // The next message must agree with this number.
            None => {
                self.next.insert(key, (next.into(), self.holes));
            }
            Some((known, _)) if u128::from(next) < *known => self.faults.add(format!(
                "numbers: {} (incarnation {incarnation:016x}) is said to go on with message {next}, and the parts before have message {}",
                named(name),
                known.saturating_sub(1)
            )),
            Some((known, _)) if u128::from(next) > *known => self.take(name, incarnation, next, 0, "numbers"),
            Some(_) => {}
        }
    }
}

const MAX_FINDINGS: usize = 10_000;

/// The exit code for an unclosed or removed part, or unknown last messages, if nothing else is wrong.
const NOT_KNOWN: u8 = 5;
/// The exit code if the file is whole but its recorder reports losses without a count.
const LOSSES: u8 = 6;

/// Returns a name as programs write it; a topic lacks the transport of an address.
fn named(topic: &str) -> Cow<'_, str> {
    if topic.starts_with("//") { format!("tcp:{topic}").into() } else { topic.into() }
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut readers = [open(&arguments.file)?];
    let mut numbers = Numbers::default();
    let mut progress = Progress::of("check");
    let (mut begun, mut ended): (u64, u64) = (0, 0);
    let (mut copied, mut removed) = (Vec::new(), Vec::new());
    loop {
        progress.at(&readers);
        let [reader] = &mut readers;
        numbers.take_holes(reader.holes(), reader.hole());
        let Some(entry) = reader.read()? else { break };
        match entry {
            Entry::Message(message) if message.channel.repeated => {}
            Entry::Message(message) => {
                numbers.messages = numbers.messages.saturating_add(1);
                if !message.channel.metadata.contains_key(format::channel::INCARNATION) {
                    numbers.has_foreign = true;
                    continue;
                }
                numbers.take(
                    &message.channel.topic,
                    message.channel.incarnation,
                    message.number,
                    1,
                    "message",
                );
            }
            Entry::Event(event) if matches!(event.kind, Kind::Refused | Kind::Unconnected) => {
                numbers.losses.add(format!("{}: {}: {}", event.kind.name(), named(&event.name), event.text));
            }
            Entry::Event(event) if event.kind == Kind::Unaccounted => {
                match event.incarnation {
                    Some(incarnation) => numbers.unaccounted.insert((event.name.to_owned(), incarnation)),
                    None => numbers.unknown.insert(event.name.to_owned()),
                };
            }
            Entry::Metadata(format::metadata::RECORDING, _) => {
                begun = begun.saturating_add(1);
            }
            Entry::Metadata(format::metadata::END, end) => {
                ended = ended.saturating_add(1);
                if is_failed(end) {
                    numbers.losses.add(format!("failed: {FAILED}"));
                }
            }
            Entry::Metadata(format::metadata::NUMBERS, entries) => {
                for (key, next) in entries {
                    match format::next_number(key, next) {
                        Some((incarnation, topic, next)) => numbers.take_next(topic, incarnation, next),
                        None => numbers
                            .faults
                            .add(format!("numbers: {key:?} has {next:?}, which is no number of a publisher")),
                    }
                }
            }
            Entry::Metadata(format::metadata::OMITTED, entries) => {
                numbers.faults.add(format!("omitted: {}", format::omitted(entries)));
            }
            Entry::Metadata(format::metadata::DROPPED, entries) if removed.len() < MAX_FINDINGS => {
                removed.extend(Dropped::of_original(entries));
            }
            // The last records of the original are unknown.
            Entry::Metadata(format::metadata::UNCLOSED, entries) if copied.len() < MAX_FINDINGS => {
                copied.push(format::omitted(entries));
            }
            Entry::Event(event) if matches!(event.kind, Kind::Missed | Kind::Skipped) => {
                let count = event.count.unwrap_or(0);
                if event.kind == Kind::Missed {
                    numbers.missed = numbers.missed.saturating_add(count);
                }
                let what = format!("{} messages", event.kind.name());
                let (incarnation, first) = (event.incarnation.unwrap_or(0), event.first.unwrap_or(0));
                numbers.take(&event.name, incarnation, first, count, &what);
            }
            _ => {}
        }
    }
    drop(progress);
    let [reader] = &readers;
    numbers.settle_holes(reader.dropped());
    if reader.problems().iter().all(|problem| problem.kind == ProblemKind::Dropped) && ended < begun {
        numbers.faults.add(
            "not closed: a part has no record of its recorder that it was closed, which is its last one"
                .into(),
        );
    }
    let of = |kinds: &[ProblemKind]| -> Vec<&Problem> {
        reader.problems().iter().filter(|problem| kinds.contains(&problem.kind)).collect()
    };
    let unclosed = of(&[ProblemKind::Unclosed]);
    let absent = of(&[ProblemKind::Absent, ProblemKind::Alone]);
    let dropped = of(&[ProblemKind::Dropped]);
    let removed = dropped.iter().map(ToString::to_string).chain(removed);
    let removed: Vec<_> = removed.map(|part| format!("removed by the recorder: {part}")).collect();
    let problems = of(&[ProblemKind::Damaged, ProblemKind::Torn]);
    let count = numbers.faults.count.saturating_add(problems.len() as u64);
    if !arguments.quiet || count > 0 {
        unclosed.iter().try_for_each(|part| stdout::print_line(&format!("not closed: {part}")))?;
        copied.iter().try_for_each(|part| stdout::print_line(&format!("not closed: {part}")))?;
        absent.iter().try_for_each(|part| stdout::print_line(&format!("not all parts: {part}")))?;
    }
    if count == 0 {
        let ends = numbers.unaccounted.len() as u64;
        let lost = numbers.losses.count;
        let verdict = match (unclosed.is_empty() && copied.is_empty(), ends) {
            _ if lost > 0 => "whole, and tells of losses",
            (true, 0) if absent.is_empty() && numbers.unknown.is_empty() && !numbers.has_foreign => {
                "complete"
            }
            (true, _) => "complete as far as is known",
            (false, _) => "whole, and not closed",
        };
        // Losses are printed even with `--quiet`.
        numbers.losses.print("losses")?;
        if !arguments.quiet {
            let (messages, missed) = (numbers.messages, numbers.missed);
            stdout::print_line(&format!("{verdict}: {messages} messages, {missed} missed and said so"))?;
        }
        if !arguments.quiet {
            removed.iter().try_for_each(|part| stdout::print_line(part))?;
        }
        if ends > 0 && !arguments.quiet {
            let names: BTreeSet<_> = numbers.unaccounted.iter().map(|(name, _)| named(name)).collect();
            let names = Vec::from_iter(names).join(", ");
            stdout::print_line(&format!(
                "the end of {} is not known: {names}",
                counted(ends, "incarnation")
            ))?;
        }
        if numbers.has_foreign && !arguments.quiet {
            stdout::print_line(
                "whether messages of another program are missing is not known: it does not number them",
            )?;
        }
        if !numbers.unknown.is_empty() && !arguments.quiet {
            let names = Vec::from_iter(numbers.unknown.iter().map(|name| named(name))).join(", ");
            stdout::print_line(&format!(
                "whether more was published is not known, see the events \"unaccounted\": {names}"
            ))?;
        }
        if lost > 0 {
            let losses = if lost == 1 { "a loss".to_owned() } else { format!("{lost} losses") };
            let file = arguments.file.display();
            stderr::print_line(&format!("{file} is not damaged, and tells of {losses} without a number"));
            return Ok(ExitCode::from(LOSSES));
        }
        let is_known = verdict == "complete";
        return Ok(if is_known { ExitCode::SUCCESS } else { ExitCode::from(NOT_KNOWN) });
    }
    numbers.losses.print("losses")?;
    numbers.faults.print("faults of numbers")?;
    problems.iter().try_for_each(|problem| stdout::print_line(&format!("file: {problem}")))?;
    removed.iter().try_for_each(|part| stdout::print_line(part))?;
    let text = format!("{} has {}", arguments.file.display(), counted(count, "fault"));
    Err(Error::new(ErrorKind::Corrupt, text))
}
