//! The table of error kinds: names, codes, meanings, remedies, and whether a repeated call can succeed.
//!
//! Bindings generate their names, numbers and exception classes from [`ErrorKind::ALL`]. A kind keeps its code forever,
//! because programs in other languages compare the number. A removed kind leaves a gap.

use std::fmt;

macro_rules! kinds {
    ($($name:ident = $code:literal, $retry:literal, $meaning:literal, $remedy:literal;)*) => {
        /// The kinds of error, with equal names and numbers in every language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum ErrorKind { $(#[doc = concat!($meaning, ". ", $remedy)] $name = $code,)* }

        impl ErrorKind {
            /// Every kind, in the order of its code.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)*];

            /// Returns the kind's name in every language: `Timeout`.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorKind::$name => stringify!($name),)* }
            }

            /// Returns one line with the meaning of the kind.
            pub const fn meaning(self) -> &'static str {
                match self { $(ErrorKind::$name => $meaning,)* }
            }

            /// Returns one line with the remedy for the program or its user.
            pub const fn remedy(self) -> &'static str {
                match self { $(ErrorKind::$name => $remedy,)* }
            }

            /// Returns whether the call can succeed later without a change to the program.
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
    TransportUnavailable = 100, false, "this system does not support that transport",
        "Use another transport.";
    Disconnected = 102, true, "the connection to the peer ended",
        "Call again: the side that connected reconnects by itself. A request that was under way may have been carried out.";
    NotFound = 103, true, "no program listens at that name",
        "Start that program, or correct the name or `LINKSPAN_DIR`.";
    Missing = 104, false, "no value at that path",
        "Correct the path: the text names what is there instead.";
    AddressInUse = 105, false, "another program listens at that name",
        "Choose another name, or end the other program.";
    InvalidState = 106, false, "the object does not allow this call now (closed, wrong pattern, other side of a fork)",
        "Correct the program: the text has the reason.";
    InvalidEndpoint = 107, false, "the name or port is malformed",
        "Correct it as the text describes.";
    OutOfMemory = 108, true, "memory, descriptors or space in the memory file ran out",
        "Release messages and arrays, or raise the limit, and call again.";
    WrongType = 109, false, "a value of another type was found; the text has both types",
        "Ask for the type that is there.";
    Timeout = 110, true, "the deadline passed; nothing was lost",
        "Call again, or give the call more time.";
    Full = 111, true, "the queue is full and the call does not wait",
        "Call again once the reader has consumed messages, or use a call that waits.";
    Empty = 112, true, "no message is available and the call does not wait",
        "Call again later, or use a call that waits.";
    PermissionDenied = 113, false, "the mode, the owner or the peer's credentials forbid it",
        "Give both users access, as the text describes.";
    TooLarge = 114, false, "over a limit; the text has the limit, its value and the size",
        "Send less, or raise that limit.";
    Malformed = 115, false, "bytes that are not a valid message; carries the offset",
        "Correct the program that wrote them.";
    Unsupported = 116, false, "the value has no form in that encoding; carries the path",
        "Use another type, encoding or transport, as the text proposes.";
    SchemaMismatch = 117, false, "the schemas of the two sides differ; the text has the differences",
        "Give both sides compatible schemas.";
    VersionMismatch = 118, false, "the protocol versions do not overlap; the text has both",
        "Update the older program.";
    Cancelled = 119, false, "cancelled by the caller",
        "Call again if the outcome is still needed.";
    Interrupted = 120, false, "a signal arrived and its handler raised",
        "Handle the outcome of the handler, and call again to continue.";
    Stalled = 121, true, "the peer is alive but holds a lock or does not answer",
        "Call again; end the other program if it does not recover.";
    Remote = 122, false, "the peer's handler failed; carries its code, type, text, data",
        "Handle it as an error of that program.";
    OutOfRange = 123, false, "a number does not fit the requested type",
        "Ask for a larger type, or give a number within the range.";
    NoSpace = 124, true, "the disk is full",
        "Free space on the disk, and call again.";
    Lagged = 125, true, "a subscriber missed messages, or its sender lacks them; carries how many",
        "Call again to continue; read faster, or give the publisher a larger buffer.";
    Corrupt = 126, false, "a stored file fails its check sum; the text has the file and the place",
        "Restore the file from a copy, or remove it, as the text describes.";
    Internal = 127, false, "a defect in Linkspan: please report it",
        "The text has the details for the report.";
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
