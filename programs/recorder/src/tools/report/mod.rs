//! `linkspan recording report`: one page of HTML about a recording.

mod bins;
mod collect;
mod html;
mod picture;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;

use linkspan::schema::Schema;
use linkspan::{Error, ErrorKind, Result};
use linkspan_recording::files::of_io;
use linkspan_recording::reader::ByNotation;
use linkspan_recording::{Claims, Dropped, Entry, columns, format};

use super::faults::{Faults, decoded};
use super::opening::{Output, finish, open};
use super::progress::Progress;
use collect::Report;
use html::Head;

use crate::stderr;

/// Write a page of HTML with the content, rates, gaps, plots and pictures of a recording
#[derive(Debug, clap::Args)]
#[command(after_help = "The page needs neither a network nor scripts.
The exit code is 1 if a message cannot be decoded or the recording is damaged.

Examples:
  linkspan recording report run42.mcap
  linkspan recording report run42.mcap -o report.html --force")]
pub struct Arguments {
    /// First file of the recording; later parts are found
    file: PathBuf,
    /// The page [default: the recording's path with .html]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    how: Output,
}

/// The most bytes of notes on a page, and the most characters of a unit.
const MAX_NOTES: usize = 16 << 20;
const MAX_UNIT: usize = 64;
const MAX_UNDECODED: usize = 1_000;
const MAX_OMITTED: usize = 1_000;

fn brief(unit: &str) -> String {
    unit.chars().take(MAX_UNIT).collect()
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let mut readers = [open(&arguments.file)?];
    let output = arguments.output.clone().unwrap_or_else(|| arguments.file.with_extension("html"));
    // The output is checked before the recording is read, which takes long.
    let file = arguments.how.create(&output, &[&arguments.file])?;
    let (mut report, mut claims) = (Report::default(), Claims::default());
    let mut facts = Vec::new();
    let mut noted = HashSet::new();
    let mut noted_bytes = 0usize;
    let (mut undecoded, mut omitted) = (0u64, Vec::new());
    // Records of the originals, as `check` reports them.
    let (mut removed, mut unclosed) = (Vec::new(), Vec::new());
    let mut first_undecoded: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut progress = Progress::of("report");
    loop {
        progress.at(&readers);
        let [reader] = &mut readers;
        let Some(entry) = reader.read()? else { break };
        match entry {
            Entry::Message(message) if !message.channel.repeated => {
                let value = decoded(&message);
                if let Err(error) = &value {
                    undecoded = undecoded.saturating_add(1);
                    let topic = &message.channel.topic;
                    if let Some((count, _)) = first_undecoded.get_mut(topic) {
                        *count = count.saturating_add(1);
                    } else if first_undecoded.len() < MAX_UNDECODED {
                        let first = format!("message {} of {topic}: {error}", message.number);
                        first_undecoded.insert(topic.clone(), (1, first));
                    }
                }
                let value = value.ok();
                claims.message(message.channel, message.number);
                report.message(message.channel, message.received, message.body.len() as u64, value.as_ref());
            }
            Entry::Event(event) => {
                claims.event(&event);
                report.event(event);
            }
            Entry::Metadata(format::metadata::RECORDING, found) if facts.is_empty() => {
                let keys = ["machine", "timezone", "version", "names", "command"];
                facts.extend(
                    keys.iter()
                        .filter_map(|key| Some(((*key).to_owned(), found.get(*key)?.replace('\n', " ")))),
                );
            }
            Entry::Metadata(format::metadata::NOTES, notes) => {
                for (key, text) in notes {
                    noted_bytes = noted_bytes.saturating_add(key.len()).saturating_add(text.len());
                    let note = (key.clone(), text.clone());
                    if noted_bytes <= MAX_NOTES && noted.insert(note.clone()) {
                        facts.push(note);
                    }
                }
            }
            Entry::Metadata(format::metadata::OMITTED, entries) => {
                if omitted.len() < MAX_OMITTED {
                    omitted.push(format!("omitted: {}", format::omitted(entries)));
                }
            }
            Entry::Metadata(format::metadata::DROPPED, entries) if removed.len() < MAX_OMITTED => {
                removed.extend(Dropped::of_original(entries));
            }
            Entry::Metadata(format::metadata::UNCLOSED, entries) if unclosed.len() < MAX_OMITTED => {
                unclosed.push(format!("not closed: {}", format::omitted(entries)));
            }
            Entry::Message(_) | Entry::Metadata(..) | Entry::Attachment(..) => {}
        }
    }
    drop(progress);
    report.events.sort_by_key(|event| event.time);
    let [reader] = &readers;
    let mut problems: Vec<_> = reader.problems().iter().map(ToString::to_string).collect();
    problems.extend(claims.fault());
    problems.append(&mut omitted);
    problems.append(&mut unclosed);
    problems.extend(removed.iter().map(|parts| format!("removed by the recorder: {parts}")));
    if undecoded > 0 {
        problems.push(format!("{undecoded} messages cannot be decoded, and are counted alone"));
    }
    if noted_bytes > MAX_NOTES {
        problems.push(format!("notes of {noted_bytes} bytes; the first {MAX_NOTES} bytes of them are shown"));
    }
    let (mut schemas, mut taken) = (ByNotation::default(), 0);
    let mut units: HashMap<&str, Rc<HashMap<String, String>>> = HashMap::new();
    let channels = report.names.iter().filter_map(|(topic, name)| Some((topic, name.channel.as_ref()?)));
    for (topic, channel) in channels {
        let of = schemas.of(channel, |text| {
            let schema = Schema::parse(text).ok();
            Rc::new(schema.map_or_else(HashMap::new, |schema| columns::units(&schema.root, &mut taken)))
        });
        if let Some(of) = of {
            units.insert(topic, of.clone());
        }
    }
    let title =
        arguments.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let unit = |name: &str, path: &str| units.get(name)?.get(path).map(|unit| brief(unit));
    let page = html::page(&Head { title: &title, facts: &facts, problems: &problems }, &report, &unit)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("writing the page: {error}")))?;
    file.file().write_all(page.as_bytes()).map_err(|error| of_io(&error, "writing", &output))?;
    file.finish()?;
    let mut faults = Faults::default();
    for (count, first) in first_undecoded.into_values() {
        undecoded = undecoded.saturating_sub(count);
        faults.left_out(count, &first);
    }
    if undecoded > 0 {
        faults.left_out(undecoded, "of a further name");
    }
    claims.fault().iter().for_each(|fault| stderr::print_line(fault));
    finish(&readers)?;
    if claims.fault().is_some() {
        let text = format!("{} has counts of losses that are not true", arguments.file.display());
        return Err(Error::new(ErrorKind::Corrupt, text));
    }
    faults.result(&arguments.file)
}
