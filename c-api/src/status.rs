//! Status codes, which are the core's error kinds under C names; the version; the clock.

use std::ffi::{CStr, c_char};

/// The result of a call: `LINKSPAN_OK`, or the code of an error kind, 100 to 127.
pub type linkspan_status = i32;

/// The call succeeded.
pub const LINKSPAN_OK: linkspan_status = 0;
/// This system does not support that transport.
pub const LINKSPAN_TRANSPORT_UNAVAILABLE: linkspan_status = 100;
/// The connection to the peer ended; the side that connected reconnects.
///
/// A pending request may have been carried out.
pub const LINKSPAN_DISCONNECTED: linkspan_status = 102;
/// No program listens at that name.
pub const LINKSPAN_NOT_FOUND: linkspan_status = 103;
/// No value at that path; the text names the existing keys.
pub const LINKSPAN_MISSING: linkspan_status = 104;
/// Another program listens at that name.
pub const LINKSPAN_ADDRESS_IN_USE: linkspan_status = 105;
/// The object does not allow this call now (closed, wrong pattern, other side of a fork).
pub const LINKSPAN_INVALID_STATE: linkspan_status = 106;
/// The name or port is malformed.
pub const LINKSPAN_INVALID_ENDPOINT: linkspan_status = 107;
/// Memory, descriptors or space in the memory file ran out.
///
/// Release messages and arrays, or raise the limit.
pub const LINKSPAN_OUT_OF_MEMORY: linkspan_status = 108;
/// A value of another type was found; the text has both types.
pub const LINKSPAN_WRONG_TYPE: linkspan_status = 109;
/// The deadline passed; nothing was lost.
pub const LINKSPAN_TIMEOUT: linkspan_status = 110;
/// The queue is full and the call does not wait.
pub const LINKSPAN_FULL: linkspan_status = 111;
/// No message is available and the call does not wait.
pub const LINKSPAN_EMPTY: linkspan_status = 112;
/// The mode, the owner or the peer's credentials forbid it.
pub const LINKSPAN_PERMISSION_DENIED: linkspan_status = 113;
/// Over a limit; the text has the limit, its value and the size.
pub const LINKSPAN_TOO_LARGE: linkspan_status = 114;
/// Bytes that are not a valid message; carries the offset.
pub const LINKSPAN_MALFORMED: linkspan_status = 115;
/// The encoding has no form for the value; carries the path.
pub const LINKSPAN_UNSUPPORTED: linkspan_status = 116;
/// The schemas of the two sides differ; the text has the differences.
pub const LINKSPAN_SCHEMA_MISMATCH: linkspan_status = 117;
/// The protocol versions do not overlap; the text has both.
pub const LINKSPAN_VERSION_MISMATCH: linkspan_status = 118;
/// Cancelled by the caller.
pub const LINKSPAN_CANCELLED: linkspan_status = 119;
/// A signal arrived and its handler raised.
pub const LINKSPAN_INTERRUPTED: linkspan_status = 120;
/// The peer is alive but holds a lock or does not answer.
pub const LINKSPAN_STALLED: linkspan_status = 121;
/// The peer's handler failed; carries its code, type, text, data.
pub const LINKSPAN_REMOTE: linkspan_status = 122;
/// A number does not fit the requested type.
pub const LINKSPAN_OUT_OF_RANGE: linkspan_status = 123;
/// The disk is full.
pub const LINKSPAN_NO_SPACE: linkspan_status = 124;
/// A subscriber missed messages, or its sender lacks them; carries their number. Call again to continue.
pub const LINKSPAN_LAGGED: linkspan_status = 125;
/// A stored file fails its check sum; the text has the file and the place.
pub const LINKSPAN_CORRUPT: linkspan_status = 126;
/// A defect in Linkspan: please report it with the error's text.
pub const LINKSPAN_INTERNAL: linkspan_status = 127;

/// A test compares them with the core's table.
const NAMES: &[(linkspan_status, &CStr)] = &[
    (LINKSPAN_OK, c"Ok"),
    (LINKSPAN_TRANSPORT_UNAVAILABLE, c"TransportUnavailable"),
    (LINKSPAN_DISCONNECTED, c"Disconnected"),
    (LINKSPAN_NOT_FOUND, c"NotFound"),
    (LINKSPAN_MISSING, c"Missing"),
    (LINKSPAN_ADDRESS_IN_USE, c"AddressInUse"),
    (LINKSPAN_INVALID_STATE, c"InvalidState"),
    (LINKSPAN_INVALID_ENDPOINT, c"InvalidEndpoint"),
    (LINKSPAN_OUT_OF_MEMORY, c"OutOfMemory"),
    (LINKSPAN_WRONG_TYPE, c"WrongType"),
    (LINKSPAN_TIMEOUT, c"Timeout"),
    (LINKSPAN_FULL, c"Full"),
    (LINKSPAN_EMPTY, c"Empty"),
    (LINKSPAN_PERMISSION_DENIED, c"PermissionDenied"),
    (LINKSPAN_TOO_LARGE, c"TooLarge"),
    (LINKSPAN_MALFORMED, c"Malformed"),
    (LINKSPAN_UNSUPPORTED, c"Unsupported"),
    (LINKSPAN_SCHEMA_MISMATCH, c"SchemaMismatch"),
    (LINKSPAN_VERSION_MISMATCH, c"VersionMismatch"),
    (LINKSPAN_CANCELLED, c"Cancelled"),
    (LINKSPAN_INTERRUPTED, c"Interrupted"),
    (LINKSPAN_STALLED, c"Stalled"),
    (LINKSPAN_REMOTE, c"Remote"),
    (LINKSPAN_OUT_OF_RANGE, c"OutOfRange"),
    (LINKSPAN_NO_SPACE, c"NoSpace"),
    (LINKSPAN_LAGGED, c"Lagged"),
    (LINKSPAN_CORRUPT, c"Corrupt"),
    (LINKSPAN_INTERNAL, c"Internal"),
];

/// Returns the version of the running library: `"0.1.0"`. It lives as long as the program.
#[unsafe(no_mangle)]
pub extern "C" fn linkspan_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Returns the name of a status: `"Timeout"`; `"Unknown"` for other numbers.
///
/// It lives as long as the program.
#[unsafe(no_mangle)]
pub extern "C" fn linkspan_status_name(status: linkspan_status) -> *const c_char {
    NAMES.iter().find(|(code, _)| *code == status).map_or(c"Unknown", |(_, name)| name).as_ptr()
}

/// Returns the system clock: nanoseconds since 1970-01-01T00:00:00Z.
#[unsafe(no_mangle)]
pub extern "C" fn linkspan_timestamp_now() -> i64 {
    linkspan::Timestamp::now().nanoseconds()
}

#[cfg(test)]
mod tests {
    use super::*;
    use linkspan::ErrorKind;

    #[test]
    fn names_and_codes_are_those_of_the_core() {
        let core = ErrorKind::ALL.iter().map(|kind| (i32::from(kind.code()), kind.name()));
        let here = NAMES[1..].iter().map(|(code, name)| (*code, name.to_str().unwrap()));
        assert!(core.eq(here));
    }
}
