//! `linkspan recording info`: what a recording has.

use std::path::PathBuf;

use linkspan::{Encoding, Limits, Payload, Result};
use linkspan_recording::{Summary, parts};

use super::{open, shown};
use crate::stderr;

/// Print what a recording has: names, counts, rates, losses, schemas, parts
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  linkspan recording info run42.mcap\n  linkspan recording info run42.mcap --json"
)]
pub struct Arguments {
    /// The file of the recording; its further parts are found
    pub file: PathBuf,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// Prints it.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut reader = open(&arguments.file)?;
    let summary = Summary::read(&mut reader)?;
    let files = parts::existing(&arguments.file);
    if arguments.json {
        let line =
            Payload::new(&summary.to_value(reader.problems(), &files), Encoding::Json, &Limits::default())?;
        println!("{}", String::from_utf8_lossy(line.body()));
    } else {
        print(&summary, &files);
        reader.problems().iter().for_each(|problem| stderr::print_line(&problem.to_string()));
    }
    Ok(())
}

fn print(summary: &Summary, files: &[PathBuf]) {
    for file in files {
        let size = std::fs::metadata(file).map_or(0, |facts| facts.len());
        println!("{}  {size} bytes", file.display());
    }
    let interesting = ["id", "machine", "started", "timezone", "version", "command"];
    interesting
        .iter()
        .filter_map(|key| Some((key, summary.facts.get(*key)?)))
        .for_each(|(key, text)| println!("{key:9} {text}"));
    summary.notes.iter().for_each(|(key, text)| println!("note      {key}={text}"));
    summary.attachments.iter().for_each(|(name, length)| println!("attached  {name}  {length} bytes"));
    if let Some((first, last)) = summary.time {
        println!("time      {} to {}, {:.3} s", shown(first), shown(last), (last - first) as f64 / 1e9);
    }
    let width = summary.names.keys().map(|name| name.chars().count()).max().unwrap_or(0).max(4);
    println!(
        "\n{:width$}  {:>10}  {:>10}  {:>12}  {:>8}  schema",
        "name", "messages", "a second", "bytes", "missed"
    );
    for (topic, name) in &summary.names {
        let seconds = name.last.saturating_sub(name.first) as f64 / 1e9;
        let rate = if seconds > 0.0 {
            format!("{:.1}", name.messages.saturating_sub(1) as f64 / seconds)
        } else {
            "-".to_owned()
        };
        let schemas = name.schemas.join(", ");
        println!(
            "{topic:width$}  {:>10}  {rate:>10}  {:>12}  {:>8}  {schemas}",
            name.messages, name.bytes, name.missed
        );
    }
    if !summary.events.is_empty() {
        let events: Vec<_> = summary.events.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        println!("\nevents    {}", events.join(", "));
    }
}
