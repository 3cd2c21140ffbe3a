//! A journal: an append-only log in the state directory, with one writing process and any number of readers.
//!
//! A record is acknowledged after it is on the disk; readers see no record before that.
//!
//! ```text
//! lab@fft.journal/00000000000000000001.segment    a page, then records; named by its first number
//! lab@fft.journal/00000000000000004711.segment    the last one grows
//! lab@fft.journal/committed                       the last safe record, after each sync
//! lab@fft.journal/logger.consumer                 the position of the reader called logger
//! ```
//!
//! A record is a message in its wire format. The names of the segments are the index by number, their pages
//! the index by time.
//!
//! The process that holds the journal's lock writes. A crash at any instruction leaves whole records, then at
//! most one torn tail, which the next writer truncates if no part was acknowledged (`tail`). Damage to
//! acknowledged records is `Corrupt`, with the file and the offset; only the user can request its truncation.
//!
//! | topic | module |
//! |---|---|
//! | short blocks with a checksum | `block` |
//! | the directory and its files | `folder` |
//! | one record; the records of a segment, and their schema | `record`, `records` |
//! | bodies with bytes that look like a record | `mask` |
//! | the last safe record | `committed` |
//! | the end after a crash | `tail` |
//! | writing; deletion of segments | `log`, `retention` |
//! | many senders, one sync | `writer` |
//! | a copy of another machine's journal | `replica` |
//! | reading, and the stored position of a reader | `reader`, `consumer` |
//! | a reader of a journal that may not exist yet | `following` |

mod block;
mod committed;
mod consumer;
mod folder;
mod following;
#[cfg(all(any(test, fuzzing), not(loom)))]
mod fuzz;
mod log;
mod mask;
mod reader;
mod record;
mod records;
mod replica;
mod retention;
mod tail;
mod writer;

#[cfg(all(any(test, fuzzing), not(loom)))]
pub use fuzz::fuzz;

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use self::committed::Word;
use self::folder::JournalFolder;
use self::following::Following;
use self::log::Segmentation;
use self::reader::Reader;
use self::replica::Replica;
use self::writer::{JournalWriter, WriterOptions};
use crate::Rx;
use crate::capability::{Capabilities, LINKS};
use crate::codec::Encoding;
use crate::deadline::{Waiting, at_timeout};
use crate::driver::{Consumer, Driver, Listing, ListingSource};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Incoming, Outgoing};
use crate::half::ReceiveHalf;
use crate::kind::{Kind, NameDirectory, Naming};
use crate::place::{Access, Place};
use crate::store::{Author, History, Replicates, StoreDriver, StoreOptions, StoreWriter};
use crate::sys::poll::wait_readable;
use crate::sys::socket::Carries;
use crate::sys::staging::Swept;
use crate::value::Map;

pub struct Journal;

/// `because` is the reason in errors about unsupported operations.
static KIND: Kind = Kind {
    name: "journal",
    naming: Naming::NameOrPath,
    names: NameDirectory::State,
    carries: Carries::Bytes,
    capabilities: Capabilities {
        channel: false,
        request: false,
        replies: false,
        sessions: false,
        keeps: true,
        durable: true,
        allow_lists: false,
        store: true,
        history: true,
        because: "a journal is written by one publisher and read by subscribers; use spool: with durable=true for requests that survive",
        ..LINKS
    },
};

impl Driver for Journal {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn store(&self) -> Option<&dyn StoreDriver> {
        Some(self)
    }

    fn listing_source(&self) -> ListingSource {
        ListingSource::Files { owned: true }
    }

    fn listing(&self, place: &Place) -> Result<Option<Listing>> {
        listing(place)
    }

    /// After the death of its writer a journal has nothing stale.
    fn sweep(&self, _place: &Place, _begun: bool) -> Result<Swept> {
        Ok(Swept::default())
    }
}

/// Returns the number of messages of the journal at a place, and how far each named reader is behind.
///
/// It takes no lock and changes nothing. Before any writer has written the committed word it shows 0
/// messages.
///
/// # Errors
/// `Corrupt` if the page of the last segment or a consumer's file is damaged.
fn listing(place: &Place) -> Result<Option<Listing>> {
    let Some(folder) = JournalFolder::open(place, Access::default())? else { return Ok(None) };
    let Some((_, segment)) = committed::last_segment(&folder)? else { return Ok(None) };
    let word = Word::open(&folder, segment.id)?;
    let committed = word.map_or(Ok(None), |word| word.read())?;
    let last = committed.map_or(0, |committed| committed.sequence);
    let mut consumers = Vec::new();
    for name in folder.consumers()? {
        let Some(position) = consumer::position(&folder, &name, false)? else { continue };
        let live = consumer::is_live(&folder, &name)?;
        consumers.push(Consumer { name, behind: last.saturating_sub(position.sequence), live });
    }
    let identity = segment.id.first_chunk().map(|first| u64::from_le_bytes(*first).max(1));
    Ok(Some(Listing { identity, messages: Some(last), consumers: Some(consumers), ..Listing::default() }))
}

