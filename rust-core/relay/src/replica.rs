//! A journal of this machine that repeats one of another machine; a bridge writes it.
//!
//! Records keep their numbers, times, sources and incarnations, so the replica looks to subscribers like the original.
//! It also has the schemas that records name.

use bytes::Bytes;
use linkspan_engine::relay_side::{self, store_driver, stored};
use linkspan_engine::{History, Message, Options};
use linkspan_os::fork::OfProcess;
use linkspan_transport::endpoint::Endpoint;
use linkspan_transport::place::Place;
use linkspan_transport::store::{OriginalRecord, Replicates};
use linkspan_value::codec::Encoding;
use linkspan_value::{Error, ErrorKind, Result};

/// A stored record of a history, for a replica.
#[derive(Clone, Debug)]
pub struct ReplicaRecord {
    /// Its number.
    pub sequence: u64,
    /// When it was sent: nanoseconds since 1970.
    pub sent: i64,
    /// The writer's name.
    pub source: String,
    /// The writer's incarnation.
    pub session: u64,
    /// The number of its schema; 0 for none.
    pub schema: u64,
    /// The encoding of the body.
    pub encoding: Encoding,
    /// The body.
    pub body: Bytes,
    /// Whether a segment begins with it.
    pub begins: bool,
}

/// A journal that repeats one of another machine, record by record.
///
/// A publisher of this machine that opens it gets `AddressInUse`.
#[derive(Debug)]
pub struct Replica {
    shown: String,
    endpoint: Endpoint,
    writer: OfProcess<Box<dyn Replicates>>,
    max_message_size: u64,
}

impl Replica {
    /// Opens or creates the replica of the journal `of`, of the machine in [`Options::with_machine`].
    ///
    /// Records that the other journal has deleted are deleted here as well. If the other journal was created anew, the
    /// old replica is renamed to `NAME.replaced`, and replaces a file of that name.
    ///
    /// # Errors
    ///
    /// `AddressInUse` if a process writes the replica, or if the journal belongs to this machine or to a third one.
    /// `Unsupported` for an endpoint without history.
    pub fn open(endpoint: &str, options: &Options, of: &History) -> Result<Replica> {
        let endpoint: Endpoint = endpoint.parse()?;
        let open = || {
            let of = History { machine: relay_side::machine(options).map(str::to_owned), ..of.clone() };
            let place = Place::of(&endpoint)?;
            let unsupported = || {
                let text = "only a journal: repeats one of another machine";
                Error::new(ErrorKind::Unsupported, text)
            };
            let driver = store_driver(&endpoint)?;
            let writer = driver.replica(&place, relay_side::access(options), &of)?.ok_or_else(unsupported)?;
            // Old records may just have been deleted, and with them the last uses of schemas.
            stored::remove_unused(&endpoint)?;
            Ok(writer)
        };
        let writer = open().map_err(|e: Error| e.on(&endpoint))?;
        Ok(Replica {
            shown: endpoint.to_string(),
            endpoint,
            writer: writer.into(),
            max_message_size: options.max_message_size,
        })
    }

    /// Returns the number of its last record; the next record follows it.
    pub fn last(&self) -> u64 {
        self.writer.last()
    }

    /// Writes records in their order; they are on the disk when this returns.
    ///
    /// Existing records change nothing.
    ///
    /// # Errors
    ///
    /// `Malformed` if a record is missing before another that does not begin a segment. `TooLarge` above
    /// `max_message_size`. `NoSpace` on a full disk: [`Replica::last`] returns the last written number, and the rest
    /// can be written later.
    pub fn append(&mut self, records: Vec<ReplicaRecord>) -> Result<()> {
        OfProcess::born(&self.writer).check().map_err(|e| e.on(&self.shown))?;
        let longest = records.iter().map(|record| record.body.len() as u64).max();
        if let Some(size) = longest.filter(|size| *size > self.max_message_size) {
            let text = format!(
                "a record has {size} bytes, {} are taken (option max_message_size)",
                self.max_message_size
            );
            return Err(Error::new(ErrorKind::TooLarge, text).on(&self.shown));
        }
        let original = |record: ReplicaRecord| {
            let ReplicaRecord { sequence, sent, source, session, schema, encoding, body, begins } = record;
            (OriginalRecord { sequence, sent, source, session, schema, begins }, encoding, body)
        };
        self.writer.append(records.into_iter().map(original).collect()).map_err(|e| e.on(&self.shown))
    }

    /// Stores the canonical form of a schema.
    ///
    /// Call it before [`Replica::append`] with records that name the schema.
    pub fn keep_schema(&self, form: &[u8]) -> Result<()> {
        stored::keep_form(&self.endpoint, form).map_err(|e| e.on(&self.shown))
    }

    /// Deletes records below this number, which the other journal has deleted. Only whole segments go.
    pub fn retire_before(&mut self, first: u64) -> Result<()> {
        self.writer.retire_before(first).map_err(|e| e.on(&self.shown))
    }
}

impl ReplicaRecord {
    /// Returns the record of a journal's message. `begins` tells whether a segment begins with it.
    pub fn of(message: &Message, begins: bool) -> ReplicaRecord {
        ReplicaRecord {
            sequence: message.sequence(),
            sent: message.sent().0,
            source: message.source().to_owned(),
            session: message.incarnation(),
            schema: relay_side::schema_number(message),
            encoding: message.encoding(),
            body: message.body().clone(),
            begins,
        }
    }
}
