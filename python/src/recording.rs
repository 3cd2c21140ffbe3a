//! Recordings: messages in order, events, summaries and tables.

use std::collections::HashSet;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use bytes::Bytes;
use linkspan::fork::OfProcess;
use linkspan::{
    Body, Deadline, Encoding, Error, ErrorKind, Message as Arrived, RecordedOrigin, Timeout, Timestamp,
    registry,
};
use linkspan_recording::columns::{BATCH, LOOKED_AT, Tables};
use linkspan_recording::reader::{ByNotation, Limits, Message as Read, fingerprint};
use linkspan_recording::{Columns, Entry, Instant, Outline, Reader, Summary, Within, files, parts};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::arguments::{FilePath, Follow, MaxMessageSize, Mode, RecordedNames, Replace, Rows};
use crate::arrow::Table;
use crate::builder::Builder;
use crate::errors::Outcome;
use crate::made;
use crate::message::{Message, object};
use crate::timestamp;
use crate::wait::{Patience, waiting};

/// A message of a recording, with the time of its reception.
#[pyclass(frozen, extends = Message, module = "linkspan")]
pub struct RecordedMessage {
    received: Timestamp,
}

#[pymethods]
impl RecordedMessage {
    /// The time of reception, by the clock of the recorder's machine.
    #[getter]
    fn received<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        timestamp::object(py, self.received)
    }

    fn __repr__(this: PyRef<'_, Self>) -> Outcome<String> {
        this.as_super().shown_as(this.py(), "RecordedMessage")
    }
}

/// Shorter bodies are copied, so that a kept message does not keep its whole chunk.
const COPIED: usize = 4096;

/// If the encoding is unknown, the bytes are the value.
fn message(read: &Read<'_>, schema: Option<[u8; 32]>, limits: Limits) -> (Arrived, Timestamp) {
    let body = if read.body.len() < COPIED { Bytes::copy_from_slice(read.body) } else { read.body.clone() };
    let time = |time: u64| Timestamp(i64::try_from(time).unwrap_or(i64::MAX));
    let origin = RecordedOrigin {
        name: Arc::from(&*read.channel.topic),
        source: Arc::from(&*read.channel.source),
        incarnation: read.channel.incarnation,
        sequence: read.number,
        sent: time(read.sent),
        encoding: read.channel.encoding().unwrap_or(Encoding::Raw),
        schema,
    };
    (Arrived::recorded(body, origin, limits.message), time(read.received))
}

struct Choice {
    names: Names,
    /// The unchanged times. Each pass copies them and follows the clock of the recording.
    within: Within,
    limits: Limits,
}

struct Pass {
    reader: Reader,
    within: Within,
}

/// A time in nanoseconds: since 1970, or, in a tuple, since the start of the recording.
#[derive(FromPyObject)]
pub enum Place {
    At(u64),
    After((u64,)),
}

impl From<Place> for Instant {
    fn from(place: Place) -> Instant {
        match place {
            Place::At(time) => Instant::At(time),
            Place::After((time,)) => Instant::After(time),
        }
    }
}

fn within(begin: Place, end: Place) -> Within {
    Within::new(Some(begin.into()), Some(end.into()))
}

/// The defaults of channels without a size.
fn limits(max_message_size: Option<MaxMessageSize>) -> Limits {
    max_message_size.map_or_else(Limits::default, |most| Limits::of_messages(most.0))
}

enum Names {
    All,
    /// Exact names of the recording, never read as patterns.
    These(HashSet<String>),
    /// Names and patterns, also for names that appear later.
    Matching(Vec<String>),
}

impl Choice {
    fn of(names: Vec<String>, within: Within, max_message_size: Option<MaxMessageSize>) -> Choice {
        let names = Names::These(names.into_iter().collect());
        Choice { names, within, limits: limits(max_message_size) }
    }

