//! The options of an export, the pass over the recording, and the output.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use linkspan::{Encoding, Error, ErrorKind, Limits, Payload, Result, Value, several_lines};
use linkspan_recording::files::{NewFile, of_io};
use linkspan_recording::reader;

use crate::tools::choice::Choice;
use crate::tools::faults::Faults;
use crate::tools::opening::{Output, max_message_size, open};
use crate::tools::progress::Progress;

/// Write the messages of a recording for other programs
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The exit code is 1 if a message cannot be written or the recording is damaged; all others are written.
--parquet, --arrow and --hdf5 need `pip install linkspan[recording]` for python3 or LINKSPAN_PYTHON.
More in docs/tutorials/recording.md.

Examples:
  linkspan recording export run42.mcap lab/temperature --csv > temperature.csv
  linkspan recording export run42.mcap --hdf5 -o run42.h5"
)]
pub struct Arguments {
    /// First file of the recording; later parts are found
    pub file: PathBuf,
    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub form: Form,
    /// File, or folder for the tables of several names
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub how: Output,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Form {
    /// CSV: a table per name, a column per field; arrays, lists and bytes as JSON
    #[arg(long)]
    pub csv: bool,
    /// JSON: a line per message
    #[arg(long)]
    pub jsonl: bool,
    /// Apache Parquet: a table per name
    #[arg(long, requires = "output")]
    pub parquet: bool,
    /// Apache Arrow: a table per name
    #[arg(long, requires = "output")]
    pub arrow: bool,
    /// HDF5: a group per name, a data set per field
    #[arg(long, requires = "output")]
    pub hdf5: bool,
    /// MCAP in CDR for Lichtblick, Foxglove, PlotJuggler, Rerun and ROS 2
    #[arg(long, requires = "output")]
    pub ros2: bool,
}

impl Form {
    pub fn word(&self) -> &'static str {
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

/// The name of a table, and its file; `None` for standard output.
pub struct Table {
    pub topic: String,
    pub path: Option<PathBuf>,
    /// Whether the given folder has several tables.
    pub is_in_folder: bool,
}

/// Calls `what` with each selected message, in file order.
///
/// # Errors
/// Errors of `what`; `NotFound` if the selection is empty.
pub fn each(
    arguments: &Arguments,
    begin: u64,
    faults: &mut Faults,
    mut what: impl FnMut(&reader::Message<'_>, &mut Faults) -> Result<()>,
) -> Result<()> {
    // Each pass needs its own window, which follows the clock of the recording.
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
    // Damage may hide the requested messages.
    let found = window.require(messages, &[&arguments.file]);
    found.or_else(|none| faults.result(&arguments.file).and(Err(none)))
}

/// Returns the progress of the export, hidden while a terminal shows the messages.
pub fn progress(arguments: &Arguments) -> Progress {
    let mut progress = Progress::of("export");
    if arguments.output.is_none() && io::stdout().is_terminal() {
        progress.hide();
    }
    progress
}

/// The output: a file, which gets its name when it is complete, or standard output.
pub struct Out {
    pub file: Option<NewFile>,
    /// Whether a terminal shows the output, which would interpret control characters.
    is_shown: bool,
    buffer: Vec<u8>,
}

const BUFFER: usize = 64 << 10;

impl Out {
    pub fn create(arguments: &Arguments, path: Option<&Path>, is_in_folder: bool) -> Result<Out> {
        let make = if is_in_folder { NewFile::create_within } else { NewFile::create };
        let file =
            path.map(|path| make(path, arguments.how.making(path, &[&arguments.file])?)).transpose()?;
        let is_shown = file.is_none() && io::stdout().is_terminal();
        Ok(Out { file, is_shown, buffer: Vec::new() })
    }

    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        if self.is_shown {
            self.buffer.extend_from_slice(several_lines(&String::from_utf8_lossy(bytes)).as_bytes());
        } else if bytes.len() < BUFFER {
            self.buffer.extend_from_slice(bytes);
        } else {
            // A long text is written without a copy.
            self.flush()?;
            return self.write(bytes);
        }
        if self.buffer.len() < BUFFER { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<()> {
        let written = self.write(&self.buffer);
        self.buffer.clear();
        written
    }

    fn write(&self, bytes: &[u8]) -> Result<()> {
        match &self.file {
            Some(file) => file.file().write_all(bytes).map_err(|error| of_io(&error, "writing", file.path())),
            // A reader that closes the output ends the export without an error.
            None => io::stdout()
                .write_all(bytes)
                .and_then(|()| io::stdout().flush())
                .map_err(|error| of_io(&error, "writing", Path::new("the standard output"))),
        }
    }

    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.file.map_or(Ok(()), NewFile::finish)
    }
}

/// Limits the bytes of names and publishers in the output. A recording has them once per channel, but each line repeats
/// them.
pub struct Beside {
    most: u64,
    taken: u64,
}

/// Bytes per line that are not counted.
const USUAL: usize = 64;

impl Beside {
    pub fn of(arguments: &Arguments) -> Result<Beside> {
        Ok(Beside { most: open(&arguments.file)?.room().blank, taken: 0 })
    }

    /// Counts the names and publishers of a line.
    ///
    /// # Errors
    /// `TooLarge` beyond the limit.
    pub fn take(&mut self, topic: &str, bytes: usize) -> Result<()> {
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

/// The approximate most bytes of JSON per byte of a message: a control character becomes six.
const JSON_OF_A_BYTE: u64 = 8;

/// Values of a line in addition to its message, including the map.
const LINE: u64 = 7;

/// Encodes a decoded value as JSON, which is longer than the original.
pub fn json(value: &Value) -> Result<Payload> {
    let longest = max_message_size().unwrap_or(Limits::default().message);
    let mut limits = Limits::for_message(longest.saturating_mul(JSON_OF_A_BYTE));
    // The line's map contains the value and its metadata.
    limits.depth = limits.depth.saturating_add(1);
    limits.nodes = limits.nodes.saturating_add(LINE);
    Payload::new(value, Encoding::Json, &limits)
}
