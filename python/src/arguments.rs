//! Converters of arguments. Their errors name the argument, the given value and an accepted value.

use std::ffi::OsString;
use std::fmt::Display;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use linkspan::{Error, ErrorKind, Timeout};
use pyo3::exceptions::{PyOverflowError, PyUnicodeEncodeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyString};

use crate::any_text::any_text;
use crate::builtin::type_name;
use crate::errors::{Failure, Outcome, imported};

/// Returns the error for an argument: its value and type, and what to give instead.
#[cold]
pub fn refused(kind: ErrorKind, name: &str, given: &Bound<'_, PyAny>, give: &str) -> Failure {
    Error::new(kind, refusal(name, given, give)).under_key(name).into()
}

#[cold]
pub fn refusal(name: &str, given: &Bound<'_, PyAny>, give: &str) -> String {
    if given.is_none() {
        return format!("{name}=None: give {give}");
    }
    format!("{name}={} is of type {}: give {give}", shown(given), type_name(given))
}

#[cold]
fn out_of_range(name: &str, given: &Bound<'_, PyAny>, give: &str) -> Failure {
    let text = format!("{name}={} is out of range: give {give}", shown(given));
    Error::new(ErrorKind::OutOfRange, text).under_key(name).into()
}

#[cold]
fn too_large(name: &str, given: &Bound<'_, PyAny>, most: impl Display, give: &str) -> Failure {
    let text = format!("{name}={} is too large, more than {most}: give {give}", shown(given));
    Error::new(ErrorKind::OutOfRange, text).under_key(name).into()
}

/// Returns the shortened `repr` of an object; its type if `repr` fails.
pub fn shown(object: &Bound<'_, PyAny>) -> String {
    const MOST: usize = 60;
    let Ok(repr) = object.repr() else { return format!("<{}>", type_name(object)) };
    let repr = any_text(&repr);
    match repr.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &repr[..end]),
        None => repr.into_owned(),
    }
}

fn text(name: &str, given: &Bound<'_, PyAny>, give: &str) -> Outcome<String> {
    let Ok(text) = given.cast::<PyString>() else {
        return Err(refused(ErrorKind::WrongType, name, given, give));
    };
    match text.to_str() {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => {
            let why = format!("{give}, without half a surrogate pair, which has no UTF-8");
            Err(refused(ErrorKind::Malformed, name, given, &why))
        }
    }
}

/// Bools also pass as numbers, but as a number they are a mistake.
fn is_truth(given: &Bound<'_, PyAny>) -> bool {
    given.is_instance_of::<PyBool>() || matches!(&*type_name(given), "numpy.bool" | "numpy.bool_")
}

pub fn seconds(name: &str, given: &Bound<'_, PyAny>) -> Outcome<Timeout> {
    const GIVE: &str = "seconds from 0 upwards, a timedelta, or None to wait for ever";
    static TIMEDELTA: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if given.is_none() {
        return Ok(Timeout::Forever);
    }
    let seconds = match given.extract::<f64>() {
        Ok(_) if is_truth(given) => None,
        Ok(seconds) => Some(seconds),
        Err(_) if given.is_instance(imported(given.py(), &TIMEDELTA, "datetime", "timedelta")?)? => {
            Some(given.call_method0("total_seconds")?.extract::<f64>()?)
        }
        // An integer outside the range of `f64`.
        Err(error) if error.is_instance_of::<PyOverflowError>(given.py()) => {
            return Err(match given.gt(0) {
                Ok(true) => too_large(name, given, format_args!("{:e}", f64::MAX), GIVE),
                _ => out_of_range(name, given, GIVE),
            });
        }
        Err(_) => None,
    };
    let Some(seconds) = seconds else { return Err(refused(ErrorKind::WrongType, name, given, GIVE)) };
    Timeout::from_seconds(seconds).map_err(|_| out_of_range(name, given, GIVE))
}