    fn open(&self, path: &Path) -> linkspan::Result<Pass> {
        let reader = Reader::with_limits(path, self.limits)?;
        let (from, to) = self.within.certain_times();
        let reader = if (from, to) == (0, u64::MAX) { reader } else { reader.within(from, to)? };
        Ok(self.pass(reader))
    }

    fn pass(&self, reader: Reader) -> Pass {
        Pass { reader, within: self.within.anew() }
    }

    /// Adds messages up to a number of rows or bytes, or to the end; returns the number of rows.
    fn fill(
        &self,
        pass: &mut Pass,
        columns: &mut Columns,
        rows: usize,
        bytes: u64,
    ) -> linkspan::Result<usize> {
        while columns.rows() < rows
            && (columns.rows() == 0 || columns.held() < bytes)
            && let Some(entry) = pass.reader.read()?
        {
            if self.has(&mut pass.within, &entry)
                && let Entry::Message(read) = entry
            {
                columns.add(&read)?;
            }
        }
        Ok(columns.rows())
    }

    /// Whether an entry is a selected message. Call it with each entry, because events adjust the times.
    fn has(&self, within: &mut Within, entry: &Entry<'_>) -> bool {
        let message = match entry {
            Entry::Message(message) if !message.channel.repeated => message,
            Entry::Event(event) => {
                within.note(event);
                return false;
            }
            _ => return false,
        };
        let topic = &message.channel.topic;
        let has_name = || match &self.names {
            Names::All => true,
            Names::These(names) => names.contains(topic),
            Names::Matching(patterns) => patterns.iter().any(|name| registry::matches(name, topic)),
        };
        within.place(message.received).is_eq() && has_name()
    }
}

/// State for one thread at a time, in the process that made it.
///
/// A forked child is refused before the lock, which a thread of the parent may hold, and leaks the state.
struct Exclusive<T>(OfProcess<Mutex<T>>);

impl<T> Exclusive<T> {
    fn new(state: T) -> Exclusive<T> {
        Exclusive(OfProcess::new(Mutex::new(state)))
    }

