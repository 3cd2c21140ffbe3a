//! `file:`, the newest value in one file: written under another name and renamed, or written in
//! place under a lock.
//!
//! Without `locked`, a writer holds the name's lock for one write: it writes a temporary file and
//! renames it. A reader opens the file and has a value that never changes, so it needs no lock. Any
//! number of programs may write, in turn; none owns the name between writes, and the number in the
//! header counts the writes of all of them.
//!
//! With `locked`, the file is written where it is, under the data file's own fcntl lock, and read
//! under its read lock, for programs that support nothing but fcntl. All programs that use the file
//! have to agree on that. A writer that is killed in the middle leaves a file that is recognisable
//! as incomplete: it is `Corrupt` until the next write.
//!
//! With `framing="linkspan"` the file is one frame: header, extension and body, with the body's
//! check sum. With `"lines"` it is a JSON text and a newline, with `"raw"` the encoded value alone;
//! these have no number but the count of changes that a reader has seen.
//!
//! | what | defined in |
//! |---|---|
//! | the bytes of a file, and their faults | `form` |
//! | opening a regular file, and nothing else | `open` |
//! | writing | `writer` |
//! | reading, and noticing a change | `reader` |
//! | the traits of a transport | `driver` |

mod driver;
mod form;
mod open;
mod reader;
mod writer;

pub use driver::File;

use crate::transport::store::Form;

/// The options of a program that opens a file.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The form of the bytes.
    pub form: Form,
    /// Whether it is written in place under the file's own lock.
    pub locked: bool,
    /// Whether each write is on the disk before it returns.
    pub durable: bool,
    /// The mode, if one was given: else that of the existing file, else the directory's.
    pub mode: Option<u32>,
    /// The group, if one was given.
    pub group: Option<u32>,
    /// The longest body in bytes.
    pub max_message_size: u64,
}
