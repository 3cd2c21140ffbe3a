//! `file:`, the newest value in one file: renamed to its name, or written in place under a lock.
//!
//! Without `locked`, a writer holds the name's lock for one write: it writes a temporary file and renames it.
//! A reader opens a file that never changes, so it needs no lock. With `locked`, the file is written and read
//! in place under its own fcntl lock, for programs that support only fcntl. After a writer is killed in the
//! middle, readers get `Corrupt` until the next write.
//!
//! With `framing="linkspan"` the file is one frame with the body's check sum. With `"lines"` it is a JSON
//! text and a newline, with `"raw"` only the encoded value, both without a number. No process owns the name,
//! so a file is never stale.

mod form;
mod open;
mod reader;
mod writer;

use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use self::open::Settings;
use self::reader::Reader;
use self::writer::FileWriter;
use crate::Rx;
use crate::capability::{Capabilities, LINKS};
use crate::codec::Encoding;
use crate::deadline::Waiting;
use crate::driver::{Driver, Listing, ListingSource};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Incoming, Outgoing};
use crate::half::ReceiveHalf;
use crate::kind::{Kind, NameDirectory, Naming};
use crate::place::Place;
use crate::store::{Author, StoreDriver, StoreOptions, StoreWriter};
use crate::sys::socket::Carries;
use crate::sys::staging::Swept;

pub struct File;

static KIND: Kind = Kind {
    name: "file",
    naming: Naming::NameOrPath,
    names: NameDirectory::Runtime,
    carries: Carries::Bytes,
    capabilities: Capabilities {
        channel: false,
        request: false,
        replies: false,
        sessions: false,
        keeps: true,
        durable: true,
        allow_lists: false,
        framing: true,
        store: true,
        single_value: true,
        because: "a file holds one value, the latest: publish to it, subscribe to it, or ask for the latest; use spool: for messages",
        ..LINKS
    },
};

impl Driver for File {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn store(&self) -> Option<&dyn StoreDriver> {
        Some(self)
    }

    fn listing_source(&self) -> ListingSource {
        ListingSource::Files { owned: false }
    }

    fn listing(&self, place: &Place) -> Result<Option<Listing>> {
        reader::listing(place)
    }

    /// The file of a dead process is its value, so nothing is removed.
    fn sweep(&self, _place: &Place, _begun: bool) -> Result<Swept> {
        Ok(Swept::default())
    }
}

fn settings(options: &StoreOptions) -> Settings {
    Settings {
        form: options.form,
        locked: options.locked,
        durable: options.durable,
        mode: options.access.mode,
        group: options.access.group,
        max_message_size: options.max_message_size,
    }
}

impl StoreDriver for File {
    fn writer(
        &self,
        endpoint: &Endpoint,
        options: &StoreOptions,
        _author: &Author,
    ) -> Result<Box<dyn StoreWriter>> {
        Ok(Box::new(Mutex::new(FileWriter::new(endpoint, settings(options))?)))
    }

    fn reader(&self, endpoint: &Endpoint, options: &StoreOptions) -> Result<Rx> {
        Ok(Rx::Place(Box::new(Reader::watching(endpoint, settings(options))?)))
    }

    fn newest(
        &self,
        endpoint: &Endpoint,
        options: &StoreOptions,
        waiting: &mut Waiting<'_>,
    ) -> Result<Incoming> {
        Reader::new(endpoint, settings(options))?.latest(waiting)
    }
}

/// One thread writes at a time, under the mutex.
impl StoreWriter for Mutex<FileWriter> {
    fn accepts_many(&self) -> bool {
        false
    }

    /// Blocks on the mutex while another thread writes, and on the lock of the file until the deadline.
    fn write(&self, frame: &Outgoing<'_>, _body: &Bytes, waiting: &mut Waiting<'_>) -> Result<u64> {
        self.lock().unwrap_or_else(PoisonError::into_inner).write(frame, waiting)
    }

    /// `None`: values are written one by one, because only the last would remain.
    fn write_many(
        &self,
        _bodies: &mut dyn Iterator<Item = (Encoding, Bytes)>,
    ) -> Option<(usize, Result<()>)> {
        None
    }

    /// Readers leave no trace in a file, so their number is unknown.
    fn subscribers(&self) -> usize {
        0
    }

    fn close(&self) {}
}

impl ReceiveHalf for Reader {
    fn try_recv(&mut self) -> Result<Option<Incoming>> {
        Reader::try_recv(self)
    }

    fn has_several(&self) -> bool {
        false
    }

    fn keeps_newest(&self) -> bool {
        true
    }

    fn newest(&mut self) -> Result<Option<Incoming>> {
        match Reader::latest(self, &mut Waiting::at_once()) {
            Err(e) if e.kind() == ErrorKind::Empty => Ok(None),
            frame => frame.map(Some),
        }
    }

    fn why_nothing(&self) -> Option<Error> {
        Reader::why_nothing(self)
    }

    fn park(&mut self) -> Result<bool> {
        Ok(Reader::park(self))
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        Reader::descriptors(self)
    }
}
