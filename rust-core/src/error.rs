//! The one table of error kinds, and the error that every call of Linkspan gives.

use std::fmt;

pub(crate) mod memory;
mod quoted;

pub use quoted::{Quoted, quoted};

/// What every fallible call of Linkspan returns.
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! kinds {
    ($($name:ident = $code:literal, $retry:literal, $meaning:literal;)*) => {
        /// The kinds of error, the same names and numbers in every language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum ErrorKind { $(#[doc = $meaning] $name = $code,)* }

        impl ErrorKind {
            /// Every kind, in the order of its code: bindings make their names and classes from this.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)*];

            /// The kind's name, as written in every language: `Timeout`.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorKind::$name => stringify!($name),)* }
            }

            /// One line that says what the kind means.
            pub const fn meaning(self) -> &'static str {
                match self { $(ErrorKind::$name => $meaning,)* }
            }

            /// Whether trying the same call again can succeed without a change to the program.
            pub const fn retryable(self) -> bool {
                match self { $(ErrorKind::$name => $retry,)* }
            }

            /// The kind with this code, if there is one.
            pub const fn from_code(code: u16) -> Option<ErrorKind> {
                match code { $($code => Some(ErrorKind::$name),)* _ => None }
            }
        }
    };
}

// Codes 100, 102, 103 and 105-108 keep the numbers of the classic IPCSocket class.
kinds! {
    TransportUnavailable = 100, false, "this system can't do that transport";
    Disconnected = 102, true, "the other side went away";
    NotFound = 103, true, "nobody listens at that name";
    Missing = 104, false, "no value at that path";
    AddressInUse = 105, false, "somebody else listens at that name";
    InvalidState = 106, false, "the object can't do that now (closed, wrong role, other side of a fork)";
    InvalidEndpoint = 107, false, "the name or port is malformed";
    OutOfMemory = 108, true, "memory, descriptors or space in the memory file ran out";
    WrongType = 109, false, "another type is there; says both";
    Timeout = 110, true, "the deadline passed; nothing was lost";
    Full = 111, true, "the queue is full and the call was not to wait";
    Empty = 112, true, "nothing there and the call was not to wait";
    PermissionDenied = 113, false, "mode, owner or peer credentials refuse";
    TooLarge = 114, false, "over a limit; says which, its value, the size asked";
    Malformed = 115, false, "bytes that are not a valid message; says the offset";
    Unsupported = 116, false, "the value has no form in that encoding; says the path";
    SchemaMismatch = 117, false, "the two sides' schemas differ; shows the difference";
    VersionMismatch = 118, false, "protocol versions don't overlap; shows both";
    Cancelled = 119, false, "cancelled by the caller";
    Interrupted = 120, false, "a signal arrived and its handler raised";
    Stalled = 121, true, "the other side is alive but holds a lock or does not answer";
    Remote = 122, false, "the other side's handler answered with an error; carries its code, type, text, data";
    OutOfRange = 123, false, "a number does not fit the type asked for";
    NoSpace = 124, true, "the disk is full";
    Lagged = 125, true, "a subscriber was overtaken; carries how many were missed";
    Corrupt = 126, false, "a stored file fails its check sum; says which and where";
    Internal = 127, false, "a defect in Linkspan; carries a backtrace when asked for";
}

impl ErrorKind {
    /// The kind's number in the table: 100 to 127.
    pub const fn code(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the other side's handler answered when it failed: the terms of JSON-RPC 2.0.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RemoteFailure {
    /// The handler's own code, or one of JSON-RPC's (-32601 method not found, -32602 invalid params, …).
    pub code: i64,
    /// A dotted type such as `spectrum.window_too_long`, or the name of the exception that was raised.
    pub kind: String,
    /// The text for a person.
    pub text: String,
    /// More for the program: one value in CBOR, or empty for none.
    pub data: Vec<u8>,
}

/// An error: its kind, what was tried on what, and what to do next.
#[derive(Clone)]
pub struct Error(Box<Detail>);

#[derive(Clone)]
struct Detail {
    kind: ErrorKind,
    retryable: bool,
    text: String,
    endpoint: Option<String>,
    path: Option<String>,
    offset: Option<u64>,
    missed: Option<u64>,
    sent: Option<u64>,
    os: Option<i32>,
    remote: Option<RemoteFailure>,
}

impl Error {
    /// An error of this kind. The text says what was tried, on what, and what to do.
    #[cold]
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Error {
        let detail = Detail {
            kind,
            retryable: kind.retryable(),
            text: quoted::bounded(text.into()),
            endpoint: None,
            path: None,
            offset: None,
            missed: None,
            sent: None,
            os: None,
            remote: None,
        };
        Error(Box::new(detail))
    }

