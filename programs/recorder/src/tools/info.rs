//! `linkspan recording info`: shows the content of a recording.

use std::path::PathBuf;

use linkspan::{Encoding, Error, ErrorKind, Limits, Payload, Result, Value, one_line};
use linkspan_recording::summary::NAMES;
use linkspan_recording::{Problem, Summary, parts};

use super::opening::{open, shown};
use crate::{stderr, stdout};

/// Print the content of a recording: names, counts, rates, losses, schemas, parts
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  linkspan recording info run42.mcap
  linkspan recording info run42.mcap --json")]
pub struct Arguments {
    /// First file of the recording; later parts are found
    pub file: PathBuf,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let mut reader = open(&arguments.file)?;
    let summary = Summary::read(&mut reader)?;
    let files: Vec<_> = parts::existing(&arguments.file).into_iter().map(|part| part.path).collect();
    if arguments.json {
        print_json(&summary, reader.problems(), &files)?;
    } else {
        print(&summary, &files)?;
        let problems = reader.problems().iter().map(ToString::to_string);
        problems.chain(summary.fault_of_losses()).for_each(|problem| stderr::print_line(&problem));
    }
    // An unfinished recording ends after a whole chunk, without a loss.
    match reader.problems().iter().filter(|problem| problem.is_loss()).count() {
        0 if summary.fault_of_losses().is_some() => {
            let text = format!("{} has counts of losses that are not true", arguments.file.display());
            Err(Error::new(ErrorKind::Corrupt, text))
        }
        0 => Ok(()),
        count => {
            let what = crate::record::counted(count as u64, "fault");
            let text = format!("{} has {what}: what they hide is not counted", arguments.file.display());
            Err(Error::new(ErrorKind::Corrupt, text))
        }
    }
}

/// Returns a name for the beginning of a line, in quotes if no program can have it.
///
/// No quoted name looks like another line of this output.
fn named(topic: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    if !topic.is_empty() && topic.bytes().all(is_plain) {
        return topic.to_owned();
    }
    format!("\"{}\"", one_line(topic))
}

/// The most bytes of JSON for one name or for the rest: metadata of a recording can exceed a message.
const MAX_JSON: u64 = 1 << 30;
const PIECE: usize = 64 << 10;

fn print_json(summary: &Summary, problems: &[Problem], files: &[PathBuf]) -> Result<()> {
    let limits = Limits::for_message(MAX_JSON);
    let json = |value: &Value| -> Result<String> {
        Ok(String::from_utf8_lossy(Payload::new(value, Encoding::Json, &limits)?.body()).into_owned())
    };
    let mut piece = format!("{{\"{NAMES}\":{{");
    for (at, (topic, of)) in summary.name_values().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        piece += &format!("{comma}{}:{}", json(&topic.into())?, json(&of)?);
        if piece.len() >= PIECE {
            stdout::print_piece(&piece)?;
            piece.clear();
        }
    }
    piece.push('}');
    for (key, value) in summary.other_values(problems, files) {
        piece += &format!(",{}:{}", json(&key.into())?, json(&value)?);
    }
    stdout::print_line(&format!("{piece}}}"))
}
const MAX_WIDTH: usize = 60;

fn print(summary: &Summary, files: &[PathBuf]) -> Result<()> {
    for file in files {
        let size = std::fs::metadata(file).map_or(0, |facts| facts.len());
        stdout::print_line(&format!("{}  {size} bytes", file.display()))?;
    }
    for key in ["id", "machine", "started", "timezone", "version", "command"] {
        if let Some(text) = summary.facts.get(key) {
            stdout::print_line(&format!("{key:9} {text}"))?;
        }
    }
    for (key, text) in &summary.notes {
        stdout::print_line(&format!("note      {key}={text}"))?;
    }
    for omitted in &summary.omitted {
        stdout::print_line(&format!("omitted   {omitted}"))?;
    }
    for removed in &summary.removed {
        stdout::print_line(&format!("removed by the recorder  {removed}"))?;
    }
    for (name, length) in &summary.attachments {
        stdout::print_line(&format!("attached  {name}  {length} bytes"))?;
    }
    if let Some(extent) = summary.extent {
        let ((first, last), seconds) = (extent.times(), extent.duration() as f64 / 1e9);
        stdout::print_line(&format!("time      {} to {}, {seconds:.3} s", shown(first), shown(last)))?;
    }
    let names: Vec<_> = summary.names.iter().map(|(topic, name)| (named(topic), name)).collect();
    let widths = names.iter().map(|(topic, _)| topic.chars().count());
    let width = widths.max().unwrap_or(0).clamp(4, MAX_WIDTH);
    stdout::print_line("")?;
    stdout::print_line(&format!(
        "{:width$}  {:>10}  {:>10}  {:>12}  {:>8}  schema",
        "name", "messages", "a second", "bytes", "missed"
    ))?;
    for (topic, name) in names {
        let seconds = name.extent.map_or(0.0, |extent| extent.duration() as f64 / 1e9);
        let rate = if seconds > 0.0 {
            format!("{:.1}", name.messages.saturating_sub(1) as f64 / seconds)
        } else {
            "-".to_owned()
        };
        let schemas = name.schemas.join(", ");
        stdout::print_line(&format!(
            "{topic:width$}  {:>10}  {rate:>10}  {:>12}  {:>8}  {schemas}",
            name.messages, name.bytes, name.missed
        ))?;
    }
    if !summary.events.is_empty() {
        let events: Vec<_> = summary.events.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        stdout::print_line("")?;
        stdout::print_line(&format!("events    {}", events.join(", ")))?;
    }
    Ok(())
}
