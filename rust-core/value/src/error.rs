//! The table of error kinds, and the error that every call of Linkspan returns.
//!
//! Each layer adds its part on the way out: offset, path, endpoint. The first value stays, because the innermost layer
//! is the most exact.

use std::borrow::Cow;
use std::fmt;

mod kind;
pub mod memory;
mod quoted;

pub use kind::ErrorKind;
pub use quoted::brief;
#[doc(hidden)]
pub use quoted::is_unseen;
pub use quoted::{OneLine, Quoted, in_seconds, one_line, quoted, several_lines};

/// Returns a number with the words for one or several: "1 message was sent".
pub fn counted(messages: u64, one: &str, several: &str) -> String {
    if messages == 1 { format!("1 message {one}") } else { format!("{messages} messages {several}") }
}

/// Returns the error of a message, or of memory for one, above the limit.
#[doc(hidden)]
#[cold]
pub fn over_message_limit(asked: u64, allowed: u64) -> Error {
    let text =
        format!("over the message limit: {asked} bytes asked, {allowed} allowed (option max_message_size)");
    Error::new(ErrorKind::TooLarge, text)
}

/// The result of every fallible call of Linkspan.
pub type Result<T> = std::result::Result<T, Error>;

/// The answer of a peer's handler that failed, in the terms of JSON-RPC 2.0.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RemoteFailure {
    /// The handler's own code, or JSON-RPC's (-32601 method not found, -32602 invalid params, …).
    pub code: i64,
    /// A dotted type such as `spectrum.window_too_long`, or the exception's name.
    pub kind: String,
    /// The text for people.
    pub text: String,
    /// Details for the program: one value in CBOR, or empty for none.
    pub data: Vec<u8>,
}

impl RemoteFailure {
    /// JSON-RPC 2.0's code for a failed handler without its own code.
    pub const INTERNAL_ERROR: i64 = -32603;

    /// Returns a failure without details.
    pub fn new(code: i64, kind: impl Into<String>, text: impl Into<String>) -> RemoteFailure {
        RemoteFailure { code, kind: kind.into(), text: text.into(), data: Vec::new() }
    }

    /// Returns the failure for sending, with a text of at most 1 MiB and a type of at most 1 KiB.
    #[must_use]
    pub fn bounded(&self) -> Cow<'_, RemoteFailure> {
        const TEXT: usize = 1 << 20;
        const KIND: usize = 1 << 10;
        if self.kind.len() <= KIND && self.text.len() <= TEXT {
            return Cow::Borrowed(self);
        }
        Cow::Owned(RemoteFailure {
            code: self.code,
            kind: quoted::beginning(&self.kind, KIND),
            text: quoted::beginning(&self.text, TEXT),
            data: self.data.clone(),
        })
    }

    /// Returns the answer for a handler's error. A peer's failure is passed on unchanged.
    pub fn of(error: &Error) -> RemoteFailure {
        error.remote_failure().cloned().unwrap_or_else(|| {
            RemoteFailure::new(RemoteFailure::INTERNAL_ERROR, error.kind().name(), error.to_string())
        })
    }
}

/// An error: its kind, the failed action and its object, and the remedy.
///
/// It is one pointer wide, so results stay small.
#[derive(Clone)]
pub struct Error(Box<Detail>);

#[derive(Clone)]
struct Detail {
    kind: ErrorKind,
    /// The kind's value, unless a call has set another.
    retryable: bool,
    /// At most 16 KiB. Text of peers in it is quoted and cut.
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
    /// Returns an error of this kind, with action, object and remedy as text. A very long text is cut.
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

    /// Returns the error of a peer's failed handler.
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

    /// Returns the error of a subscriber that missed this number of messages.
    pub fn lagged(missed: u64) -> Error {
        let mut error = Error::new(
            ErrorKind::Lagged,
            format!(
                "{}: this program was too slow, or the sender lacks them as well, such as a replay or a bridge; the next call goes on with the oldest that is left",
                counted(missed, "did not arrive", "did not arrive")
            ),
        );
        error.0.missed = Some(missed);
        error
    }