macro_rules! texts {
    ($($(#[$about:meta])* $class:ident, $name:literal, $give:literal;)*) => {
        $(
            $(#[$about])*
            pub struct $class(pub String);

            impl<'py> FromPyObject<'_, 'py> for $class {
                type Error = PyErr;

                fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<$class> {
                    Ok($class(text($name, &given, $give)?))
                }
            }

            impl Deref for $class {
                type Target = str;

                fn deref(&self) -> &str {
                    &self.0
                }
            }
        )*
    };
}

texts! {
    Endpoint, "endpoint", "the name as text, such as \"lab/temperature\" or \"unix:lab/temperature\"";
    ValuePath, "path", "keys and positions joined by /, as text, such as \"rows/0/name\"";
    Source, "source", "\"posix:/name\", \"sysv:0x1234\" or an absolute path, as text";
    StructLayout, "layout", "the fields as text, such as \"f64 celsius; u32 count\"";
    /// The field of a struct that counts the writes of its owner.
    Counter, "counter", "the name of a field as text, or None";
    ServiceName, "service", "the name of a service as text";
    /// The name of a service's own command or item, or of a recording's table.
    Name, "name", "a name as text";
    CommandName, "command", "a linkspan.Command, or the name of a command as text";
    Id, "id", "the id as text of 1 to 64 bytes";
    EncodingName, "encoding", "\"cbor\", \"json\", \"bson\" or \"smile\"";
    FromEncoding, "from_", "\"cbor\", \"json\", \"bson\" or \"smile\"";
    ToEncoding, "to", "\"cbor\", \"json\", \"bson\" or \"smile\"";
    ArrayOrder, "order", "\"C\" or \"F\"";
    Level, "level", "\"debug\", \"info\", \"warning\" or \"error\"";
    Fingerprint, "fingerprint", "the fingerprint of a schema as text, which generated code has";
    ColumnName, "column", "the name of a column as text";
    ElementType, "dtype", "the name of an element type as text, such as \"f64\" or \"u8\"";
    ElementOrder, "order", "\"row\" or \"column\"";
    TimeText, "text", "a time as RFC 3339 writes it, such as \"2026-03-01T12:00:00.5Z\"";
}

/// Any text of an error or a log entry, for people.
pub struct AnyText(pub String);

impl<'py> FromPyObject<'_, 'py> for AnyText {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<AnyText> {
        match given.cast::<PyString>() {
            Ok(text) => Ok(AnyText(any_text(&text).into_owned())),
            Err(_) => Err(refused(ErrorKind::WrongType, "text", &given, "text, such as str(error)").into()),
        }
    }
}

pub enum Endpoints {
    One(String),
    Several(Vec<String>),
}

impl<'py> FromPyObject<'_, 'py> for Endpoints {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Endpoints> {
        const NAME: &str = "endpoint";
        const GIVE: &str = "a name or a pattern as text, such as \"lab/*\", or a list of them";
        if given.is_instance_of::<PyString>() {
            return Ok(Endpoints::One(text(NAME, &given, GIVE)?));
        }
        let is_list = !given.is_instance_of::<PyBytes>() && !given.is_instance_of::<PyDict>();
        let Some(items) = given.try_iter().ok().filter(|_| is_list) else {
            return Err(refused(ErrorKind::WrongType, NAME, &given, GIVE).into());
        };
        let one = |(at, item): (usize, PyResult<Bound<'py, PyAny>>)| {
            Ok(text(&format!("{NAME}[{at}]"), &item?, "a name or a pattern as text, such as \"lab/*\"")?)
        };
        items.enumerate().map(one).collect::<PyResult<_>>().map(Endpoints::Several)
    }
}

macro_rules! lists {
    ($($(#[$about:meta])* $class:ident, $name:literal, $give:literal;)*) => {
        $(
            $(#[$about])*
            pub struct $class(pub Vec<String>);

            impl<'py> FromPyObject<'_, 'py> for $class {
                type Error = PyErr;

                fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<$class> {
                    let is_list = !given.is_instance_of::<PyString>() && !given.is_instance_of::<PyBytes>();
                    if !is_list || !is_iterable(&given) {
                        return Err(refused(ErrorKind::WrongType, $name, &given, $give).into());
                    }
                    let one = |item: PyResult<Bound<'py, PyAny>>| Ok(text($name, &item?, $give)?);
                    given.try_iter()?.map(one).collect::<PyResult<_>>().map($class)
                }
            }
        )*
    };
}

lists! {
    RecordedNames, "name", "a name or a pattern of the recording as text, such as \"lab/*\"";
    ServiceNames, "services", "a list of the names of services, each as text";
}

/// Does not call `__iter__`, which may raise.
pub fn is_iterable(given: &Bound<'_, PyAny>) -> bool {
    let class = given.get_type();
    ["__iter__", "__getitem__"].iter().any(|method| class.hasattr(*method).unwrap_or(false))
}

pub struct FilePath(PathBuf);

impl Deref for FilePath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for FilePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl<'py> FromPyObject<'_, 'py> for FilePath {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<FilePath> {
        const GIVE: &str = "the path of a file as text or pathlib.Path";
        let is_path = !given.is_instance_of::<PyBytes>();
        match given.extract::<PathBuf>() {
            Ok(path) if path.as_os_str().as_encoded_bytes().contains(&0) => {
                let why = format!("{GIVE}, without a NUL, which no path has");
                Err(refused(ErrorKind::Malformed, "path", &given, &why).into())
            }
            Ok(path) if is_path => Ok(FilePath(path)),
            Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(given.py()) => {
                let why = format!("{GIVE}, without half a surrogate pair, which no path has");
                Err(refused(ErrorKind::Malformed, "path", &given, &why).into())
            }
            _ => Err(refused(ErrorKind::WrongType, "path", &given, GIVE).into()),
        }
    }
}

