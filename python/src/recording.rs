//! Recordings: reading messages one after the other, events, what a recording has, tables.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use linkspan::{
    Body, Deadline, Encoding, Error, ErrorKind, Message as Arrived, RecordedOrigin, Timeout, Timestamp,
    registry,
};
use linkspan_recording::reader::Message as Read;
use linkspan_recording::{Columns, Entry, Outline, Reader, Summary, parts};
use pyo3::prelude::*;

use crate::arrow::Table;
use crate::builder::Builder;
use crate::errors::Outcome;
use crate::message::{Message, object};
use crate::timestamp;
use crate::wait::{Patience, waiting};

/// A message of a recording: a message, and when it was received.
#[pyclass(frozen, extends = Message, module = "linkspan")]
pub struct RecordedMessage {
    received: Timestamp,
}

#[pymethods]
impl RecordedMessage {
    /// When the recorder received it, by the clock of its machine.
    #[getter]
    fn received<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        timestamp::object(py, self.received)
    }
}

/// Shorter bodies are copied, so that a message that a program keeps does not keep the whole chunk.
const COPIED: usize = 4096;

/// Makes a message of what was read. One whose encoding is not known has its bytes as its value.
fn message(read: &Read<'_>) -> (Arrived, Timestamp) {
    let body = if read.body.len() < COPIED { Bytes::copy_from_slice(read.body) } else { read.body.clone() };
    let time = |time: u64| Timestamp(i64::try_from(time).unwrap_or(i64::MAX));
    let origin = RecordedOrigin {
        name: Arc::from(&*read.channel.topic),
        source: Arc::from(&*read.channel.source),
        incarnation: read.channel.incarnation,
        sequence: read.number,
        sent: time(read.sent),
        encoding: read.channel.encoding().unwrap_or(Encoding::Raw),
    };
    (Arrived::recorded(body, origin), time(read.received))
}

/// Which messages of a recording are asked for.
struct Choice {
    names: Vec<String>,
    from: u64,
    to: u64,
}

impl Choice {
    fn open(&self, path: &Path) -> linkspan::Result<Reader> {
        let reader = Reader::open(path)?;
        if (self.from, self.to) == (0, u64::MAX) { Ok(reader) } else { reader.within(self.from, self.to) }
    }

    /// Adds messages until there are so many rows, or no more messages; returns the number of rows.
    fn fill(&self, reader: &mut Reader, columns: &mut Columns, rows: usize) -> linkspan::Result<usize> {
        while columns.rows() < rows
            && let Some(entry) = reader.read()?
        {
            if let Entry::Message(read) = entry
                && self.has(&read)
            {
                columns.add(&read)?;
            }
        }
        Ok(columns.rows())
    }

    fn has(&self, message: &Read<'_>) -> bool {
        let has_name = || {
            let topic = &message.channel.topic;
            self.names.is_empty() || self.names.iter().any(|name| registry::matches(name, topic))
        };
        !message.channel.repeated && (self.from..=self.to).contains(&message.received) && has_name()
    }
}

/// Reads the messages of a recording, one after the other.
#[pyclass(frozen, module = "linkspan")]
pub struct RecordingReader {
    reader: Mutex<Reader>,
    choice: Choice,
    patience: Timeout,
}

#[pymethods]
impl RecordingReader {
    /// Messages of these names and patterns (all, if there is none) that were received within these times, in nanoseconds since 1970.
    #[new]
    #[pyo3(signature = (path, names, begin, end, follow=false, timeout=Patience(Timeout::Forever)))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        names: Vec<String>,
        begin: u64,
        end: u64,
        follow: bool,
        timeout: Patience,
    ) -> Outcome<RecordingReader> {
        let choice = Choice { names, from: begin, to: end };
        let reader = py.detach(|| if follow { Reader::follow(&path) } else { choice.open(&path) })?;
        Ok(RecordingReader { reader: Mutex::new(reader), choice, patience: timeout.0 })
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
                let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
                while let Some(entry) = reader.read()? {
                    if let Entry::Message(read) = entry
                        && self.choice.has(&read)
                    {
                        return Ok((Some(message(&read)), false));
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
            let goes_on = waiting(py, Patience(left), None, |wait| {
                self.reader.lock().unwrap_or_else(PoisonError::into_inner).wait(wait)
            })?;
            if !goes_on {
                let text =
                    "no further message was recorded in time; its recorder has not ended the recording";
                return Err(Error::new(ErrorKind::Timeout, text).into());
            }
        }
    }

    /// What was found wrong in the files so far.
    #[getter]
    fn problems(&self) -> Vec<String> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.problems().iter().map(ToString::to_string).collect()
    }
}

