//! The table of error kinds: names, codes, meanings, and whether a repeated call can succeed.
//!
//! Bindings generate their names, numbers and exception classes from [`ErrorKind::ALL`]. A kind keeps
//! its code forever, because programs in other languages compare the number; a kind that is removed
//! leaves a gap.

use std::fmt;

macro_rules! kinds {
    ($($name:ident = $code:literal, $retry:literal, $meaning:literal;)*) => {
        /// The kinds of error, the same names and numbers in every language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum ErrorKind { $(#[doc = $meaning] $name = $code,)* }

        impl ErrorKind {
            /// Every kind, in the order of its code: bindings generate their names and classes from
            /// this.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)*];

            /// Returns the kind's name, as written in every language: `Timeout`.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorKind::$name => stringify!($name),)* }
            }

            /// Returns one line with the meaning of the kind.
            pub const fn meaning(self) -> &'static str {
                match self { $(ErrorKind::$name => $meaning,)* }
            }

            /// Returns whether the same call can succeed later without a change to the program.
            pub const fn retryable(self) -> bool {
                match self { $(ErrorKind::$name => $retry,)* }
            }

            /// Returns the kind with this code, if there is one.
            pub const fn from_code(code: u16) -> Option<ErrorKind> {
                match code { $($code => Some(ErrorKind::$name),)* _ => None }
            }
        }
    };
}

// Codes 100, 102, 103 and 105-108 keep the numbers of the classic IPCSocket class.
kinds! {
    TransportUnavailable = 100, false, "this system does not support that transport";
    Disconnected = 102, true, "the connection to the peer ended";
    NotFound = 103, true, "no program listens at that name";
    Missing = 104, false, "no value at that path";
    AddressInUse = 105, false, "another program listens at that name";
    InvalidState = 106, false, "the object does not allow this call now (closed, wrong pattern, other side of a fork)";
    InvalidEndpoint = 107, false, "the name or port is malformed";
    OutOfMemory = 108, true, "memory, descriptors or space in the memory file ran out";
    WrongType = 109, false, "a value of another type was found; the text has both types";
    Timeout = 110, true, "the deadline passed; nothing was lost";
    Full = 111, true, "the queue is full and the call does not wait";
    Empty = 112, true, "no message is available and the call does not wait";
    PermissionDenied = 113, false, "the mode, the owner or the peer's credentials forbid it";
    TooLarge = 114, false, "over a limit; the text has the limit, its value and the size";
    Malformed = 115, false, "bytes that are not a valid message; carries the offset";
    Unsupported = 116, false, "the value has no form in that encoding; carries the path";
    SchemaMismatch = 117, false, "the schemas of the two sides differ; the text has the differences";
    VersionMismatch = 118, false, "the protocol versions do not overlap; the text has both";
    Cancelled = 119, false, "cancelled by the caller";
    Interrupted = 120, false, "a signal arrived and its handler raised";
    Stalled = 121, true, "the peer is alive but holds a lock or does not answer";
    Remote = 122, false, "the peer's handler failed; carries its code, type, text, data";
    OutOfRange = 123, false, "a number does not fit the requested type";
    NoSpace = 124, true, "the disk is full";
    Lagged = 125, true, "a subscriber was overtaken; carries how many were missed";
    Corrupt = 126, false, "a stored file fails its check sum; the text has the file and the place";
    Internal = 127, false, "a defect in Linkspan: please report it";
}

impl ErrorKind {
    /// Returns the kind's number in the table: 100 to 127.
    pub const fn code(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
