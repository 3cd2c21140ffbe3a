//! `linkspan recording export`: messages as tables and lines for other programs.

mod csv;
mod python;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use linkspan::{Encoding, Error, ErrorKind, Limits, Map, Payload, Result, Value, one_line, several_lines};
use linkspan_program::signals::{CleanUp, clean_up_before_end};
use linkspan_recording::files::{self, NewFile};
use linkspan_recording::folders::NewFolder;
use linkspan_recording::reader;
use linkspan_recording::writer::of_io;

use super::copy::{As, copy};
use super::faults::{Faults, decoded};
use super::progress::Progress;
use super::{Choice, Output, finish_with, max_message_size, open, shown};
use crate::viewing::Viewing;

/// Write the messages of a recording for other programs
///
/// A message that cannot be written is named on standard error, and the exit code is 1 then; the others are written. It
/// is 1 as well where the recording is damaged; a part that was not closed and is whole is named, and is no damage.
/// A file, or a folder of several, has its name when it is whole. One that was killed leaves at most a hidden name,
/// .NAME.….unfinished, which may be removed.
/// --parquet, --arrow and --hdf5 are written by Python's module: python3, or the interpreter that LINKSPAN_PYTHON
/// names, has `pip install linkspan[recording]`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  linkspan recording export run42.mcap lab/temperature --csv > temperature.csv
  linkspan recording export run42.mcap --csv -o tables/
  linkspan recording export run42.mcap 'lab/*' --jsonl > run42.jsonl
  linkspan recording export run42.mcap lab/temperature --parquet -o temperature.parquet
  linkspan recording export run42.mcap --hdf5 -o run42.h5
  linkspan recording export run42.mcap --ros2 -o run42-ros2.mcap")]
pub struct Arguments {
    /// The file of the recording; its further parts are found
    file: PathBuf,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    form: Form,
    /// The file; for a table a name, and several names, a folder, with a file a name
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    #[command(flatten)]
    how: Output,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Form {
    /// A table a name: a line a message, a column a field; arrays, lists and bytes are JSON in their cells
    #[arg(long)]
    csv: bool,
    /// A line of JSON a message
    #[arg(long)]
    jsonl: bool,
    /// A table a name, in Apache Parquet
    #[arg(long, requires = "output")]
    parquet: bool,
    /// A table a name, in a file of Apache Arrow
    #[arg(long, requires = "output")]
    arrow: bool,
    /// A file with a group a name and a data set a field
    #[arg(long, requires = "output")]
    hdf5: bool,
    /// A recording for viewers (Lichtblick, Foxglove, PlotJuggler, Rerun, bags of ROS 2): messages in CDR with their
    /// types; where a value has no form there, in JSON
    #[arg(long, requires = "output")]
    ros2: bool,
}

impl Form {
    /// The word of the option, which is the ending of its files.
    fn word(&self) -> &'static str {
        match self {
            Form { parquet: true, .. } => "parquet",
            Form { arrow: true, .. } => "arrow",
            Form { hdf5: true, .. } => "hdf5",
            Form { jsonl: true, .. } => "jsonl",
            Form { ros2: true, .. } => "ros2",
            Form { .. } => "csv",
        }
    }
}

/// Names that are written as tables at most: each pass over the recording writes some of them.
const MAX_TABLES: usize = 4_096;