/// Those of the names that fit one of the names and patterns; all, where there is none.
#[pyfunction]
pub fn matching_names(names: Vec<String>, patterns: Vec<String>) -> Vec<String> {
    let fits = |name: &String| patterns.iter().any(|pattern| registry::matches(pattern, name));
    names.into_iter().filter(|name| patterns.is_empty() || fits(name)).collect()
}

/// The names of a recording, and when it begins in nanoseconds since 1970, where it does: without a look at messages of parts that were closed.
#[pyfunction]
pub fn recording_outline(py: Python<'_>, path: PathBuf) -> Outcome<(Vec<String>, Option<u64>)> {
    let outline = py.detach(|| Outline::read(&path))?;
    Ok((outline.names.into_iter().collect(), outline.time.map(|(begin, _)| begin)))
}

/// The value of a summary, and pairs of a name and a schema.
type Described<'py> = (Bound<'py, PyAny>, Vec<(String, String)>);

/// What a recording has, and the newest schema of each name in Linkspan's notation.
#[pyfunction]
pub fn recording_summary(py: Python<'_>, path: PathBuf) -> Outcome<Described<'_>> {
    let (value, schemas) = py.detach(|| -> linkspan::Result<_> {
        let mut reader = Reader::open(&path)?;
        let summary = Summary::read(&mut reader)?;
        let value = summary.to_value(reader.problems(), &parts::existing(&path));
        let schemas = summary.names.into_iter().filter_map(|(topic, name)| Some((topic, name.notation?)));
        Ok((value, schemas.collect()))
    })?;
    Ok((object(&value, Builder::sharing(py, Body::default()))?, schemas))
}

/// The events of a recording, each as a dict, in the order of the file.
#[pyfunction]
pub fn recording_events(py: Python<'_>, path: PathBuf) -> Outcome<Vec<Bound<'_, PyAny>>> {
    let values = py.detach(|| -> linkspan::Result<_> {
        let (mut reader, mut values) = (Reader::open(&path)?, Vec::new());
        while let Some(entry) = reader.read()? {
            if let Entry::Event(event) = entry {
                values.push(linkspan::codec::decode(&event.to_json()?, Encoding::Json)?);
            }
        }
        Ok(values)
    })?;
    values.iter().map(|value| object(value, Builder::sharing(py, Body::default()))).collect()
}

/// The messages of one name that were received within these times as a table.
#[pyfunction]
pub fn recording_table(py: Python<'_>, path: PathBuf, name: String, begin: u64, end: u64) -> Outcome<Table> {
    let choice = Choice { names: vec![name], from: begin, to: end };
    Ok(py.detach(|| -> linkspan::Result<_> {
        let (mut reader, mut columns) = (choice.open(&path)?, Columns::default());
        let rows = choice.fill(&mut reader, &mut columns, usize::MAX)?;
        Ok(Table::new(columns.take(), rows))
    })?)
}

/// The same in tables of so many rows, all with the same columns of the same types, which a first pass finds: in memory that does not grow with
/// the recording.
#[pyclass(frozen, module = "linkspan")]
pub struct RecordingTables {
    state: Mutex<(Reader, Columns)>,
    choice: Choice,
    rows: usize,
}

#[pymethods]
impl RecordingTables {
    #[new]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        name: String,
        begin: u64,
        end: u64,
        rows: usize,
    ) -> Outcome<RecordingTables> {
        let choice = Choice { names: vec![name], from: begin, to: end };
        let state = py.detach(|| -> linkspan::Result<_> {
            let (mut reader, mut columns) = (choice.open(&path)?, Columns::default());
            while choice.fill(&mut reader, &mut columns, rows)? > 0 {
                columns.take();
            }
            Ok((choice.open(&path)?, columns))
        })?;
        Ok(RecordingTables { state: Mutex::new(state), choice, rows })
    }

    const fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> Outcome<Option<Table>> {
        Ok(py.detach(|| -> linkspan::Result<_> {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (reader, columns) = &mut *state;
            let rows = self.choice.fill(reader, columns, self.rows)?;
            Ok((rows > 0).then(|| Table::new(columns.take(), rows)))
        })?)
    }
}
