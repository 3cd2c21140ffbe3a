//! The journal as a transport: its kind, and the traits of `transport::driver` and
//! `transport::store`.
//!
//! A journal is a store with a history: a publisher writes it, and subscribers read it from any
//! record, at the same time or later. The layer above uses only `StoreDriver`, `StoreWriter` and
//! `StoreReader`; policy (numbers, times, retention, names of readers) is in `log`, `writer` and
//! `reader`.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::folder::Folder;
use super::following::Following;
use super::log::Shape;
use super::reader::Reader;
use super::replica::{self, Replica};
use super::writer::{Writer, WriterOptions};
use super::{listing, schemas};
use crate::codec::Encoding;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Incoming, Outgoing};
use crate::sys::poll::wait_readable;
use crate::sys::socket::Carries;
use crate::sys::staging::Swept;
use crate::transport::capability::{Capabilities, LINKS};
use crate::transport::driver::{Driver, Listing, ListingSource};
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::{Kind, Names, Naming};
use crate::transport::place::{Access, Place};
use crate::transport::store::{
    Author, History, Replicates, StoreDriver, StoreOptions, StoreReader, StoreWriter,
};
use crate::value::Map;

/// The driver of `journal:`; it has no state.
pub struct Journal;

/// The name and the capabilities; `because` is the reason in errors about operations that a journal
/// does not support.
static KIND: Kind = Kind {
    name: "journal",
    naming: Naming::NameOrPath,
    names: Names::State,
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
        listing::listing(place)
    }

    /// Nothing in a journal is stale when its writer has died.
    fn sweep(&self, _place: &Place, _begun: bool) -> Result<Swept> {
        Ok(Swept::default())
    }
}

impl StoreDriver for Journal {
    /// Opens the journal to write it; `AddressInUse` where a living process does.
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
            shape: Shape {
                segment_bytes: options.segment_bytes,
                retention: options.retention,
                schema: options.schema,
                beginning: None,
            },
            owner_record: Map::from_iter([("encoding".to_owned(), options.encoding.name().into())]),
        };
        let writer = Writer::open(&Place::of(endpoint)?, writer_options)?;
        Ok(Box::new(OpenWriter(Mutex::new(Some(Arc::new(writer))))))
    }

    fn reader(&self, endpoint: &Endpoint, options: &StoreOptions) -> Result<Box<dyn StoreReader>> {
        let name = options.client_id.as_deref();
        Ok(Box::new(Following::open(&Place::of(endpoint)?, name, options.from, options.max_message_size)?))
    }

    fn newest(
        &self,
        endpoint: &Endpoint,
        options: &StoreOptions,
        waiting: &mut Waiting<'_>,
    ) -> Result<Incoming> {
        let nothing = || Error::new(ErrorKind::Empty, "nothing has been published yet");
        let place = Place::of(endpoint)?;
        if let Some(newest) = Reader::newest(&place, options.max_message_size)? {
            return newest.map(|(frame, _)| frame).ok_or_else(nothing);
        }
        let mut following = Following::open(&place, None, None, options.max_message_size)?;
        loop {
            match following.latest() {
                Ok(Some((frame, _))) => return Ok(frame),
                Ok(None) => return Err(nothing()),
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                Err(e) => {
                    if !following.park()? {
                        wait_readable(waiting, &[following.descriptor()])
                            .map_err(|slept| if slept.kind() == ErrorKind::Timeout { e } else { slept })?;
                    }
                }
            }
        }
    }

    fn schemas(&self, place: &Place) -> Result<Vec<(u64, u64)>> {
        schemas::schemas(place)
    }

    fn history(&self, place: &Place) -> Result<Option<History>> {
        replica::history(place)
    }

    fn segments(&self, place: &Place) -> Result<Vec<u64>> {
        let folder = Folder::open(place, Access::default())?;
        folder.map_or_else(|| Ok(Vec::new()), |folder| folder.segments())
    }

    fn replica(&self, place: &Place, access: Access, of: &History) -> Result<Option<Box<dyn Replicates>>> {
        Ok(Some(Box::new(Replica::open(place, access, of)?)))
    }
}

/// The writer of an open journal; `None` once it is closed. Threads share it, so a close in one
/// does not end a write in another.
struct OpenWriter(Mutex<Option<Arc<Writer>>>);

impl OpenWriter {
    /// Returns the writer; `InvalidState` after the close.
    fn get(&self) -> Result<Arc<Writer>> {
        let writer = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        writer.ok_or_else(|| Error::new(ErrorKind::InvalidState, "the publisher is closed"))
    }
}

/// The journal assigns each message its number and its time; several threads share each sync.
impl StoreWriter for OpenWriter {
    fn takes_many(&self) -> bool {
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

    /// Only for listings, so an error counts as none.
    fn subscribers(&self) -> usize {
        // An error is ignored: the count decides nothing.
        self.get().and_then(|writer| writer.live_consumers()).unwrap_or(0)
    }

    fn close(&self) {
        let writer = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Acknowledged records are safe without it; it only saves the next writer a search.
        let _ = writer.map(|writer| writer.close());
    }
}

impl StoreReader for Following {
    fn try_recv(&mut self) -> Result<Option<Incoming>> {
        Ok(Following::try_recv(self)?.map(|(frame, _)| frame))
    }

    fn latest(&mut self) -> Result<Option<Incoming>> {
        Ok(Following::latest(self)?.map(|(frame, _)| frame))
    }

    fn consumed(&mut self, sequence: u64) -> Result<()> {
        Following::consumed(self, sequence)
    }

    /// False: the reader itself reports missing records.
    fn has_gaps(&self) -> bool {
        false
    }

    fn goes_on(&self) -> bool {
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