    /// Fails with `InvalidState` in a forked child.
    fn lock(&self) -> linkspan::Result<MutexGuard<'_, T>> {
        OfProcess::born(&self.0).check()?;
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns `None` if another thread holds the state, or in a forked child.
    fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        if !OfProcess::born(&self.0).is_here() {
            return None;
        }
        match self.0.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(state)) => Some(state.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// Reads the messages of a recording in order.
#[pyclass(frozen, module = "linkspan")]
pub struct RecordingReader {
    pass: Exclusive<Pass>,
    fingerprints: Exclusive<ByNotation<Option<[u8; 32]>>>,
    choice: Choice,
    patience: Timeout,
    path: PathBuf,
}

#[pymethods]
impl RecordingReader {
    /// Selects messages by name (all for an empty list, patterns with `follow`) and time of reception.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are keywords")]
    #[pyo3(signature = (path, names, begin, end, follow=Follow(false), timeout=Patience::of(Timeout::Forever), max_message_size=None))]
    fn open(
        py: Python<'_>,
        path: FilePath,
        names: RecordedNames,
        begin: Place,
        end: Place,
        follow: Follow,
        timeout: Patience,
        max_message_size: Option<MaxMessageSize>,
    ) -> Outcome<RecordingReader> {
        let is_followed = follow.0;
        let names = match names.0 {
            names if names.is_empty() => Names::All,
            names if is_followed => Names::Matching(names),
            names => Names::These(names.into_iter().collect()),
        };
        let choice = Choice { names, within: within(begin, end), limits: limits(max_message_size) };
        let follow = |path: &Path| Ok(choice.pass(Reader::follow(path, choice.limits)?));
        let pass = py.detach(|| if is_followed { follow(&path) } else { choice.open(&path) })?;
        Ok(RecordingReader {
            pass: Exclusive::new(pass),
            fingerprints: Exclusive::new(ByNotation::default()),
            choice,
            patience: timeout.timeout,
            path: path.to_path_buf(),
        })
    }

    const fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> Outcome<Option<Py<RecordedMessage>>> {
        let deadline = match self.patience {
            Timeout::After(duration) => Deadline::after(duration),
            _ => Deadline::NEVER,
        };
        loop {
            let (found, has_ended) = py.detach(|| -> linkspan::Result<_> {
                let mut pass = self.pass.lock()?;
                let Pass { reader, within } = &mut *pass;
                while let Some(entry) = reader.read()? {
                    if self.choice.has(within, &entry)
                        && let Entry::Message(read) = entry
                    {
                        let mut known = self.fingerprints.lock()?;
                        let schema = known.of(read.channel, fingerprint).copied().flatten();
                        return Ok((Some(message(&read, schema, self.choice.limits)), false));
                    }
                }
                Ok((None, reader.has_ended()))
            })?;
            if let Some((arrived, received)) = found {
                let made = PyClassInitializer::from(Message::new(arrived))
                    .add_subclass(RecordedMessage { received });
                return Ok(Some(Py::new(py, made)?));
            }
            if has_ended {
                return Ok(None);
            }
            let left = deadline.remaining().map_or(Timeout::Forever, Timeout::After);
            let goes_on = waiting(py, Patience::of(left), None, |wait| self.pass.lock()?.reader.wait(wait))?;
            if !goes_on {
                let text =
                    "no further message was recorded in time; its recorder has not ended the recording";
                return Err(Error::new(ErrorKind::Timeout, text).into());
            }
        }
    }

    /// The problems found in the files so far.
    #[getter]
    fn problems(&self) -> Outcome<Vec<String>> {
        let pass = self.pass.lock()?;
        Ok(pass.reader.problems().iter().map(ToString::to_string).collect())
    }

    /// Shows the position without waiting for another thread.
    fn __repr__(&self) -> String {
        let path = |path: &Path| linkspan::one_line(&path.to_string_lossy()).to_string();
        let state = match self.pass.try_lock() {
            Some(pass) => match pass.reader.place() {
                Some((part, offset)) => format!("at byte {offset} of {}", path(part)),
                None => format!("at the end of {}", path(&self.path)),
            },
            None => format!("of {}, which another thread or the parent process reads", path(&self.path)),
        };
        format!("<linkspan.RecordingReader {state}>")
    }
}

/// Returns the names that equal or match a pattern; all without patterns.
///
/// A pattern that equals a name matches only that name.
#[pyfunction]
pub fn matching_names(names: RecordedNames, patterns: RecordedNames) -> Vec<String> {
    let (names, patterns) = (names.0, patterns.0);
    if patterns.is_empty() {
        return names;
    }
    let known: HashSet<&str> = names.iter().map(String::as_str).collect();
    let (exact, patterns): (HashSet<String>, Vec<String>) = {
        let (exact, others): (Vec<_>, Vec<_>) =
            patterns.into_iter().partition(|name| known.contains(&**name));
        (exact.into_iter().collect(), others)
    };
    let fits = |name: &String| {
        exact.contains(name) || patterns.iter().any(|pattern| registry::matches(pattern, name))
    };
    names.into_iter().filter(fits).collect()
}

/// Returns text of another program as one line, without control characters.
#[pyfunction]
pub fn one_line(text: &str) -> String {
    linkspan::one_line(text).to_string()
}

/// Raises a system error of Python's modules as an error of the core.
#[pyfunction]
pub fn fail_by_system(doing: &str, errno: i32) -> Outcome<()> {
    Err(linkspan::Error::os(doing, errno).into())
}

/// A new file that gets its name when it is complete. Dropping it earlier leaves nothing.
#[pyclass(frozen, module = "linkspan")]
pub struct NewFile(Exclusive<Option<files::NewFile>>);

#[pymethods]
impl NewFile {
    /// Creates the file; `AddressInUse` for an existing name, except a regular file with `replace`.
    #[new]
    fn create(py: Python<'_>, path: FilePath, replace: Replace, mode: Option<Mode>) -> Outcome<NewFile> {
        NewFile::made(py, &path, replace, mode, files::NewFile::create)
    }

    /// Like the constructor, for a file in a named folder, which must not be a link.
    #[staticmethod]
    fn within(py: Python<'_>, path: FilePath, replace: Replace, mode: Option<Mode>) -> Outcome<NewFile> {
        NewFile::made(py, &path, replace, mode, files::NewFile::create_within)
    }

    /// Returns the file descriptor.
    fn fileno(&self) -> Outcome<i32> {
        let new = self.0.lock()?;
        let new = new.as_ref().ok_or_else(finished)?;
        Ok(new.file().as_raw_fd())
    }

    /// Waits until the contents are on the disk.
    fn sync(&self, py: Python<'_>) -> Outcome<()> {
        Ok(py.detach(|| {
            let new = self.0.lock()?;
            new.as_ref().ok_or_else(finished)?.sync()
        })?)
    }

    /// Syncs the file and gives it its name.
    fn finish(&self, py: Python<'_>) -> Outcome<()> {
        let new = self.0.lock()?.take();
        Ok(py.detach(|| new.ok_or_else(finished)?.finish())?)
    }
}

impl NewFile {
    fn made(
        py: Python<'_>,
        path: &Path,
        replace: Replace,
        mode: Option<Mode>,
        make: fn(&Path, files::Making) -> linkspan::Result<files::NewFile>,
    ) -> Outcome<NewFile> {
        let making = files::Making { replaces: replace.0, mode: mode.map(|mode| mode.0) };
        let new = py.detach(|| make(path, making))?;
        Ok(NewFile(Exclusive::new(Some(new))))
    }
}

fn finished() -> Error {
    Error::new(ErrorKind::InvalidState, "the file was finished")
}

/// Returns the names in a recording, also of missed messages, and the damage found.
///
/// Messages of closed parts are not read.
#[pyfunction]
#[pyo3(signature = (path, max_message_size=None))]
pub fn recording_outline(
    py: Python<'_>,
    path: FilePath,
    max_message_size: Option<MaxMessageSize>,
) -> Outcome<(Vec<String>, Vec<String>)> {
    let outline = py.detach(|| Outline::with_limits(&path, limits(max_message_size)))?;
    let damage = outline.problems.iter().filter(|problem| problem.is_loss()).map(ToString::to_string);
    let damage = damage.collect();
    Ok((outline.names.union(&outline.lacking).cloned().collect(), damage))
}

/// The value of a summary, and pairs of name and schema. Equal schemas share one text object.
type Described<'py> = (Bound<'py, PyAny>, Vec<(String, Bound<'py, PyString>)>);

/// Returns the summary of a recording, and each name's newest schema as text.
#[pyfunction]
#[pyo3(signature = (path, max_message_size=None))]
pub fn recording_summary(
    py: Python<'_>,
    path: FilePath,
    max_message_size: Option<MaxMessageSize>,
) -> Outcome<Described<'_>> {
    let (value, described) = py.detach(|| -> linkspan::Result<_> {
        let mut reader = Reader::with_limits(&path, limits(max_message_size))?;
        let summary = Summary::read(&mut reader)?;
        let files: Vec<_> = parts::existing(&path).into_iter().map(|part| part.path).collect();
        let value = summary.to_value(reader.problems(), &files);
        let described =
            summary.names.into_iter().filter_map(|(topic, name)| Some((topic, name.described_by?)));
        Ok((value, described.collect::<Vec<_>>()))
    })?;
    let mut texts = ByNotation::default();
    let schemas = described.into_iter().filter_map(|(topic, channel)| {
        let text = texts.of(&channel, |text| Ok(made::text(py, text)?))?;
        Some(text.clone().map(|text| (topic, text)))
    });
    let schemas = schemas.collect::<linkspan::Result<_>>()?;
    Ok((object(&value, Builder::sharing(py, Body::default()))?, schemas))
}

/// Returns the events of a recording as dicts, in file order.
#[pyfunction]
#[pyo3(signature = (path, max_message_size=None))]
pub fn recording_events(
    py: Python<'_>,
    path: FilePath,
    max_message_size: Option<MaxMessageSize>,
) -> Outcome<Vec<Bound<'_, PyAny>>> {
    let values = py.detach(|| -> linkspan::Result<_> {
        let mut reader = Reader::with_limits(&path, limits(max_message_size))?;
        let (mut values, mut held, most) = (Vec::new(), 0u64, reader.room().held);
        while let Some(entry) = reader.read()? {
            if let Entry::Event(event) = entry {
                let json = event.to_json()?;
                held = held.saturating_add(EVENT).saturating_add(json.len() as u64);
                if held > most {
                    let text = format!(
                        "the events would take more than the {most} bytes that there are for a recording of this size; give a larger max_message_size"
                    );
                    return Err(Error::new(ErrorKind::TooLarge, text));
                }
                values.push(linkspan::codec::decode(&json, Encoding::Json)?);
            }
        }
        Ok(values)
    })?;
    values.iter().map(|value| object(value, Builder::sharing(py, Body::default()))).collect()
}

