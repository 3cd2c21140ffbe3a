//! A place that keeps what was published, so that publisher and subscriber need not run at the same
//! time: the interface of `file` and `journal` to `publish`.
//!
//! A file has the newest value alone. A journal has a *history*: records with consecutive numbers
//! in segments, which readers may start at any record and which [`Retention`] deletes from the old
//! end. A [`Replica`](Replicates) repeats the history of another machine, under the same numbers.

use bytes::Bytes;

use super::Rx;
use super::endpoint::Endpoint;
use super::place::{Access, Place};
use crate::codec::Encoding;
use crate::deadline::Waiting;
use crate::error::Result;
use crate::frame::{Incoming, Outgoing};

/// The form of the value in a store of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreForm {
    /// A header, an extension and a body, with a check sum.
    Frame,
    /// A JSON text and a newline.
    Line,
    /// The encoded value alone, in an encoding on which all programs have agreed.
    Bare(Encoding),
}

/// Where a reader of a history begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record that is left.
    First,
    /// At the newest record.
    Newest,
    /// At the record of this number.
    Sequence(u64),
    /// At the first record that was sent at this time or later: nanoseconds since 1970.
    Time(i64),
}

/// Which segments of a history are deleted. Each rule deletes on its own; without any, everything
/// is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Deletes the oldest while all segments together have more bytes.
    pub bytes: Option<u64>,
    /// Deletes those whose newest record is older than this: nanoseconds.
    pub age: Option<i64>,
    /// Deletes those that every named consumer has consumed; none while there is no consumer.
    pub consumed: bool,
}

/// The options of a program that opens a store; each store uses those that concern it.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The form of a single value.
    pub form: StoreForm,
    /// Whether a single value is written in place under the file's own lock.
    pub locked: bool,
    /// Whether each write is on the disk before it returns.
    pub durable: bool,
    /// Who may open the files.
    pub access: Access,
    /// The longest body in bytes.
    pub max_message_size: u64,
    /// The encoding of values.
    pub encoding: Encoding,
    /// The name of the program, if it gave one: that of a writer, or of a reader whose position is
    /// kept under it.
    pub client_id: Option<String>,
    /// Bytes of a segment of a history; `None` for the store's own number.
    pub segment_bytes: Option<u64>,
    /// What is deleted of a history.
    pub retention: Retention,
    /// The number of the schema that records are written with; 0 for none.
    pub schema: u64,
    /// Where a reader begins; `None` for its kept position, or else behind the records that are
    /// there.
    pub from: Option<Start>,
}

/// The writer of a store.
#[derive(Clone, Debug)]
pub struct Author {
    /// Its `client_id`, or its program's name and process number.
    pub source: String,
    /// The random number of its incarnation.
    pub session: u64,
}

/// A history and the records that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// A random number that was drawn when the history was made.
    pub identity: [u8; 16],
    /// The first numbers of its segments, ascending: the first of them is that of the oldest
    /// record.
    pub segments: Vec<u64>,
    /// The number of the last record on the disk; one below the first segment where there is no
    /// record.
    pub last: u64,
    /// The machine of the original history, for a replica; `None` for a history of this machine.
    pub machine: Option<String>,
}

/// The fields of an original record that a replica keeps.
#[derive(Clone, Debug)]
pub struct OriginalRecord {
    /// Its number.
    pub sequence: u64,
    /// When it was sent: nanoseconds since 1970.
    pub sent: i64,
    /// The writer's name.
    pub source: String,
    /// The writer's incarnation.
    pub session: u64,
    /// The first 8 bytes of the fingerprint of its schema, 0 for none.
    pub schema: u64,
    /// Whether it is the first record of its segment there, and so must be here.
    pub begins: bool,
}

/// Opens stores.
pub trait StoreDriver: Sync {
    /// Opens a store for writing, and makes it where there is none.
    ///
    /// # Errors
    /// `AddressInUse` where the store has one writer and another process is it; `PermissionDenied`.
    fn writer(
        &self,
        endpoint: &Endpoint,
        options: &StoreOptions,
        author: &Author,
    ) -> Result<Box<dyn StoreWriter>>;

    /// Opens a store for reading; it need not exist yet.
    fn reader(&self, endpoint: &Endpoint, options: &StoreOptions) -> Result<Rx>;

    /// Reads the newest value alone; waits for one until the deadline.
    ///
    /// # Errors
    /// `NotFound` where there is no store by then, `Empty` where it has no value.
    fn newest(
        &self,
        endpoint: &Endpoint,
        options: &StoreOptions,
        waiting: &mut Waiting<'_>,
    ) -> Result<Incoming>;

    /// Returns pairs of the number of the first record of each schema in a history and the number
    /// of that schema, beginning with the oldest record.
    fn schemas(&self, _place: &Place) -> Result<Vec<(u64, u64)>> {
        Ok(Vec::new())
    }

    /// Returns the history at a place; `None` where there is none.
    fn history(&self, _place: &Place) -> Result<Option<History>> {
        Ok(None)
    }

    /// Returns the first numbers of the segments of the history at a place, ascending.
    fn segments(&self, _place: &Place) -> Result<Vec<u64>> {
        Ok(Vec::new())
    }

    /// Opens the replica of another machine's history, and makes it where there is none; `None`
    /// where this store has no histories.
    fn replica(&self, _place: &Place, _access: Access, _of: &History) -> Result<Option<Box<dyn Replicates>>> {
        Ok(None)
    }
}

/// The writing end of a replica.
pub trait Replicates: Send + std::fmt::Debug {
    /// Returns the number of its last record.
    fn last(&self) -> u64;

    /// Writes records and their bodies in order; they are on the disk when it returns.
    ///
    /// # Errors
    /// `NoSpace`, which leaves the replica as it was.
    fn append(&mut self, records: Vec<(OriginalRecord, Encoding, Bytes)>) -> Result<()>;

    /// Deletes records below this number, which the original history no longer has, as far as they
    /// fill segments.
    fn retire_before(&mut self, first: u64) -> Result<()>;
}

/// The writing end of a store.
pub trait StoreWriter: Send + Sync {
    /// Returns whether several threads may write at once.
    fn accepts_many(&self) -> bool;

    /// Writes one value, and returns the number that the store gave it.
    ///
    /// # Errors
    /// `Stalled` where another program held the lock until the deadline; `NoSpace`.
    fn write(&self, frame: &Outgoing<'_>, body: &Bytes, waiting: &mut Waiting<'_>) -> Result<u64>;

    /// Writes several values in order with one sync. Returns how many, and the error of the next
    /// one; `None` where the store writes them one by one.
    fn write_many(&self, bodies: &mut dyn Iterator<Item = (Encoding, Bytes)>) -> Option<(usize, Result<()>)>;

    /// Returns how many programs read it now under a name.
    fn subscribers(&self) -> usize;

    /// Gives up the name.
    fn close(&self);
}
