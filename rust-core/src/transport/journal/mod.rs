//! A journal: an append-only log in the state directory, written by one process and read by any
//! number. A record is acknowledged once it is on the disk, and readers see no record before that.
//!
//! ```text
//! lab@fft.journal/00000000000000000001.segment    a page, then records; named by its first number
//! lab@fft.journal/00000000000000004711.segment    the last one grows
//! lab@fft.journal/committed                       the last safe record, after each sync
//! lab@fft.journal/logger.consumer                 the position of the reader called logger
//! ```
//!
//! A record is a message as it stands on the wire. The names of the segments are the index by
//! number, their pages the index by time; inside a segment the headers are walked (decision 13).
//!
//! The process that holds the journal's lock writes; readers take no lock, except one for their
//! name. A crash at any instruction leaves whole records, then at most one torn tail, which the
//! next writer truncates if none of it was acknowledged (`tail`). Damage to acknowledged records is
//! `Corrupt`, with the file and the offset, and is never truncated unless the user requests it.
//!
//! | what | defined in |
//! |---|---|
//! | small blocks with a checksum | `block` |
//! | the directory and its files | `folder` |
//! | one record; the records of a segment | `record`, `records` |
//! | bodies with bytes that look like a record | `mask` |
//! | the last safe record | `committed` |
//! | the end after a crash | `tail` |
//! | writing, and which segments are deleted | `log`, `retention` |
//! | which schemas the records name | `schemas` |
//! | many senders, one sync | `writer` |
//! | a journal that repeats one of another machine | `replica` |
//! | reading, and the stored position of a reader | `reader`, `consumer` |
//! | a reader of a journal that may not exist yet | `following` |
//! | the listing | `listing` |
//! | the traits of a transport | `driver` |

mod block;
mod committed;
mod consumer;
mod driver;
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
mod replica;
mod retention;
mod schemas;
mod tail;
mod writer;

pub use driver::Journal;
#[cfg(all(any(test, fuzzing), not(loom)))]
pub use fuzz::fuzz;

#[cfg(test)]
mod tests;