/// The approximate size of an event in bytes, without its text.
const EVENT: u64 = 1_024;

fn columns(of_several_names: bool, choice: &Choice) -> Columns {
    let columns = if of_several_names { Columns::of_several_names() } else { Columns::default() };
    columns.of_messages(choice.limits.message)
}

/// Returns a table of the messages with these names and reception times.
///
/// A table of several names has a column `name`.
#[pyfunction]
#[pyo3(signature = (path, names, begin, end, of_several_names, max_message_size=None))]
pub fn recording_table(
    py: Python<'_>,
    path: FilePath,
    names: RecordedNames,
    begin: Place,
    end: Place,
    of_several_names: bool,
    max_message_size: Option<MaxMessageSize>,
) -> Outcome<Table> {
    let choice = Choice::of(names.0, within(begin, end), max_message_size);
    Ok(py.detach(|| -> linkspan::Result<_> {
        let mut pass = choice.open(&path)?;
        let mut columns = columns(of_several_names, &choice).within(pass.reader.room());
        let rows = choice.fill(&mut pass, &mut columns, usize::MAX, u64::MAX)?;
        Ok(Table::new(columns.take(), rows))
    })?)
}

/// Tables with a fixed number of rows and equal columns, found in a first pass. Memory stays bounded.
#[pyclass(frozen, module = "linkspan")]
pub struct RecordingTables {
    state: Exclusive<(Pass, Columns)>,
    choice: Choice,
    rows: usize,
    path: PathBuf,
}

