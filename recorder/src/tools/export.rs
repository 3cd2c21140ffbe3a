//! `linkspan recording export`: messages as tables and lines for other programs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use linkspan::{Encoding, Error, ErrorKind, Limits, Map, Payload, Result, Value, codec};
use linkspan_recording::writer::of_io;
use linkspan_recording::{Entry, Outline, columns, reader};

use super::{Choice, Window, open, shown};
use crate::stderr;

/// Write the messages of a recording for other programs
///
/// A message that cannot be written is named on standard error, and the exit code is 1 then; the others are written. --parquet, --arrow and
/// --hdf5 are written by Python's module: python3, or the interpreter that LINKSPAN_PYTHON names, has `pip install linkspan[recording]`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  linkspan recording export run42.mcap lab/temperature --csv > temperature.csv
  linkspan recording export run42.mcap --csv -o tables/
  linkspan recording export run42.mcap 'lab/*' --jsonl > run42.jsonl
  linkspan recording export run42.mcap lab/temperature --parquet -o temperature.parquet
  linkspan recording export run42.mcap --hdf5 -o run42.h5")]
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
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Form {
    /// A table a name: a line a message, a column a field that is a number, a text or a time
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
}

impl Form {
    /// The word of the option, which is the ending of its files.
    fn word(&self) -> &'static str {
        match self {
            Form { parquet: true, .. } => "parquet",
            Form { arrow: true, .. } => "arrow",
            Form { hdf5: true, .. } => "hdf5",
            Form { jsonl: true, .. } => "jsonl",
            Form { .. } => "csv",
        }
    }
}

/// Columns of a table at most: a field a column, and arrays have none.
const MAX_COLUMNS: usize = 4_096;

/// Exports it.
pub fn run(arguments: &Arguments) -> Result<()> {
    let form = &arguments.form;
    let outline = Outline::read(&arguments.file)?;
    arguments.choice.check(&outline.names)?;
    let begin = outline.time.map_or(0, |(begin, _)| begin);
    let window = arguments.choice.window(begin);
    let topics: Vec<_> = outline.names.into_iter().filter(|topic| window.has_name(topic)).collect();
    let mut faults = Faults::default();
    let output = arguments.output.as_deref();
    let mut write = |topics: &[String], path: Option<&Path>| match (form.word(), path) {
        ("jsonl", _) => {
            let mut out = writer(path)?;
            each(arguments, begin, |message| {
                let value = faults.value(message)?;
                value.map_or(Ok(()), |value| line(message, value, &mut out, path))
            })?;
            finish(out, path)
        }
        ("csv", _) => topics.iter().try_for_each(|topic| table(arguments, begin, topic, path, &mut faults)),
        (form, Some(path)) => by_python(form, arguments, &window, topics, path),
        (form, None) => {
            Err(Error::new(ErrorKind::InvalidState, format!("--{form} writes a file: name it with -o")))
        }
    };
    match (&topics[..], output) {
        (_, output) if form.jsonl || form.hdf5 => write(&topics, output)?,
        ([_], output) => write(&topics, output)?,
        (several, Some(folder)) => {
            std::fs::create_dir_all(folder).map_err(|error| of_io(&error, "making the folder", folder))?;
            for topic in several {
                let path = folder.join(format!("{}.{}", topic.replace('/', "-"), form.word()));
                write(std::slice::from_ref(topic), Some(&path))?;
            }
        }
        (several, None) => {
            let text = format!(
                "--{} writes a table a name, and these are {}: choose one, or name a folder with -o",
                form.word(),
                several.len()
            );
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
    }
    faults.result(&arguments.file)
}

/// Has Python's module write a file.
fn by_python(
    form: &str,
    arguments: &Arguments,
    window: &Window<'_>,
    topics: &[String],
    path: &Path,
) -> Result<()> {
    let python = std::env::var_os("LINKSPAN_PYTHON").unwrap_or_else(|| "python3".into());
    let shown = python.to_string_lossy().into_owned();
    let (from, to) = window.times();
    let done = Command::new(&python)
        .args(["-m", "linkspan._export", form])
        .args([&arguments.file, path])
        .args([from.to_string(), to.to_string()])
        .args(topics)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| of_io(&error, "starting", Path::new(&python)))?;
    if done.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    let has_module = !text.contains("No module named");
    let remedy = if has_module {
        ""
    } else {
        "; it needs `pip install linkspan[recording]`, and LINKSPAN_PYTHON may name another interpreter"
    };
    Err(Error::new(ErrorKind::Unsupported, format!("--{form} by {shown}: {text}{remedy}")))
}

/// What could not be written.
#[derive(Default)]
struct Faults(u64);

impl Faults {
    /// Decodes a message; `None` where it cannot be, which is said.
    fn value(&mut self, message: &reader::Message<'_>) -> Result<Option<Value>> {
        let decoded = match message.channel.encoding() {
            Some(encoding) => codec::decode(message.body, encoding),
            None => Err(Error::new(
                ErrorKind::Unsupported,
                format!("the encoding {} is not known", message.channel.encoding),
            )),
        };
        match decoded {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.0 += 1;
                stderr::print_line(&format!(
                    "message {} of {}: {error}",
                    message.number, message.channel.topic
                ));
                Ok(None)
            }
        }
    }

    fn result(&self, file: &Path) -> Result<()> {
        if self.0 == 0 {
            return Ok(());
        }
        let what = crate::record::counted(self.0, "message");
        Err(Error::new(ErrorKind::Malformed, format!("{} of {} could not be written", what, file.display())))
    }
}

