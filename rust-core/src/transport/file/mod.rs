//! `file:`, the newest value in one shared file: written whole under another name and renamed, or in place under a lock.
//!
//! Without `locked`, a writer takes the name's lock for as long as one write takes, writes a temporary file and renames it.
//! A reader opens, reads and has a value that nobody changes any more; it needs no lock. Any number of programs may write,
//! one after the other: nobody holds the name in between, and the number in the header counts the writes of all of them.
//!
//! With `locked`, the file is written where it lies, under the data file's own fcntl lock, and read under its read lock, as
//! programs do that know nothing but fcntl. All who use the file have to say so. A writer that was killed in the middle
//! leaves a file that says so itself, and is `Corrupt` until the next write.
//!
//! With `framing="linkspan"` the file is one frame: header, extension, body, with the body's check sum. With `"lines"` it is
//! a JSON text and a newline, with `"raw"` the encoded value alone: then there is no number but the count of changes seen.
//!
//! | what | lives in |
//! |---|---|
//! | the bytes of a file, and what is wrong with them | `form` |
//! | opening it, and nothing that only looks like it | `open` |
//! | writing | `writer` |
//! | reading, and noticing a change | `reader` |

mod form;
mod open;
mod reader;
mod writer;

pub use form::Form;
pub use reader::{Reader, listing};
pub use writer::Writer;

/// What is settled about a file by the options of whoever opens it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the bytes are.
    pub form: Form,
    /// Written in place under the file's own lock.
    pub locked: bool,
    /// Each write is on the disk before it is said to be done.
    pub durable: bool,
    /// The mode, where one was given: else that of the file that is there, else the directory's.
    pub mode: Option<u32>,
    /// The group, where one was given.
    pub group: Option<u32>,
    /// The longest body.
    pub limit: u64,
}