#[pymethods]
impl RecordingTables {
    #[new]
    #[pyo3(signature = (path, names, begin, end, rows, of_several_names, max_message_size=None))]
    #[allow(clippy::too_many_arguments, reason = "the arguments of a constructor in Python")]
    fn open(
        py: Python<'_>,
        path: FilePath,
        names: RecordedNames,
        begin: Place,
        end: Place,
        rows: Rows,
        of_several_names: bool,
        max_message_size: Option<MaxMessageSize>,
    ) -> Outcome<RecordingTables> {
        let rows = rows.0;
        let choice = Choice::of(names.0, within(begin, end), max_message_size);
        let state = py.detach(|| -> linkspan::Result<_> {
            let (mut pass, mut columns) = (choice.open(&path)?, columns(of_several_names, &choice));
            while choice.fill(&mut pass, &mut columns, LOOKED_AT, BATCH)? > 0 {
                columns.take();
                columns.check_blank(pass.reader.room())?;
            }
            Ok((choice.open(&path)?, columns))
        })?;
        Ok(RecordingTables { state: Exclusive::new(state), choice, rows, path: path.to_path_buf() })
    }

    const fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> Outcome<Option<Table>> {
        Ok(py.detach(|| -> linkspan::Result<_> {
            let mut state = self.state.lock()?;
            let (pass, columns) = &mut *state;
            let rows = self.choice.fill(pass, columns, self.rows, BATCH)?;
            Ok((rows > 0).then(|| Table::new(columns.take(), rows)))
        })?)
    }

