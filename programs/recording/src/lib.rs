//! Recordings: files in MCAP, written by the recorder and read by its tools and by Python.
//!
//! | what | lives in |
//! |---|---|
//! | files that are opened, and files that are made | `files` |
//! | folders that are made for files | `folders` |
//! | the names in a file | `format` |
//! | what happened to names and to the recorder | `event` |
//! | room on the disk, before it is needed | `reservation` |
//! | a part of a recording that is written | `writer` |
//! | the parts of a recording | `parts` |
//! | whose file a part is, and of which recording | `identity` |
//! | the parts that a recorder removed itself | `dropped` |
//! | losses that the recording itself contradicts | `claims` |
//! | sets of numbers | `ranges` |
//! | reading them | `reader` |
//! | chunks and their records | `chunk` |
//! | waiting for more of one that is written | `follower` |
//! | what a recording has | `summary` |
//! | distances of time, where the clock was set | `timeline` |
//! | the messages of a name as a table | `columns` |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
// Numbers that files and programs give are added without overflow.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![forbid(unsafe_code)]

#[cfg(test)]
mod chance_tests;
mod chunk;
mod claims;
pub mod columns;
mod dropped;
pub mod event;
pub mod files;
pub mod folders;
mod follower;
pub mod format;
mod identity;
pub mod parts;
mod pending;
mod ranges;
pub mod reader;
mod reservation;
pub mod summary;
pub mod timeline;
pub mod writer;

pub use chunk::is_closed;
pub use claims::Claims;
pub use columns::{Buffer, Column, Columns};
pub use dropped::Dropped;
pub use event::Event;
pub use identity::Identity;
pub use mcap::{Attachment, Compression};
pub use ranges::Ranges;
pub use reader::{Channel, Entry, Outline, Problem, Reader};
pub use summary::Summary;
pub use timeline::{Extent, Instant, Timeline, Within};
pub use writer::{ChannelRecord, JsonSchemas, Part, Settings, facts};
