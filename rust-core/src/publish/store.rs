//! Publishing into what keeps values by itself, and reading from it: nobody has to be there for the other.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

use crate::channel::agreement::stored::{self, RecordSchemas};
use crate::channel::greeting::{Greeting, Pattern};
use crate::channel::{Framing, Options, StartAt};
use crate::deadline::{Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind, Outgoing};
use crate::message::Payload;
use crate::sys::poll::wait_readable;
use crate::transport::endpoint::{Endpoint, Transport};
use crate::transport::extension;
use crate::transport::file::{Form, Reader, Settings, Writer};
use crate::transport::journal::{self, Following, Retention, Shape, Start};
use crate::transport::place::Place;
use crate::value::{Map, Timestamp};

/// Whether values at this endpoint are kept in a store, and no publisher answers at the name.
pub fn is_store(transport: Transport) -> bool {
    matches!(transport, Transport::File | Transport::Journal)
}

/// The options as a store understands them.
pub fn options_for(transport: Transport, options: &Options) -> Options {
    let mut options = options.clone();
    if transport == Transport::File {
        // A file holds the latest value and nothing else.
        options.delivery.get_or_insert(crate::channel::Delivery::Latest);
    }
    options
}

fn settings(options: &Options) -> Settings {
    Settings {
        form: match options.framing {
            Framing::Linkspan => Form::Frame,
            Framing::Lines => Form::Line,
            Framing::Raw => Form::Bare(options.encoding()),
        },
        locked: options.locked,
        durable: options.durable,
        mode: options.mode,
        group: options.group,
        limit: options.limit,
    }
}