    /// The answer of a handler that failed.
    pub fn remote(failure: RemoteFailure) -> Error {
        let text = if failure.kind.is_empty() {
            format!("{} (code {})", failure.text, failure.code)
        } else {
            format!("{}: {} (code {})", failure.kind, failure.text, failure.code)
        };
        let mut error = Error::new(ErrorKind::Remote, text);
        error.0.remote = Some(failure);
        error
    }

    /// A subscriber was overtaken by this many messages.
    pub fn lagged(missed: u64) -> Error {
        let mut error = Error::new(
            ErrorKind::Lagged,
            format!(
                "{missed} messages were overwritten before they were read; the next call goes on with the oldest that is left"
            ),
        );
        error.0.missed = Some(missed);
        error
    }

    /// A system call failed: the kind follows from the number, the text says what was being done.
    #[cold]
    pub fn os(doing: impl fmt::Display, errno: i32) -> Error {
        let kind = match errno {
            libc::EACCES | libc::EPERM | libc::EROFS => ErrorKind::PermissionDenied,
            libc::ENOENT | libc::ECONNREFUSED | libc::ENOTDIR => ErrorKind::NotFound,
            libc::EADDRINUSE => ErrorKind::AddressInUse,
            libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN | libc::ECONNABORTED => ErrorKind::Disconnected,
            libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ETOOMANYREFS => {
                ErrorKind::OutOfMemory
            }
            libc::ENOSPC | libc::EDQUOT | libc::EFBIG => ErrorKind::NoSpace,
            libc::ENAMETOOLONG => ErrorKind::InvalidEndpoint,
            libc::ENOSYS | libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT => {
                ErrorKind::TransportUnavailable
            }
            _ => ErrorKind::Internal,
        };
        let hint = if errno == libc::EFBIG { ": see ulimit -f" } else { "" };
        let said = std::io::Error::from_raw_os_error(errno);
        let mut error = Error::new(kind, format!("{doing}: {said}{hint}"));
        error.0.os = Some(errno);
        error
    }

    /// The kind, for a program to decide on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether trying the same call again can succeed without a change to the program, and without doing twice what may have
    /// been done: a request that was sent and not answered is not retryable, unless it is idempotent.
    pub fn retryable(&self) -> bool {
        self.0.retryable
    }

    /// What happened and what to do, without kind, endpoint, path and offset.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The endpoint that the call was about.
    pub fn endpoint(&self) -> Option<&str> {
        self.0.endpoint.as_deref()
    }

    /// Where in the value: keys and zero-based positions joined by `/`, escaped as in RFC 6901.
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    /// Where in the bytes, counted from zero.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// How many messages a subscriber missed, for [`ErrorKind::Lagged`]; how many were lost that were sent before, where `send` or
    /// `close` says so with [`ErrorKind::Disconnected`].
    pub fn missed(&self) -> Option<u64> {
        self.0.missed
    }

    /// How many messages of a batch were sent before this error, for `send_many`: the one behind them is what it is about, and
    /// that one and all that follow are still the caller's.
    pub fn sent(&self) -> Option<u64> {
        self.0.sent
    }

    /// The system's error number behind it, if there is one.
    pub fn errno(&self) -> Option<i32> {
        self.0.os
    }

    /// What the other side's handler answered, for [`ErrorKind::Remote`].
    pub fn remote_failure(&self) -> Option<&RemoteFailure> {
        self.0.remote.as_ref()
    }