    fn __repr__(&self) -> String {
        format!(
            "<linkspan.RecordingTables of {}, {} rows each>",
            linkspan::one_line(&self.path.to_string_lossy()),
            self.rows
        )
    }
}

/// The tables of many names, with columns found in a first pass.
///
/// Each group of chosen names takes one more pass.
#[pyclass(frozen, module = "linkspan")]
pub struct TablesOfNames {
    state: Exclusive<(Tables, Option<Pass>, HashSet<String>)>,
    choice: Choice,
    path: PathBuf,
}

#[pymethods]
impl TablesOfNames {
    #[new]
    #[pyo3(signature = (path, names, begin, end, max_message_size=None))]
    fn open(
        py: Python<'_>,
        path: FilePath,
        names: RecordedNames,
        begin: Place,
        end: Place,
        max_message_size: Option<MaxMessageSize>,
    ) -> Outcome<TablesOfNames> {
        let choice = Choice::of(names.0.clone(), within(begin, end), max_message_size);
        let tables = py.detach(|| {
            let Pass { mut reader, mut within } = choice.open(&path)?;
            Tables::find(&mut reader, names.0, |entry| choice.has(&mut within, entry))
        })?;
        Ok(TablesOfNames {
            state: Exclusive::new((tables, None, HashSet::new())),
            choice,
            path: path.to_path_buf(),
        })
    }

    /// Raises the reason if a name has no table.
    fn check(&self, name: &str) -> Outcome<()> {
        let state = self.state.lock()?;
        state.0.refused(name).map_or(Ok(()), |error| Err(error.clone().into()))
    }

    /// Returns the number of messages that the table of a name lacks.
    fn left_out(&self, name: &str) -> Outcome<u64> {
        let state = self.state.lock()?;
        Ok(state.0.left_out(name).map_or(0, |(count, _)| count))
    }

    /// Raises the reason for the first message that the table lacks, if any.
    fn check_whole(&self, name: &str) -> Outcome<()> {
        let state = self.state.lock()?;
        state.0.left_out(name).map_or(Ok(()), |(_, error)| Err(error.clone().into()))
    }

    /// Starts a pass over the tables of these names.
    fn choose(&self, py: Python<'_>, names: RecordedNames) -> Outcome<()> {
        Ok(py.detach(|| -> linkspan::Result<_> {
            let mut state = self.state.lock()?;
            state.0.restart();
            state.1 = Some(self.choice.open(&self.path)?);
            state.2 = names.0.into_iter().collect();
            Ok(())
        })?)
    }

    const fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    /// Returns the next batch of a chosen name.
    fn __next__(&self, py: Python<'_>) -> Outcome<Option<(String, Table)>> {
        Ok(py.detach(|| -> linkspan::Result<_> {
            let mut state = self.state.lock()?;
            let (tables, Some(pass), chosen) = &mut *state else { return Ok(None) };
            let Pass { reader, within } = pass;
            let is_chosen = |entry: &Entry<'_>| {
                self.choice.has(within, entry)
                    && matches!(entry, Entry::Message(message) if chosen.contains(&message.channel.topic))
            };
            let batch = tables.next(reader, is_chosen)?;
            Ok(batch.map(|(name, columns, rows)| (name, Table::new(columns, rows))))
        })?)
    }

    fn __repr__(&self) -> String {
        format!("<linkspan.TablesOfNames of {}>", linkspan::one_line(&self.path.to_string_lossy()))
    }
}