/// Exports it.
pub fn run(arguments: &Arguments) -> Result<()> {
    let form = arguments.form.word();
    let outline = super::outline(&arguments.file)?;
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
    let new = match arguments.output.as_ref().filter(|_| is_in_folder) {
        Some(folder) => NewFolder::create(folder)?,
        None => None,
    };
    let clean_up = new.as_ref().map(|new| clean_up_before_end(new.remover())).transpose()?;
    let output = new.as_ref().map(NewFolder::path).or(arguments.output.as_deref());
    let tables = tables(form, output, topics, &mut faults)?;
    let written = match form {
        _ if tables.is_empty() => Ok(()),
        "csv" => csv::write(arguments, begin, &tables, &mut faults),
        form => {
            let made = python::write(form, arguments, &window, &tables, &mut faults);
            // The module says what it could not write; where the recording is wrong is said as for the other forms.
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
    // Without a file there is no folder, nor without all of them.
    let named = new.filter(|new| written.is_ok() && !new.is_empty()).map_or(Ok(()), NewFolder::finish);
    clean_up.into_iter().for_each(CleanUp::end_if_signalled);
    written.and(named)?;
    faults.result(&arguments.file)
}

/// A table that is written: its name, and its file, without one for the standard output.
struct Table {
    topic: String,
    path: Option<PathBuf>,
    /// Whether it is one of several in the folder that was named.
    is_in_folder: bool,
}

/// Bytes of the name of a file at most.
const MAX_NAME: usize = 255;

/// Returns where each name is written.
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

/// Calls `what` with each message that is chosen, in the order of the file.
///
/// # Errors
/// Those of `what`; `NotFound` where names or times were chosen that have no message.
fn each(
    arguments: &Arguments,
    begin: u64,
    faults: &mut Faults,
    mut what: impl FnMut(&reader::Message<'_>, &mut Faults) -> Result<()>,
) -> Result<()> {
    // Of its own in each pass: it follows the clock of the recording.
    let window = arguments.choice.window(begin);
    let mut reader = open(&arguments.file)?;
    let mut progress = progress(arguments);
    let mut messages = 0u64;
    loop {
        progress.at(std::slice::from_ref(&reader));
        let Some(entry) = reader.read()? else { break };
        if let Some(message) = window.chosen(entry)
            && window.place(message.received).is_eq()
        {
            messages = messages.saturating_add(1);
            what(&message, faults)?;
        }
    }
    reader.problems().iter().for_each(|problem| faults.problem(problem));
    // What damage hides may be what was asked for.
    let found = window.require(messages, &[&arguments.file]);
    found.or_else(|none| faults.result(&arguments.file).and(Err(none)))
}

/// Writes a recording for viewers: a pass over this one for the types of all names, and one for the messages.
fn ros2(arguments: &Arguments, begin: u64, output: &Path, faults: &mut Faults) -> Result<()> {
    let mut viewing = Viewing::default();
    let window = arguments.choice.window(begin);
    let mut reader = open(&arguments.file)?;
    let mut progress = progress(arguments);
    loop {
        progress.at(std::slice::from_ref(&reader));
        let Some(entry) = reader.read()? else { break };
        // What stands before the window may be in the copy, too: the newest of each name. The next pass says what
        // cannot be decoded.
        if let Some(message) = window.chosen(entry)
            && let Ok(value) = decoded(&message)
        {
            viewing.look(message.channel, &value, message.sent);
        }
    }
    drop(progress);
    copy(&[&arguments.file], &window, output, &arguments.how, As::Viewed(&mut viewing, faults))
}

/// How far the export has come, where the terminal does not show the messages themselves.
fn progress(arguments: &Arguments) -> Progress {
    let mut progress = Progress::of("export");
    if arguments.output.is_none() && io::stdout().is_terminal() {
        progress.hide();
    }
    progress
}

/// Where an export is written: a file, which has its name once it is whole, or the standard output.
struct Out {
    file: Option<NewFile>,
    /// Whether a terminal shows it, which interprets what a file has as it is.
    is_shown: bool,
    buffer: Vec<u8>,
}

/// Bytes that are written at once.
const BUFFER: usize = 64 << 10;

impl Out {
    fn create(arguments: &Arguments, path: Option<&Path>, is_in_folder: bool) -> Result<Out> {
        let make = if is_in_folder { NewFile::create_within } else { NewFile::create };
        let file =
            path.map(|path| make(path, arguments.how.making(path, &[&arguments.file])?)).transpose()?;
        let is_shown = file.is_none() && io::stdout().is_terminal();
        Ok(Out { file, is_shown, buffer: Vec::new() })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        if self.is_shown {
            self.buffer.extend_from_slice(several_lines(&String::from_utf8_lossy(bytes)).as_bytes());
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        if self.buffer.len() < BUFFER { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<()> {
        let written = match &self.file {
            Some(file) => {
                file.file().write_all(&self.buffer).map_err(|error| of_io(&error, "writing", file.path()))
            }
            // A reader of the output that has ended ends this as well, without an error.
            None => io::stdout()
                .write_all(&self.buffer)
                .and_then(|()| io::stdout().flush())
                .map_err(|error| of_io(&error, "writing", Path::new("the standard output"))),
        };
        self.buffer.clear();
        written
    }

    fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.file.map_or(Ok(()), NewFile::finish)
    }
}

/// Names and publishers that stand beside the messages of an export: in a recording they are once a channel, and in
/// each line again.
struct Beside {
    /// Bytes that there may be, and those that there were.
    most: u64,
    taken: u64,
}

/// Bytes of a line that are not counted: what names and publishers have that programs choose.
const USUAL: usize = 64;

impl Beside {
    fn of(arguments: &Arguments) -> Result<Beside> {
        Ok(Beside { most: open(&arguments.file)?.room().blank, taken: 0 })
    }

    /// Counts those of a line.
    ///
    /// # Errors
    /// `TooLarge`.
    fn take(&mut self, topic: &str, bytes: usize) -> Result<()> {
        self.taken = self.taken.saturating_add(bytes.saturating_sub(USUAL) as u64);
        if self.taken <= self.most {
            return Ok(());
        }
        let text = format!(
            "{topic}: with this line the names and publishers of all lines have more than the {} bytes that there are for a recording of this size: choose names or times",
            self.most
        );
        Err(Error::new(ErrorKind::TooLarge, text))
    }
}

/// Writes a line of JSON for each message.
fn lines(arguments: &Arguments, begin: u64, faults: &mut Faults) -> Result<()> {
    let mut out = Out::create(arguments, arguments.output.as_deref(), false)?;
    let mut beside = Beside::of(arguments)?;
    each(arguments, begin, faults, |message, faults| {
        let channel = message.channel;
        beside.take(&channel.topic, channel.topic.len().saturating_add(channel.source.len()))?;
        let Some(value) = faults.value(message) else { return Ok(()) };
        let Some(text) = faults.made(message, line(message, value)) else { return Ok(()) };
        // The escapes keep what the JSON means.
        out.put(one_line(&String::from_utf8_lossy(text.body())).to_string().as_bytes())?;
        out.put(b"\n")
    })?;
    out.finish()
}

/// JSON with the message and what is known of it.
fn line(message: &reader::Message<'_>, value: Value) -> Result<Payload> {
    let mut map = Map::new();
    map.insert("name".into(), message.channel.topic.as_str().into());
    map.insert("sequence".into(), message.number.into());
    map.insert("incarnation".into(), format!("{:016x}", message.channel.incarnation).into());
    map.insert("source".into(), message.channel.source.as_str().into());
    map.insert("sent".into(), shown(message.sent).into());
    map.insert("received".into(), shown(message.received).into());
    map.insert("value".into(), value);
    json(&Value::Map(map))
}

/// How many bytes of JSON one byte of a message takes at most, about: a control character of a text takes six.
const JSON_OF_A_BYTE: u64 = 8;

/// Values of a line beside the one of its message, the map itself counted.
const LINE: u64 = 7;

/// Writes a value that was read as JSON, which is longer than the message was.
fn json(value: &Value) -> Result<Payload> {
    let longest = max_message_size().unwrap_or(Limits::default().message);
    let mut limits = Limits::for_message(longest.saturating_mul(JSON_OF_A_BYTE));
    // A line has the value in a map with what is known of its message.
    limits.depth = limits.depth.saturating_add(1);
    limits.nodes = limits.nodes.saturating_add(LINE);
    Payload::new(value, Encoding::Json, &limits)
}