fn shape(options: &Options) -> Shape {
    let age = options.retain_seconds.map(|age| i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
    let retention = Retention { bytes: options.retain_bytes, age, consumed: options.retain_consumed };
    let schema = options.schema.as_ref().map_or(0, |schema| schema.id());
    Shape { segment_bytes: options.segment_bytes, retention, schema }
}

/// Where a publisher writes.
pub enum Store {
    /// One value.
    File {
        /// One thread writes at a time.
        writer: Mutex<Writer>,
        /// Who writes, and in which incarnation: each value says it.
        sender: Vec<u8>,
        /// How long a write may wait for the lock.
        options: Box<Options>,
    },
    /// All of them; none once it is closed.
    Journal(Mutex<Option<Arc<journal::Writer>>>),
}

impl Store {
    /// Opens the store of an endpoint; none where values are not kept.
    pub fn open(endpoint: &Endpoint, options: &Options) -> Result<Option<Store>> {
        if !is_store(endpoint.transport()) {
            return Ok(None);
        }
        let us = Greeting::new(Pattern::Publish, options.client_id.clone(), options.limit)?;
        if endpoint.transport() == Transport::File {
            return Ok(Some(Store::File {
                writer: Mutex::new(Writer::new(endpoint, settings(options))?),
                sender: extension::write(&us.source(), us.session)?,
                options: Box::new(options.clone()),
            }));
        }
        let writer_options = journal::WriterOptions {
            source: us.source(),
            session: us.session,
            access: options.access(),
            shape: shape(options),
            owner_record: Map::from_iter([("encoding".to_owned(), options.encoding.name().into())]),
        };
        let place = Place::of(endpoint)?;
        let writer = journal::Writer::open(&place, writer_options)?;
        // Before the first message, so that whoever reads one finds it.
        stored::keep_in_journal(options, &place)?;
        Ok(Some(Store::Journal(Mutex::new(Some(Arc::new(writer))))))
    }

    /// Whether several threads may write at once.
    pub fn takes_many(&self) -> bool {
        matches!(self, Store::Journal(_))
    }

    /// Writes one value; gives the store's number of it. A journal gives each its number and its time itself.
    pub fn write(&self, header: Header, payload: &Payload) -> Result<u64> {
        match self {
            Store::File { writer, sender, options } => {
                let mut waiting = Wait::default().start(options.timeout).on_wait(&options.on_wait);
                let mut frame = Outgoing::new(header, payload.body());
                frame.header.extension = sender.len();
                frame.extension = sender;
                writer.lock().unwrap_or_else(PoisonError::into_inner).write(&frame, &mut waiting)
            }
            Store::Journal(writer) => {
                let writer = writer.lock().unwrap_or_else(PoisonError::into_inner).clone();
                writer.ok_or_else(closed)?.append(payload.encoding(), payload.body().clone())
            }
        }
    }

    /// Writes several values in their order; gives how many, and why those behind them were not. A journal brings all of them to
    /// the disk with one sync; a file keeps the last.
    pub fn write_many(&self, sent: Timestamp, payloads: &[Payload]) -> (usize, Result<()>) {
        if let Store::Journal(writer) = self {
            let writer = writer.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let Some(writer) = writer else { return (0, Err(closed())) };
            return writer.append_many(payloads.iter().map(|p| (p.encoding(), p.body().clone())));
        }
        for (at, payload) in payloads.iter().enumerate() {
            let header = Header { sent: sent.0, ..Header::new(Kind::Data, payload.encoding()) };
            if let Err(error) = self.write(header, payload) {
                return (at, Err(error));
            }
        }
        (payloads.len(), Ok(()))
    }

    /// How many read it now, where the store knows: those that read a journal under a name.
    pub fn subscribers(&self) -> usize {
        match self {
            Store::File { .. } => 0,
            Store::Journal(writer) => {
                let writer = writer.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // Counted for people; whether the locks can be looked at decides nothing.
                writer.and_then(|writer| writer.live_consumers().ok()).unwrap_or(0)
            }
        }
    }

    /// Gives the name away.
    pub fn close(&self) {
        if let Store::Journal(writer) = self {
            let writer = writer.lock().unwrap_or_else(PoisonError::into_inner).take();
            // What was acknowledged is safe without it; it only spares the next one a search.
            let _ = writer.map(|writer| writer.close());
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::InvalidState, "the publisher is closed")
}

/// What a subscriber reads from.
pub enum StoreReader {
    /// One value.
    File(Box<Reader>),
    /// All of them.
    Journal(Box<Following>),
}

impl StoreReader {
    /// Watches the store of an endpoint, which need not be there yet.
    pub fn watch(endpoint: &Endpoint, options: &Options) -> Result<StoreReader> {
        if endpoint.transport() == Transport::File {
            return Ok(StoreReader::File(Box::new(Reader::watching(endpoint, settings(options))?)));
        }
        let start = options.from.map(|from| match from {
            StartAt::First => Start::First,
            StartAt::Newest => Start::Newest,
            StartAt::Sequence(number) => Start::Sequence(number),
            StartAt::Time(at) => Start::Time(at.0),
        });
        StoreReader::journal(endpoint, options.client_id.as_deref(), start, options.limit)
    }

    fn journal(
        endpoint: &Endpoint,
        name: Option<&str>,
        start: Option<Start>,
        limit: u64,
    ) -> Result<StoreReader> {
        Ok(StoreReader::Journal(Box::new(Following::open(&Place::of(endpoint)?, name, start, limit)?)))
    }

    /// The newest value alone.
    pub fn newest(endpoint: &Endpoint, options: &Options, waiting: &mut Waiting<'_>) -> Result<Incoming> {
        if endpoint.transport() == Transport::File {
            return Reader::new(endpoint, settings(options))?.latest(waiting);
        }
        let nothing = || Error::new(ErrorKind::Empty, "nothing has been published yet");
        let place = Place::of(endpoint)?;
        let check = |frame: Incoming| match RecordSchemas::of(options, place.clone()) {
            Some(mut schemas) => schemas.check(&frame.header).map(|()| frame),
            None => Ok(frame),
        };
        if let Some(newest) = journal::Reader::newest(&place, options.limit)? {
            return newest.map(|(frame, _)| frame).ok_or_else(nothing).and_then(check);
        }
        let mut store_reader = StoreReader::journal(endpoint, None, None, options.limit)?;
        loop {
            match store_reader.latest() {
                Ok(Some(frame)) => return check(frame),
                Ok(None) => return Err(nothing()),
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                Err(e) => {
                    if !store_reader.park()? {
                        wait_readable(waiting, &store_reader.descriptors())
                            .map_err(|slept| if slept.kind() == ErrorKind::Timeout { e } else { slept })?;
                    }
                }
            }
        }
    }

    /// What was not given yet.
    pub fn look(&mut self) -> Result<Option<Incoming>> {
        match self {
            StoreReader::File(reader) => reader.try_recv(),
            StoreReader::Journal(following) => Ok(following.try_recv()?.map(|(frame, _)| frame)),
        }
    }

    /// The newest value, whether it was given before or not; none where none was written.
    pub fn latest(&mut self) -> Result<Option<Incoming>> {
        match self {
            StoreReader::File(reader) => match reader.latest(&mut Waiting::at_once()) {
                Err(e) if e.kind() == ErrorKind::Empty => Ok(None),
                frame => frame.map(Some),
            },
            StoreReader::Journal(following) => Ok(following.latest()?.map(|(frame, _)| frame)),
        }
    }

    /// The value of this number, one of the last two that were given, has been dealt with, and all before it.
    pub fn consumed(&mut self, sequence: u64) -> Result<()> {
        match self {
            StoreReader::File(_) => Ok(()),
            StoreReader::Journal(following) => following.consumed(sequence),
        }
    }

    /// Whether what is missing between two numbers was not told yet. A journal tells it itself.
    pub fn has_gaps(&self) -> bool {
        matches!(self, StoreReader::File(_))
    }

    /// Why there is nothing, if there is more to say than that nothing came.
    pub fn why_nothing(&self) -> Option<Error> {
        match self {
            StoreReader::File(reader) => reader.why_nothing(),
            StoreReader::Journal(following) => (!following.is_there()).then(|| following.why_nothing()),
        }
    }

    /// See the transport contract.
    pub fn park(&mut self) -> Result<bool> {
        match self {
            StoreReader::File(reader) => Ok(reader.park()),
            StoreReader::Journal(following) => following.park(),
        }
    }

    /// See the transport contract.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            StoreReader::File(reader) => reader.descriptors(),
            StoreReader::Journal(following) => vec![following.descriptor()],
        }
    }
}
