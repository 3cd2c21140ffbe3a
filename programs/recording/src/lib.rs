//! Recordings: MCAP files that the recorder writes and that its tools and Python read.
//!
//! | task | module |
//! |---|---|
//! | opening and making files | `files` |
//! | making folders | `folders` |
//! | names inside a file | `format` |
//! | events of names and of the recorder | `event` |
//! | reserved space on the disk | `reservation` |
//! | writing a part | `writer` |
//! | finding the parts of a recording | `parts` |
//! | owner and recording of a part | `identity` |
//! | parts that a recorder removed | `dropped` |
//! | contradictory reports of losses | `claims` |
//! | sets of numbers | `ranges` |
//! | reading recordings | `reader` |
//! | chunks and their records | `chunk` |
//! | waiting for a growing recording | `follower` |
//! | the content of a recording | `summary` |
//! | durations without steps of the clock | `timeline` |
//! | the messages of a name as a table | `columns` |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
// Numbers from files and programs must not overflow.
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