    /// Returns a system call's error. The number decides the kind; the text begins with the action.
    #[cold]
    pub fn os(doing: impl fmt::Display, errno: i32) -> Error {
        let kind = match errno {
            libc::EACCES | libc::EPERM | libc::EROFS => ErrorKind::PermissionDenied,
            libc::ENOENT | libc::ECONNREFUSED | libc::ENOTDIR => ErrorKind::NotFound,
            libc::EADDRINUSE | libc::EEXIST => ErrorKind::AddressInUse,
            libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN | libc::ECONNABORTED => ErrorKind::Disconnected,
            // The limit of threads, locked memory or watches. An EAGAIN for "not now" causes no error.
            libc::ENOMEM
            | libc::EMFILE
            | libc::ENFILE
            | libc::ENOBUFS
            | libc::ETOOMANYREFS
            | libc::EAGAIN => ErrorKind::OutOfMemory,
            // Another program holds it, or a device or a machine does not answer.
            libc::EBUSY | libc::ETXTBSY | libc::EDEADLK | libc::ETIMEDOUT => ErrorKind::Stalled,
            libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::EHOSTDOWN | libc::ENODEV => {
                ErrorKind::NotFound
            }
            libc::ENOSPC | libc::EDQUOT | libc::EFBIG => ErrorKind::NoSpace,
            libc::ENAMETOOLONG => ErrorKind::InvalidEndpoint,
            libc::ENOSYS | libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT => {
                ErrorKind::TransportUnavailable
            }
            // A wrong call by this library, or an error without a number.
            0 | libc::EBADF | libc::EFAULT | libc::EINVAL | libc::ENOTSOCK | libc::EDESTADDRREQ => {
                ErrorKind::Internal
            }
            // EIO of a device, a refusal by a sandbox.
            _ => ErrorKind::TransportUnavailable,
        };
        let hint = match errno {
            libc::EFBIG => ": see ulimit -f",
            libc::EMFILE => ": raise the limit with ulimit -n, or LimitNOFILE= of a unit",
            libc::ENFILE => ": raise the limit with sysctl fs.file-max",
            libc::ENOMEM => ": free memory, or raise the limit with ulimit -v, or MemoryMax= of a unit",
            _ => "",
        };
        let message = std::io::Error::from_raw_os_error(errno);
        let mut error = Error::new(kind, format!("{doing}: {message}{hint}"));
        error.0.os = Some(errno);
        error
    }

    /// Returns the kind, on which programs decide.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns whether the call can succeed later without a change to the program.
    ///
    /// A request that was sent but not answered is not retryable unless idempotent.
    pub fn retryable(&self) -> bool {
        self.0.retryable
    }

    /// Returns the failure and the remedy, without kind, endpoint, path and offset.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Returns the endpoint of the call.
    pub fn endpoint(&self) -> Option<&str> {
        self.0.endpoint.as_deref()
    }

    /// Returns the place in the value: keys and zero-based positions with `/`, escaped as in RFC 6901.
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    /// Returns the place in the bytes, counted from zero.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// Returns the number of missed messages, for [`ErrorKind::Lagged`].
    ///
    /// For [`ErrorKind::Disconnected`] of `send` or `close`, the number of lost earlier messages.
    pub fn missed(&self) -> Option<u64> {
        self.0.missed
    }

    /// Returns the number of a batch's messages sent before this error, for `send_many`.
    ///
    /// The caller still has all later messages.
    pub fn sent(&self) -> Option<u64> {
        self.0.sent
    }

    /// Returns the failed system call's error number.
    pub fn errno(&self) -> Option<i32> {
        self.0.os
    }

    /// Returns the answer of the peer's handler, for [`ErrorKind::Remote`].
    pub fn remote_failure(&self) -> Option<&RemoteFailure> {
        self.0.remote.as_ref()
    }

    /// Adds the number of lost messages.
    #[doc(hidden)]
    #[must_use]
    pub fn and_lost(self, lost: u64) -> Error {
        let text = format!(
            "{}; {} lost",
            self.0.text,
            counted(lost, "that was sent before is", "that were sent before are")
        );
        let mut error = self.with_missed(lost);
        error.0.text = text;
        error
    }

    /// Adds a remedy to the text.
    #[doc(hidden)]
    #[must_use]
    pub fn with_hint(mut self, hint: &str) -> Error {
        self.0.text = quoted::bounded(format!("{}; {hint}", self.0.text));
        self
    }

    /// Sets the number of missed messages.
    #[doc(hidden)]
    #[must_use]
    pub fn with_missed(mut self, missed: u64) -> Error {
        self.0.missed = Some(missed);
        self
    }

    /// Adds the number of a batch's messages sent before.
    #[doc(hidden)]
    #[must_use]
    pub fn with_sent(mut self, sent: u64) -> Error {
        self.0.text = format!("{}; {sent} messages of the batch were sent before it", self.0.text);
        self.0.sent = Some(sent);
        self
    }

    pub(crate) fn in_words(mut self, text: String) -> Error {
        self.0.text = quoted::bounded(text);
        self
    }

    /// Sets whether the call may be repeated, if more than the kind decides it.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Error {
        self.0.retryable = retryable;
        self
    }

    /// Sets the endpoint, unless there is one.
    #[must_use]
    pub fn on(mut self, endpoint: impl fmt::Display) -> Error {
        self.0.endpoint.get_or_insert_with(|| quoted::cut(endpoint.to_string()));
        self
    }

    /// Sets the offset in the bytes, unless there is one.
    #[must_use]
    pub fn at(mut self, offset: usize) -> Error {
        self.0.offset.get_or_insert(offset as u64);
        self
    }

    /// Prepends this key, cut to 256 bytes, to the path. Layers call it innermost first.
    #[must_use]
    pub fn under_key(self, key: &str) -> Error {
        self.under(quoted::segment(key))
    }

    /// Prepends this position of an array to the path.
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

    /// Sets the whole path, unless there is one.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Error {
        self.0.path.get_or_insert_with(|| quoted::cut(path.into()));
        self
    }
}

