//! A journal: an append-only log in the state directory, acknowledged once it is on the disk, read by any number.
//!
//! ```text
//! lab@fft.journal/00000000000000000001.segment    a page, then records; named by its first number
//! lab@fft.journal/00000000000000004711.segment    the last one grows
//! lab@fft.journal/committed                       how far it is safe, after each sync
//! lab@fft.journal/logger.consumer                 where the reader called logger has got to
//! ```
//!
//! A record is a message as it stands on the wire. The names of the segments are the index by number, their pages the
//! index by time; inside a segment headers are walked.
//!
//! | what | lives in |
//! |---|---|
//! | small blocks with a check sum | `block` |
//! | the directory and its files | `folder` |
//! | one record; the records of a segment | `record`, `records` |
//! | bodies that hold what looks like a record | `mask` |
//! | how far the journal is safe | `committed` |
//! | where it ends after a crash | `tail` |
//! | writing, and which segments go | `log`, `retention` |
//! | which schemas the records name | `schemas` |
//! | many senders, one sync | `writer` |
//! | reading, and where a reader stopped | `reader`, `consumer` |
//! | a reader of a journal that need not be there yet | `following` |
//! | what listings show | `listing` |

mod block;
mod committed;
mod consumer;
mod folder;
mod following;
#[cfg(all(any(test, fuzzing), not(loom)))]
mod fuzz;
mod listing;
mod log;
mod mask;
mod reader;
mod record;
mod records;
mod retention;
mod schemas;
mod tail;
mod writer;

pub use following::Following;
#[cfg(all(any(test, fuzzing), not(loom)))]
pub use fuzz::fuzz;
pub use listing::listing;
pub use log::Shape;
pub use reader::{Reader, Start};
pub use retention::Retention;
pub use schemas::schemas;
pub use writer::{Writer, WriterOptions};

#[cfg(test)]
mod tests;
