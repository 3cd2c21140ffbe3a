//! `linkspan recording info`: what a recording has.

use std::collections::BTreeMap;
use std::path::PathBuf;

use linkspan::{Encoding, Limits, Map, Payload, Result, Value};
use linkspan_recording::event::Kind;
use linkspan_recording::{Entry, Reader, format, parts};

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

/// What a recording has of a name.
#[derive(Clone, Debug, Default)]
pub struct Name {
    pub messages: u64,
    pub bytes: u64,
    pub missed: u64,
    pub skipped: u64,
    /// When the first and the last message were received.
    pub first: u64,
    pub last: u64,
    pub incarnations: Vec<u64>,
    pub encodings: Vec<String>,
    pub schemas: Vec<String>,
    pub sources: Vec<String>,
}

/// What a recording has.
#[derive(Debug, Default)]
pub struct Summary {
    pub names: BTreeMap<String, Name>,
    pub facts: BTreeMap<String, String>,
    pub notes: BTreeMap<String, String>,
    pub attachments: Vec<(String, u64)>,
    pub events: BTreeMap<String, u64>,
    /// When the first and the last message or event was received.
    pub time: Option<(u64, u64)>,
}

impl Summary {
    /// Reads a recording to its end.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(reader: &mut Reader) -> Result<Summary> {
        let mut summary = Summary::default();
        while let Some(entry) = reader.read()? {
            summary.add(entry);
        }
        Ok(summary)
    }

    fn add(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Message(message) if message.channel.repeated => {}
            Entry::Message(message) => {
                self.include(message.received);
                let channel = message.channel;
                if !self.names.contains_key(&channel.topic) {
                    let name = Name { first: message.received, ..Name::default() };
                    self.names.insert(channel.topic.clone(), name);
                }
                let Some(name) = self.names.get_mut(&channel.topic) else { return };
                name.messages += 1;
                name.bytes += message.body.len() as u64;
                name.last = name.last.max(message.received);
                name.first = name.first.min(message.received);
                if !name.incarnations.contains(&channel.incarnation) {
                    name.incarnations.push(channel.incarnation);
                }
                once(&mut name.encodings, &channel.encoding);
                once(&mut name.sources, &channel.source);
                if let Some(schema) = &channel.schema {
                    once(&mut name.schemas, &schema.name);
                }
            }
            Entry::Event(event) => {
                self.include(event.time);
                *self.events.entry(event.kind.name().to_owned()).or_default() += 1;
                let count = event.count.unwrap_or(0);
                if event.kind == Kind::Missed {
                    self.names.entry(event.name).or_default().missed += count;
                } else if event.kind == Kind::Skipped {
                    self.names.entry(event.name).or_default().skipped += count;
                }
            }
            Entry::Metadata(format::metadata::RECORDING, facts) if self.facts.is_empty() => {
                self.facts.clone_from(facts)
            }
            Entry::Metadata(format::metadata::NOTES, notes) => self.notes.clone_from(notes),
            Entry::Metadata(..) => {}
            Entry::Attachment(name, length) => self.attachments.push((name.to_owned(), length)),
        }
    }

    fn include(&mut self, time: u64) {
        let (first, last) = self.time.unwrap_or((time, time));
        self.time = Some((first.min(time), last.max(time)));
    }

    /// Returns its names.
    pub fn topics(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    /// Returns when it begins; 0 where it has nothing.
    pub fn begin(&self) -> u64 {
        self.time.map_or(0, |(first, _)| first)
    }
}

fn once(list: &mut Vec<String>, text: &str) {
    if !text.is_empty() && !list.iter().any(|known| known == text) {
        list.push(text.to_owned());
    }
}

/// Prints it.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut reader = open(&arguments.file)?;
    let summary = Summary::read(&mut reader)?;
    let files = parts::existing(&arguments.file);
    if arguments.json {
        let line = Payload::new(&to_value(&summary, &reader, &files), Encoding::Json, &Limits::default())?;
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

fn to_value(summary: &Summary, reader: &Reader, files: &[PathBuf]) -> Value {
    let texts = |list: &[String]| Value::Array(list.iter().map(|text| text.as_str().into()).collect());
    let map = |entries: &BTreeMap<String, String>| -> Value {
        Value::Map(entries.iter().map(|(key, text)| (key.clone(), text.as_str().into())).collect())
    };
    let names = summary.names.iter().map(|(topic, name)| {
        let numbers = [
            ("messages", name.messages),
            ("bytes", name.bytes),
            ("missed", name.missed),
            ("skipped", name.skipped),
            ("first", name.first),
            ("last", name.last),
        ];
        let mut of: Map = numbers.into_iter().map(|(key, number)| (key.to_owned(), number.into())).collect();
        let incarnations = name.incarnations.iter().map(|number| format!("{number:016x}").into()).collect();
        of.insert("incarnations".into(), Value::Array(incarnations));
        of.insert("encodings".into(), texts(&name.encodings));
        of.insert("schemas".into(), texts(&name.schemas));
        of.insert("sources".into(), texts(&name.sources));
        (topic.clone(), Value::Map(of))
    });
    let mut value = Map::new();
    value.insert("names".into(), Value::Map(names.collect()));
    value.insert(
        "parts".into(),
        Value::Array(files.iter().map(|file| file.display().to_string().into()).collect()),
    );
    value.insert("recording".into(), map(&summary.facts));
    value.insert("notes".into(), map(&summary.notes));
    let events = summary.events.iter().map(|(kind, count)| (kind.clone(), (*count).into())).collect();
    value.insert("events".into(), Value::Map(events));
    if let Some((first, last)) = summary.time {
        value.insert("begin".into(), first.into());
        value.insert("end".into(), last.into());
    }
    value.insert(
        "problems".into(),
        Value::Array(reader.problems().iter().map(|problem| problem.to_string().into()).collect()),
    );
    Value::Map(value)
}