impl StoreDriver for Journal {
    fn writer(
        &self,
        endpoint: &Endpoint,
        options: &StoreOptions,
        author: &Author,
    ) -> Result<Box<dyn StoreWriter>> {
        let writer_options = WriterOptions {
            source: author.source.clone(),
            session: author.session,
            access: options.access,
            shape: Segmentation {
                segment_bytes: options.segment_bytes,
                retention: options.retention,
                schema: options.schema,
                beginning: None,
            },
            owner_record: Map::from_iter([("encoding".to_owned(), options.encoding.name().into())]),
        };
        let writer = JournalWriter::open(&Place::of(endpoint)?, writer_options)?;
        Ok(Box::new(OpenWriter(Mutex::new(Some(Arc::new(writer))))))
    }

    fn reader(&self, endpoint: &Endpoint, options: &StoreOptions) -> Result<Rx> {
        let (place, name) = (Place::of(endpoint)?, options.client_id.as_deref());
        let following = Following::open(&place, name, options.from, options.max_message_size)?;
        Ok(Rx::Place(Box::new(following)))
    }

    fn newest(
        &self,
        endpoint: &Endpoint,
        options: &StoreOptions,
        waiting: &mut Waiting<'_>,
    ) -> Result<Incoming> {
        let nothing = || Error::new(ErrorKind::Empty, "nothing has been published yet");
        let place = Place::of(endpoint)?;
        match Reader::newest(&place, options.max_message_size)? {
            Some(Some((frame, _))) => return Ok(frame),
            Some(None) if waiting.is_none() => return Err(nothing()),
            _ => {}
        }
        let mut following = Following::open(&place, None, None, options.max_message_size)?;
        loop {
            let missing = match following.latest() {
                Ok(Some((frame, _))) => return Ok(frame),
                Ok(None) => nothing(),
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                Err(e) => e,
            };
            if !following.park()? {
                wait_readable(waiting, &[following.descriptor()]).map_err(at_timeout(missing))?;
            }
        }
    }

    fn schemas(&self, place: &Place) -> Result<Vec<(u64, u64)>> {
        records::schemas(place)
    }

    fn history(&self, place: &Place) -> Result<Option<History>> {
        replica::history(place)
    }

    fn segments(&self, place: &Place) -> Result<Vec<u64>> {
        let folder = JournalFolder::open(place, Access::default())?;
        folder.map_or_else(|| Ok(Vec::new()), |folder| folder.segments())
    }

    fn replica(&self, place: &Place, access: Access, of: &History) -> Result<Option<Box<dyn Replicates>>> {
        Ok(Some(Box::new(Replica::open(place, access, of)?)))
    }
}

/// The writer of an open journal; `None` after the close, which does not end another thread's write.
struct OpenWriter(Mutex<Option<Arc<JournalWriter>>>);

impl OpenWriter {
    fn get(&self) -> Result<Arc<JournalWriter>> {
        let writer = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        writer.ok_or_else(|| Error::new(ErrorKind::InvalidState, "the publisher is closed"))
    }
}

/// The journal assigns each message its number and its time. Several threads share each sync.
impl StoreWriter for OpenWriter {
    fn accepts_many(&self) -> bool {
        true
    }

    fn write(&self, frame: &Outgoing<'_>, body: &Bytes, _waiting: &mut Waiting<'_>) -> Result<u64> {
        self.get()?.append(frame.header.encoding, body.clone())
    }

    fn write_many(&self, bodies: &mut dyn Iterator<Item = (Encoding, Bytes)>) -> Option<(usize, Result<()>)> {
        Some(match self.get() {
            Ok(writer) => writer.append_many(bodies),
            Err(e) => (0, Err(e)),
        })
    }

    /// Ignores errors: only listings use the count.
    fn subscribers(&self) -> usize {
        self.get().and_then(|writer| writer.live_consumers()).unwrap_or(0)
    }

    fn close(&self) {
        let writer = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It saves the next writer a search.
        let _ = writer.map(|writer| writer.close());
    }
}

impl ReceiveHalf for Following {
    fn try_recv(&mut self) -> Result<Option<Incoming>> {
        Ok(Following::try_recv(self)?.map(|(frame, _)| frame))
    }

    fn keeps_newest(&self) -> bool {
        true
    }

    fn newest(&mut self) -> Result<Option<Incoming>> {
        Ok(Following::latest(self)?.map(|(frame, _)| frame))
    }

    fn consumed_to(&mut self, number: u64) -> Result<()> {
        Following::consumed(self, number)
    }

    fn counts_missed(&self) -> bool {
        true
    }

    fn keeps_place(&self) -> bool {
        true
    }

    fn why_nothing(&self) -> Option<Error> {
        (!self.is_present()).then(|| Following::why_nothing(self))
    }

    fn park(&mut self) -> Result<bool> {
        Following::park(self)
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.descriptor()]
    }
}

#[cfg(test)]
mod tests;
