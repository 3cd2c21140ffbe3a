//! `linkspan recording export`: writes messages as tables and lines for other programs.

mod csv;
mod pass;
mod python;

use std::path::Path;

use linkspan::{Error, ErrorKind, Map, Payload, Result, Value, one_line};
use linkspan_program::signals::{CleanUp, clean_up_before_end};
use linkspan_recording::files;
use linkspan_recording::folders::{NewFolder, Remover};
use linkspan_recording::reader;

pub use self::pass::Arguments;
use self::pass::{Beside, Out, Table, each, json, progress};
use super::copy::{As, copy};
use super::faults::{Faults, decoded};
use super::opening::{finish_with, limits, open, outline, shown};
use crate::viewing::Viewing;

/// The most names for tables. Each pass over the recording writes some of them.
const MAX_TABLES: usize = 4_096;

pub fn run(arguments: &Arguments) -> Result<()> {
    let form = arguments.form.word();
    let outline = outline(&arguments.file)?;
    arguments.choice.check(&outline)?;
    let begin = outline.time.map_or(0, |(begin, _)| begin);
    let window = arguments.choice.window(begin);
    let topics: Vec<_> = outline.names.into_iter().filter(|topic| window.has_name(topic)).collect();
    let mut faults = Faults::default();
    if arguments.form.jsonl {
        lines(arguments, begin, &mut faults)?;
        return faults.result(&arguments.file);
    }
    if let (true, Some(output)) = (arguments.form.ros2, &arguments.output) {
        ros2(arguments, begin, output, &mut faults)?;
        return faults.result(&arguments.file);
    }
    if topics.is_empty() {
        let text = format!("{} has no name with a message that could be written", arguments.file.display());
        let none = Error::new(ErrorKind::NotFound, text);
        return finish_with(&outline.problems, Some(&none)).and(Err(none));
    }
    if topics.len() > MAX_TABLES {
        let text = format!(
            "{} names are more than {MAX_TABLES} tables: choose some of them by a pattern, or write lines of JSON by --jsonl",
            topics.len()
        );
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    let is_in_folder = topics.len() > 1 && form != "hdf5";
    let (mut new, mut clean_up) = (None, None);
    if let Some(folder) = arguments.output.as_ref().filter(|_| is_in_folder) {
        let remover = Remover::default();
        let at_end = remover.clone();
        // A signal must not leave the folder, so this comes before it exists.
        let cleaning = clean_up_before_end(move || at_end.end())?;
        let made = NewFolder::create(folder, &remover);
        match &made {
            Ok(_) => clean_up = Some(cleaning),
            Err(_) => cleaning.end_if_signalled(),
        }
        new = made?;
    }
    let output = new.as_ref().map(NewFolder::path).or(arguments.output.as_deref());
    let tables = tables(form, output, topics, &mut faults)?;
    let written = match form {
        _ if tables.is_empty() => Ok(()),
        "csv" => csv::write(arguments, begin, &tables, &mut faults),
        form => {
            let made = python::write(form, arguments, &window, &tables, &mut faults);
            // The module reports its failures. This pass reports damage of the recording, as for the other formats.
            match made {
                Ok(()) => each(arguments, begin, &mut faults, |_, _| Ok(())),
                Err(none) if none.kind() == ErrorKind::NotFound => {
                    let read = each(arguments, begin, &mut faults, |_, _| Ok(()));
                    Err(read.err().filter(|error| error.kind() != ErrorKind::NotFound).unwrap_or(none))
                }
                made => made,
            }
        }
    };
    // Without all of its files, the folder is removed.
    let named = new.filter(|new| written.is_ok() && !new.is_empty()).map_or(Ok(()), NewFolder::finish);
    clean_up.into_iter().for_each(CleanUp::end_if_signalled);
    written.and(named)?;
    faults.result(&arguments.file)
}

const MAX_NAME: usize = 255;

fn tables(form: &str, output: Option<&Path>, topics: Vec<String>, faults: &mut Faults) -> Result<Vec<Table>> {
    let all_at = |path: Option<&Path>, topics: Vec<String>| {
        let table = |topic| Table { topic, path: path.map(Path::to_owned), is_in_folder: false };
        topics.into_iter().map(table).collect()
    };
    match (&topics[..], output) {
        ([_], output) => Ok(all_at(output, topics)),
        (_, Some(path)) if form == "hdf5" => Ok(all_at(Some(path), topics)),
        (_, Some(folder)) => {
            let mut all = Vec::with_capacity(topics.len());
            for topic in topics {
                let name = format!("{}.{form}", files::name_of(&topic));
                if name.len() > MAX_NAME {
                    let text = format!(
                        "{topic}: a file of this name would have {} bytes in its own, and a file system has {MAX_NAME}: choose this name alone, with a file in -o",
                        name.len()
                    );
                    faults.table(&Error::new(ErrorKind::TooLarge, text));
                    continue;
                }
                all.push(Table { topic, path: Some(folder.join(name)), is_in_folder: true });
            }
            Ok(all)
        }
        (several, None) => {
            let text = format!(
                "--{form} writes a table a name, and these are {}: choose one, or name a folder with -o",
                several.len()
            );
            Err(Error::new(ErrorKind::InvalidState, text))
        }
    }
}

/// Writes a recording for viewers: a pass for the types of all names, and a pass for the messages.
fn ros2(arguments: &Arguments, begin: u64, output: &Path, faults: &mut Faults) -> Result<()> {
    let mut viewing = Viewing::new(limits().message.message);
    let window = arguments.choice.window(begin);
    let mut reader = open(&arguments.file)?;
    let mut progress = progress(arguments);
    loop {
        progress.at(std::slice::from_ref(&reader));
        let Some(entry) = reader.read()? else { break };
        // The copy may repeat messages from before the window. The next pass reports messages that cannot be decoded.
        if let Some(message) = window.chosen(entry)
            && let Ok(value) = decoded(&message)
        {
            viewing.look(message.channel, &value, message.sent);
        }
    }
    drop(progress);
    copy(&[&arguments.file], &window, output, &arguments.how, As::Viewed(&mut viewing, faults))
}

fn lines(arguments: &Arguments, begin: u64, faults: &mut Faults) -> Result<()> {
    let mut out = Out::create(arguments, arguments.output.as_deref(), false)?;
    let mut beside = Beside::of(arguments)?;
    each(arguments, begin, faults, |message, faults| {
        let channel = message.channel;
        beside.take(&channel.topic, channel.topic.len().saturating_add(channel.source.len()))?;
        let Some(value) = faults.value(message) else { return Ok(()) };
        let Some(text) = faults.made(message, line(message, value)) else { return Ok(()) };
        // Escapes do not change the meaning of JSON.
        out.put(one_line(&String::from_utf8_lossy(text.body())).to_string().as_bytes())?;
        out.put(b"\n")
    })?;
    out.finish()
}

fn line(message: &reader::Message<'_>, value: Value) -> Result<Payload> {
    let mut map = Map::new();
    map.insert("name".into(), message.channel.topic.as_str().into());
    map.insert("sequence".into(), message.number.into());
    map.insert("incarnation".into(), message.channel.incarnation_text().into());
    map.insert("source".into(), message.channel.source.as_str().into());
    map.insert("sent".into(), shown(message.sent).into());
    map.insert("received".into(), shown(message.received).into());
    map.insert("value".into(), value);
    json(&Value::Map(map))
}