/// Returns a path for people: both ends of a long path, and the beginnings of long keys.
fn shortened(path: &str) -> Cow<'_, str> {
    /// Parts that are shown, and those at each end of a longer path.
    const SHOWN: (usize, usize) = (12, 4);
    let parts: Vec<Cow<'_, str>> = path.split('/').map(quoted::shown_segment).collect();
    if parts.len() <= SHOWN.0 {
        return parts.join("/").into();
    }
    let (first, last) = (&parts[..SHOWN.1], &parts[parts.len() - SHOWN.1..]);
    format!("{}/…/{} ({} parts)", first.join("/"), last.join("/"), parts.len()).into()
}

/// Writes the text with endpoint, path and offset, but without the kind.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(endpoint) = &self.0.endpoint {
            write!(f, "{}: ", one_line(endpoint))?;
        }
        f.write_str(&self.0.text)?;
        // A text that begins with an argument, `timeout=nan`, already names it.
        let is_named = |path: &&String| {
            self.0.text.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('='))
        };
        if let Some(path) = self.0.path.as_ref().filter(|path| !is_named(path)) {
            let path = shortened(path);
            match path.contains(quoted::is_interpreted) {
                false => write!(f, ", at path {path}")?,
                true => write!(f, ", at path {}", quoted(&path))?,
            }
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

/// Keeps this error as the inner error, with the nearest kind.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        use std::io::ErrorKind as Io;
        let of_the_call = error.errno().map(|errno| std::io::Error::from_raw_os_error(errno).kind());
        let kind = of_the_call.unwrap_or(match error.kind() {
            ErrorKind::Timeout | ErrorKind::Stalled => Io::TimedOut,
            ErrorKind::Full | ErrorKind::Empty => Io::WouldBlock,
            ErrorKind::Disconnected => Io::ConnectionReset,
            ErrorKind::NotFound => Io::NotFound,
            ErrorKind::AddressInUse => Io::AddrInUse,
            ErrorKind::PermissionDenied => Io::PermissionDenied,
            ErrorKind::OutOfMemory => Io::OutOfMemory,
            ErrorKind::NoSpace => Io::StorageFull,
            ErrorKind::Interrupted | ErrorKind::Cancelled => Io::Interrupted,
            ErrorKind::Malformed | ErrorKind::Corrupt | ErrorKind::WrongType | ErrorKind::SchemaMismatch => {
                Io::InvalidData
            }
            ErrorKind::InvalidEndpoint | ErrorKind::OutOfRange | ErrorKind::TooLarge | ErrorKind::Missing => {
                Io::InvalidInput
            }
            ErrorKind::Unsupported | ErrorKind::TransportUnavailable | ErrorKind::VersionMismatch => {
                Io::Unsupported
            }
            _ => Io::Other,
        });
        std::io::Error::new(kind, error)
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Error {
        Error::os("a system call failed", errno.raw_os_error())
    }
}

/// Adds the attempted action to a system call's error.
pub trait Doing<T> {
    /// Returns the error with the action at the beginning.
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
    fn system_errors_are_no_defects_of_the_library() {
        let kinds = [
            (libc::EAGAIN, ErrorKind::OutOfMemory),
            (libc::EBUSY, ErrorKind::Stalled),
            (libc::EEXIST, ErrorKind::AddressInUse),
            (libc::EIO, ErrorKind::TransportUnavailable),
            (libc::EHOSTUNREACH, ErrorKind::NotFound),
            (libc::EBADF, ErrorKind::Internal),
        ];
        for (errno, kind) in kinds {
            let error = Error::os("starting the thread linkspan-accept", errno);
            assert_eq!((error.kind(), error.errno()), (kind, Some(errno)), "{error}");
            assert!(error.text().starts_with("starting the thread linkspan-accept: "), "{error}");
        }
    }

    #[test]
    fn text_names_endpoint_path_and_offset() {
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
    fn error_of_std_io_keeps_the_error_and_its_nearest_kind() {
        let reads =
            || -> std::io::Result<()> { Err(Error::new(ErrorKind::Timeout, "too late").on("shm:a"))? };
        let error = reads().unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (std::io::ErrorKind::TimedOut, "shm:a: too late")
        );
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).unwrap();
        assert_eq!(inner.kind(), ErrorKind::Timeout);
        let error = std::io::Error::from(Error::os("writing", libc::EPIPE));
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn documents_have_the_table() {
        let rows = ErrorKind::ALL.iter().map(|kind| {
            let again = if kind.retryable() { "yes" } else { "" };
            [kind.code().to_string(), kind.name().to_owned(), again.to_owned(), kind.meaning().to_owned()]
        });
        let table = crate::documents::table(["code", "kind", "trying again can help", "meaning"], rows);
        crate::documents::check("errors", &table);
    }
}
