//! Recordings: files in MCAP, written by the recorder and read by its tools and by Python.
//!
//! | what | lives in |
//! |---|---|
//! | the names in a file | `format` |
//! | what happened to names and to the recorder | `event` |
//! | room on the disk, before it is needed | `reservation` |
//! | a part of a recording that is written | `writer` |
//! | the parts of a recording | `parts` |
//! | reading them | `reader` |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]

pub mod event;
pub mod format;
pub mod parts;
pub mod reader;
mod reservation;
pub mod writer;

pub use event::Event;
pub use mcap::Compression;
pub use reader::{Channel, Entry, Problem, Reader};
pub use writer::{ChannelRecord, Part, Settings, identity, is_closed};
