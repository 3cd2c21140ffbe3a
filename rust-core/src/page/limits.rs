//! The defaults and bounds of requests, the same for every web server of the page.

/// The longest body of a request, in bytes.
pub const MAX_BODY: usize = 64 << 10;
/// How long a command has where its body names no time, in seconds.
pub const DEFAULT_WITHIN: f64 = 30.0;
/// The longest time that a command may have, in seconds.
pub const MAX_WITHIN: f64 = 600.0;
/// The lines of the log that are sent where the request names no number.
pub const DEFAULT_LOG_LINES: usize = 200;
/// The most lines of the log in one response.
pub const MAX_LOG_LINES: usize = 2000;
/// The lines of the log in a snapshot, the first event of a stream.
pub const SNAPSHOT_LOG_LINES: usize = 300;