/// Accepts any object that Python accepts as a path.
#[pyfunction]
pub fn file_path(path: FilePath) -> OsString {
    path.0.into_os_string()
}

macro_rules! counts {
    ($($(#[$about:meta])* $class:ident($type:ty), $name:literal, $give:literal;)*) => {
        $(
            $(#[$about])*
            pub struct $class(pub $type);

            impl<'py> FromPyObject<'_, 'py> for $class {
                type Error = PyErr;

                fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<$class> {
                    match given.extract::<$type>() {
                        _ if is_truth(&given) => Err(refused(ErrorKind::WrongType, $name, &given, $give).into()),
                        Ok(number) => Ok($class(number)),
                        Err(_) => Err(match given.call_method0("__index__").map(|number| number.gt(0)) {
                            Ok(Ok(true)) => too_large($name, &given, <$type>::MAX, $give),
                            Ok(_) => out_of_range($name, &given, $give),
                            Err(_) => refused(ErrorKind::WrongType, $name, &given, $give),
                        }
                        .into()),
                    }
                }
            }
        )*
    };
}

counts! {
    Max(usize), "max", "the most messages to take, an int from 1 upwards";
    Count(usize), "count", "the number of subscribers, an int from 0 upwards";
    Lines(usize), "lines", "the number of lines, an int from 0 upwards";
    Rows(usize), "rows", "the number of rows, an int from 1 upwards";
    Length(usize), "length", "the number of bytes, an int from 0 upwards";
    Offset(u64), "offset", "a number of bytes, an int from 0 upwards";
    MaxMessageSize(u64), "max_message_size", "a number of bytes, an int from 0 upwards, or None";
    Epoch(u64), "epoch", "the incarnation of the service as an int, as status()[\"epoch\"] has it, or None for any";
    Mode(u32), "mode", "the mode of the file as an int, such as 0o660, or None";
    SignalNumber(i32), "interrupt", "the number of a signal, such as signal.SIGURG, or None";
    RemoteCode(i64), "code", "the number of the failure, an int of 64 bits";
}

macro_rules! flags {
    ($($(#[$about:meta])* $class:ident, $name:literal;)*) => {
        $(
            $(#[$about])*
            pub struct $class(pub bool);

            impl<'py> FromPyObject<'_, 'py> for $class {
                type Error = PyErr;

                fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<$class> {
                    given
                        .extract::<bool>()
                        .map($class)
                        .map_err(|_| refused(ErrorKind::WrongType, $name, &given, "True or False").into())
                }
            }
        )*
    };
}

flags! {
    Follow, "follow";
    Replace, "replace";
}

pub struct Within(pub Timeout);

impl<'py> FromPyObject<'_, 'py> for Within {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Within> {
        Ok(Within(seconds("within", &given)?))
    }
}

/// The interval for reading data; `None` means never.
pub struct DataEvery(pub Timeout);

impl<'py> FromPyObject<'_, 'py> for DataEvery {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<DataEvery> {
        Ok(DataEvery(seconds("data_every", &given)?))
    }
}

#[pyfunction]
pub fn argument_types() -> Vec<(&'static str, &'static str)> {
    vec![
        ("timeout", "Seconds"),
        ("within", "Seconds"),
        ("data_every", "Seconds"),
        ("endpoint", "str"),
        ("path", "str"),
        ("service", "str"),
        ("command", "str"),
    ]
}