    /// The same error, which also says how many messages that were sent before are lost.
    #[must_use]
    pub(crate) fn and_lost(self, lost: u64) -> Error {
        let text = format!("{}; {lost} messages that were sent before are lost", self.0.text);
        let mut error = self.with_missed(lost);
        error.0.text = text;
        error
    }

    /// Says how many messages are lost.
    #[must_use]
    pub(crate) fn with_missed(mut self, missed: u64) -> Error {
        self.0.missed = Some(missed);
        self
    }

    /// Says how many messages of a batch were sent before.
    #[must_use]
    pub(crate) fn with_sent(mut self, sent: u64) -> Error {
        self.0.text = format!("{}; {sent} messages of the batch were sent before it", self.0.text);
        self.0.sent = Some(sent);
        self
    }

    /// The same error in other words.
    pub(crate) fn in_words(mut self, text: String) -> Error {
        self.0.text = text;
        self
    }

    /// Says whether the call may be tried again, where that depends on more than the kind.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Error {
        self.0.retryable = retryable;
        self
    }

    /// Names the endpoint, unless one is named already.
    #[must_use]
    pub fn on(mut self, endpoint: impl fmt::Display) -> Error {
        self.0.endpoint.get_or_insert_with(|| quoted::bounded(endpoint.to_string()));
        self
    }

    /// Gives the offset in the bytes, unless one is given already.
    #[must_use]
    pub fn at(mut self, offset: usize) -> Error {
        self.0.offset.get_or_insert(offset as u64);
        self
    }

    /// Says that the error lies below this key of a map, which is cut where it has more than 256 bytes. Called while
    /// unwinding, innermost first.
    #[must_use]
    pub fn under_key(self, key: &str) -> Error {
        self.under(quoted::segment(key))
    }

    /// Says that the error lies below this position of an array. Called while unwinding, innermost first.
    #[must_use]
    pub fn under_index(self, index: usize) -> Error {
        self.under(index.to_string())
    }

    fn under(mut self, segment: String) -> Error {
        self.0.path = Some(match self.0.path.take() {
            Some(rest) => segment + "/" + &rest,
            None => segment,
        });
        self
    }

    /// Sets the path as a whole, unless there is one.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Error {
        self.0.path.get_or_insert_with(|| quoted::bounded(path.into()));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(endpoint) = &self.0.endpoint {
            write!(f, "{endpoint}: ")?;
        }
        f.write_str(&self.0.text)?;
        if let Some(path) = &self.0.path {
            write!(f, ", at path {path}")?;
        }
        if let Some(offset) = self.0.offset {
            write!(f, ", at byte {offset}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {self}", self.0.kind.name(), self.0.kind.code())
    }
}

impl std::error::Error for Error {}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Error {
        Error::os("a system call failed", errno.raw_os_error())
    }
}

/// Says what was being done when a system call failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl fmt::Display) -> Result<T>;
}

impl<T> Doing<T> for rustix::io::Result<T> {
    fn doing(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|errno| Error::os(what, errno.raw_os_error()))
    }
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|e| Error::os(what, e.raw_os_error().unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_kinds_are_one_to_one() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_code(kind.code()), Some(*kind));
        }
        assert_eq!(ErrorKind::ALL.len(), 27);
        assert_eq!(ErrorKind::from_code(101), None);
    }

    #[test]
    fn the_text_names_endpoint_path_and_offset() {
        let error = Error::new(ErrorKind::Malformed, "text is not UTF-8")
            .at(17)
            .at(3)
            .under_index(2)
            .under_key("a/b")
            .on("shm:lab")
            .on("unix:other");
        assert_eq!(error.to_string(), "shm:lab: text is not UTF-8, at path a~1b/2, at byte 17");
    }

    #[test]
    fn the_documents_have_the_table() {
        let rows = ErrorKind::ALL.iter().map(|kind| {
            let again = if kind.retryable() { "yes" } else { "" };
            [kind.code().to_string(), kind.name().to_owned(), again.to_owned(), kind.meaning().to_owned()]
        });
        let table = crate::documents::table(["code", "kind", "trying again can help", "meaning"], rows);
        crate::documents::check("errors", &table);
    }
}