/// Calls `what` with each message that is chosen, in the order of the file.
fn each(
    arguments: &Arguments,
    begin: u64,
    mut what: impl FnMut(&reader::Message<'_>) -> Result<()>,
) -> Result<()> {
    let window = arguments.choice.window(begin);
    let mut reader = open(&arguments.file)?;
    while let Some(entry) = reader.read()? {
        match entry {
            Entry::Event(event) => window.note(&event),
            Entry::Message(message)
                if !message.channel.repeated
                    && window.has_name(&message.channel.topic)
                    && window.place(message.received).is_eq() =>
            {
                what(&message)?;
            }
            _ => {}
        }
    }
    reader.problems().iter().for_each(|problem| stderr::print_line(&problem.to_string()));
    Ok(())
}

type Out = BufWriter<Box<dyn Write>>;

fn writer(path: Option<&Path>) -> Result<Out> {
    let out: Box<dyn Write> = match path {
        Some(path) => Box::new(File::create(path).map_err(|error| of_io(&error, "creating", path))?),
        None => Box::new(io::stdout()),
    };
    Ok(BufWriter::new(out))
}

/// Writes; a reader of the output that has ended ends this as well, without an error.
fn put(out: &mut Out, bytes: &[u8], path: Option<&Path>) -> Result<()> {
    out.write_all(bytes).map_err(|error| written(&error, path))
}

fn finish(mut out: Out, path: Option<&Path>) -> Result<()> {
    out.flush().map_err(|error| written(&error, path))
}

fn written(error: &io::Error, path: Option<&Path>) -> Error {
    of_io(error, "writing", path.unwrap_or(Path::new("the standard output")))
}

/// A line of JSON with the message and what is known of it.
fn line(message: &reader::Message<'_>, value: Value, out: &mut Out, path: Option<&Path>) -> Result<()> {
    let mut map = Map::new();
    map.insert("name".into(), message.channel.topic.as_str().into());
    map.insert("sequence".into(), message.number.into());
    map.insert("incarnation".into(), format!("{:016x}", message.channel.incarnation).into());
    map.insert("source".into(), message.channel.source.as_str().into());
    map.insert("sent".into(), shown(message.sent).into());
    map.insert("received".into(), shown(message.received).into());
    map.insert("value".into(), value);
    let line = Payload::new(&Value::Map(map), Encoding::Json, &Limits::default())?;
    put(out, line.body(), path)?;
    put(out, b"\n", path)
}

/// Writes the table of one name: one pass for its columns, one for its lines.
fn table(
    arguments: &Arguments,
    begin: u64,
    topic: &str,
    path: Option<&Path>,
    faults: &mut Faults,
) -> Result<()> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut order = Vec::new();
    each(arguments, begin, |message| {
        if message.channel.topic == topic
            && let Some(encoding) = message.channel.encoding()
            && let Ok(value) = codec::decode(message.body, encoding)
        {
            columns::flatten(&value, &mut String::new(), &mut |path, value| {
                if !places.contains_key(path) && places.len() < MAX_COLUMNS && text(value).is_some() {
                    places.insert(path.to_owned(), places.len());
                    order.push(path.to_owned());
                }
                Ok(())
            })?;
        }
        Ok(())
    })?;
    let mut out = writer(path)?;
    let fixed = columns::FIXED.map(str::to_owned).into_iter();
    let heads = fixed.chain(order.iter().map(|path| cell(&columns::name_of(path))));
    put(&mut out, heads.collect::<Vec<_>>().join(",").as_bytes(), path)?;
    put(&mut out, b"\n", path)?;
    each(arguments, begin, |message| {
        if message.channel.topic != topic {
            return Ok(());
        }
        let Some(value) = faults.value(message)? else { return Ok(()) };
        let mut cells = vec![String::new(); order.len()];
        columns::flatten(&value, &mut String::new(), &mut |path, value| {
            if let (Some(text), Some(at)) = (text(value), places.get(path))
                && let Some(place) = cells.get_mut(*at)
            {
                *place = cell(&text);
            }
            Ok(())
        })?;
        let fixed = [
            shown(message.received),
            shown(message.sent),
            message.number.to_string(),
            cell(&message.channel.source),
        ];
        let line: Vec<_> = fixed.into_iter().chain(cells).collect();
        put(&mut out, line.join(",").as_bytes(), path)?;
        put(&mut out, b"\n", path)
    })?;
    finish(out, path)
}

/// The text of a field that fits into a cell; none for arrays, lists and bytes.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(is) => Some(is.to_string()),
        Value::Int(i) => Some(i.to_string()),
        Value::Uint(u) => Some(u.to_string()),
        Value::Float(x) => Some(x.to_string()),
        Value::Text(text) => Some(text.clone()),
        Value::Timestamp(time) => Some(time.to_string()),
        Value::Decimal(number) => Some(number.to_string()),
        Value::BigInt(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A cell as RFC 4180 quotes it. A text that a spreadsheet would take for a formula stays a text.
fn cell(text: &str) -> String {
    let is_number = text.parse::<f64>().is_ok();
    let guarded = if !is_number && text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if guarded.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}
