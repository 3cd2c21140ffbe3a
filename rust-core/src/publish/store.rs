//! Publishing into what keeps a value by itself, and reading from it: nobody has to be there for the other.

use std::os::fd::BorrowedFd;

use crate::channel::greeting::{Greeting, Pattern};
use crate::channel::{Framing, Options};
use crate::deadline::{Wait, Waiting};
use crate::error::{ErrorKind, Result};
use crate::frame::{Header, Incoming, Outgoing};
use crate::message::Payload;
use crate::transport::endpoint::{Endpoint, Transport};
use crate::transport::extension;
use crate::transport::file::{Form, Reader, Settings, Writer};

/// Whether values at this endpoint are kept in a store, and no publisher answers at the name.
pub fn is_store(transport: Transport) -> bool {
    transport == Transport::File
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

/// Where a publisher writes.
pub struct Store {
    writer: Writer,
    /// Who writes, and in which incarnation: each value says it.
    sender: Vec<u8>,
    options: Options,
}

impl Store {
    /// Opens the store of an endpoint; none where values are not kept.
    pub fn open(endpoint: &Endpoint, options: &Options) -> Result<Option<Store>> {
        if !is_store(endpoint.transport()) {
            return Ok(None);
        }
        let us = Greeting::new(Pattern::Publish, options.client_id.clone(), options.limit)?;
        Ok(Some(Store {
            writer: Writer::new(endpoint, settings(options))?,
            sender: extension::write(&us.source(), us.session)?,
            options: options.clone(),
        }))
    }

    /// Writes one value; gives the store's number of it.
    pub fn write(&mut self, header: Header, payload: &Payload) -> Result<u64> {
        let mut waiting = Wait::default().start(self.options.timeout).on_wait(&self.options.on_wait);
        let mut frame = Outgoing::new(header, payload.body());
        frame.header.extension = self.sender.len();
        frame.extension = &self.sender;
        self.writer.write(&frame, &mut waiting)
    }
}

/// What a subscriber reads from.
pub struct Shelf(Reader);

impl Shelf {
    /// Watches the store of an endpoint, which need not be there yet.
    pub fn watch(endpoint: &Endpoint, options: &Options) -> Result<Shelf> {
        Ok(Shelf(Reader::watching(endpoint, settings(options))?))
    }

    /// The newest value alone.
    pub fn newest(endpoint: &Endpoint, options: &Options, waiting: &mut Waiting<'_>) -> Result<Incoming> {
        Reader::new(endpoint, settings(options))?.latest(waiting)
    }

    /// What was not given yet.
    pub fn look(&mut self) -> Result<Option<Incoming>> {
        self.0.try_recv()
    }

    /// The newest value, whether it was given before or not; none where none was written.
    pub fn latest(&mut self) -> Result<Option<Incoming>> {
        match self.0.latest(&mut Waiting::at_once()) {
            Err(e) if e.kind() == ErrorKind::Empty => Ok(None),
            frame => frame.map(Some),
        }
    }

    /// Why there is nothing, if there is more to say than that nothing came.
    pub fn why_nothing(&self) -> Option<crate::Error> {
        self.0.why_nothing()
    }

    /// See the transport contract.
    pub fn park(&mut self) -> bool {
        self.0.park()
    }

    /// See the transport contract.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.0.descriptors()
    }
}
