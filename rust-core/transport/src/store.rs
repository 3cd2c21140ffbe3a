//! A place that keeps published messages: the interface of `file` and `journal` to `publish`.
//!
//! Publisher and subscriber need not run at the same time. A file has only the newest value. A journal has a *history*:
//! numbered records in segments. A [`Replica`](Replicates) repeats another machine's history.

use bytes::Bytes;

use super::Rx;
use super::endpoint::Endpoint;
use super::place::{Access, Place};
use crate::codec::Encoding;
use crate::deadline::Waiting;
use crate::error::Result;
use crate::frame::{Incoming, Outgoing};

/// The form of the value in a store with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreForm {
    /// A header, an extension and a body, with a check sum.
    Frame,
    /// A JSON text and a newline.
    Line,
    /// Only the encoded value, in an agreed encoding.
    Bare(Encoding),
}

/// The start of a reader of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest remaining record.
    First,
    /// At the newest record.
    Newest,
    /// At the record of this number.
    Sequence(u64),
    /// At the first record sent at this time or later, ns since 1970.
    Time(i64),
}

/// Rules that each delete segments of a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Deletes the oldest segments above this many bytes in total.
    pub bytes: Option<u64>,
    /// Deletes segments whose newest record is older than this, in ns.
    pub age: Option<i64>,
    /// Deletes segments that every named consumer has consumed, if any.
    pub consumed: bool,
}

/// A program's options for a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The form of a single value.
    pub form: StoreForm,
    /// Whether a single value is written under the file's lock.
    pub locked: bool,
    /// Whether each write is on the disk before it returns.
    pub durable: bool,
    /// The users that may open the files.
    pub access: Access,
    /// The longest body in bytes.
    pub max_message_size: u64,
    /// The encoding of values.
    pub encoding: Encoding,
    /// A writer's name, or a reader's whose position is kept.
    pub client_id: Option<String>,
    /// Bytes of a segment; `None` for the store's default.
    pub segment_bytes: Option<u64>,
    /// The rules of deletion.
    pub retention: Retention,
    /// The number of the schema of written records; 0 without a schema.
    pub schema: u64,
    /// The start of a reader. `None`: its kept position, or after the existing records.
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

/// A history and its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// A random number, drawn when the history was made.
    pub identity: [u8; 16],
    /// The first number of each segment, ascending.
    pub segments: Vec<u64>,
    /// The last record's number on the disk; without records, one less than the first segment's.
    pub last: u64,
    /// The machine of the original history; `None` for a history of this machine.
    pub machine: Option<String>,
}

/// The fields of an original record that a replica keeps.
#[derive(Clone, Debug)]
pub struct OriginalRecord {
    /// Its number.
    pub sequence: u64,
    /// The time of sending, ns since 1970.
    pub sent: i64,
    /// The writer's name.
    pub source: String,
    /// The writer's incarnation.
    pub session: u64,
    /// The first 8 bytes of the fingerprint of its schema; 0 without a schema.
    pub schema: u64,
    /// Whether it is the first record of its segment.
    pub begins: bool,
}

/// Opens stores.
pub trait StoreDriver: Sync {
    /// Opens a store for writing, and creates it if necessary.
    ///
    /// # Errors
    /// `AddressInUse` if another process is the one writer; `PermissionDenied`.
    fn writer(
        &self,
        endpoint: &Endpoint,
        options: &StoreOptions,
        author: &Author,
    ) -> Result<Box<dyn StoreWriter>>;

    /// Opens a store for reading; it need not exist yet.
    fn reader(&self, endpoint: &Endpoint, options: &StoreOptions) -> Result<Rx>;

    /// Reads only the newest value, and waits for it until the deadline.
    ///
    /// # Errors
    /// `NotFound` if there is no store by then; `Empty` if it has no value.
    fn newest(
        &self,
        endpoint: &Endpoint,
        options: &StoreOptions,
        waiting: &mut Waiting<'_>,
    ) -> Result<Incoming>;

    /// Returns each schema's first record's number and the schema's number, oldest first.
    fn schemas(&self, _place: &Place) -> Result<Vec<(u64, u64)>> {
        Ok(Vec::new())
    }

    /// Returns the history at a place, if it exists.
    fn history(&self, _place: &Place) -> Result<Option<History>> {
        Ok(None)
    }

    /// Returns the first numbers of the segments at a place, ascending.
    fn segments(&self, _place: &Place) -> Result<Vec<u64>> {
        Ok(Vec::new())
    }

    /// Opens the replica of another machine's history, and creates it if necessary.
    ///
    /// Returns `None` if this store has no histories.
    fn replica(&self, _place: &Place, _access: Access, _of: &History) -> Result<Option<Box<dyn Replicates>>> {
        Ok(None)
    }
}

/// The writing end of a replica.
pub trait Replicates: Send + std::fmt::Debug {
    /// Returns the number of the last record.
    fn last(&self) -> u64;

    /// Writes records and their bodies in order, onto the disk.
    ///
    /// # Errors
    /// `NoSpace`, which leaves the replica unchanged.
    fn append(&mut self, records: Vec<(OriginalRecord, Encoding, Bytes)>) -> Result<()>;

    /// Deletes whole segments of records below this number.
    fn retire_before(&mut self, first: u64) -> Result<()>;
}

/// The writing end of a store.
pub trait StoreWriter: Send + Sync {
    /// Returns whether several threads may write at once.
    fn accepts_many(&self) -> bool;

    /// Writes one value, and returns the number that the store gave it.
    ///
    /// # Errors
    /// `Stalled` if another program held the lock until the deadline; `NoSpace`.
    fn write(&self, frame: &Outgoing<'_>, body: &Bytes, waiting: &mut Waiting<'_>) -> Result<u64>;

    /// Writes values in order with one sync. Returns how many, and the error of the next.
    ///
    /// Returns `None` if the store writes values one by one.
    fn write_many(&self, bodies: &mut dyn Iterator<Item = (Encoding, Bytes)>) -> Option<(usize, Result<()>)>;

    /// Returns how many programs read the store now under a name.
    fn subscribers(&self) -> usize;

    /// Releases the name.
    fn close(&self);
}
