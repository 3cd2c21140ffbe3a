//! Publishing to and reading from a store: a file or a journal.
//!
//! A store works without a handshake: each value names its writer, and schemas are kept in the store's directory. The
//! transport implements the traits of `transport::store`; this module translates options.

use crate::channel::handshake::Hello;
use crate::channel::pattern::Pattern;
use crate::channel::schema_negotiation::stored::{self, RecordSchemas};
use crate::channel::sending::DraftContent;
use crate::channel::session_state::admission;
use crate::channel::turns::Turns;
use crate::channel::{Delivery, Framing, Options, StartAt};
use crate::deadline::{Wait, Waiting};
use crate::drive;
use crate::error::{Result, over_message_limit};
use crate::frame::{Header, Incoming, Kind, Outgoing};
use crate::message::Payload;
use crate::sys::clock;
use crate::transport::Rx;
use crate::transport::endpoint::Endpoint;
use crate::transport::extension;
use crate::transport::kind::Transport;
use crate::transport::place::Place;
use crate::transport::store::{Author, Retention, Start, StoreDriver, StoreForm, StoreOptions, StoreWriter};

/// Returns whether the transport is a store, whose names no publisher answers.
pub fn is_store(transport: Transport) -> bool {
    transport.capabilities().store
}

/// Returns the options with this transport's defaults. A file holds one value, so its delivery is `latest`, even if it
/// is durable.
pub fn options_for(transport: Transport, options: &Options) -> Options {
    let mut options = options.clone();
    if transport.capabilities().single_value {
        options.durable = options.is_durable();
        options.delivery =
            options.delivery.filter(|how| *how != Delivery::Durable).or(Some(Delivery::Latest));
    }
    options
}

/// Returns the driver of the endpoint's store. Fails with `Unsupported` for another transport.
pub fn driver(endpoint: &Endpoint) -> Result<&'static dyn StoreDriver> {
    endpoint.transport().driver().store().ok_or_else(|| endpoint.transport().unavailable())
}

fn store_options(options: &Options) -> StoreOptions {
    let age = options.retain_seconds.map(|age| i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
    StoreOptions {
        form: match options.framing {
            Framing::Linkspan => StoreForm::Frame,
            Framing::Lines => StoreForm::Line,
            Framing::Raw => StoreForm::Bare(options.encoding()),
        },
        locked: options.locked,
        durable: options.is_durable(),
        access: options.access(),
        max_message_size: options.max_message_size,
        encoding: options.encoding,
        client_id: options.client_id.clone(),
        segment_bytes: options.segment_bytes,
        retention: Retention { bytes: options.retain_bytes, age, consumed: options.retain_consumed },
        schema: options.schema.as_ref().map_or(0, |schema| schema.id()),
        from: options.from.map(|from| match from {
            StartAt::First => Start::First,
            StartAt::Newest => Start::Newest,
            StartAt::Sequence(number) => Start::Sequence(number),
            StartAt::Time(at) => Start::Time(at.0),
        }),
    }
}

pub struct Store {
    pub writer: Box<dyn StoreWriter>,
    /// The extension of each value's header: the publisher's source and session.
    sender: Vec<u8>,
    options: Options,
    /// The turn to write, if only one thread may write at a time.
    turns: Turns,
}

impl Store {
    pub fn open(endpoint: &Endpoint, options: &Options) -> Result<Option<Store>> {
        if !is_store(endpoint.transport()) {
            return Ok(None);
        }
        let hello = Hello::new(Pattern::Publish, options.client_id.clone(), options.max_message_size)?;
        let author = Author { source: hello.source(), session: hello.session };
        let writer = driver(endpoint)?.writer(endpoint, &store_options(options), &author)?;
        if endpoint.transport().capabilities().history {
            // Kept before the first message, because each reader must find its schema.
            stored::keep_of_history(options, endpoint)?;
        }
        let sender = extension::write(&author.source, author.session)?;
        Ok(Some(Store { writer, sender, options: options.clone(), turns: Turns::default() }))
    }

    /// Writes one value and returns its number. A journal assigns number and time, and joins writes of several threads
    /// into one sync. Waits for turn and lock within the option `timeout`.
    pub fn write(&self, content: DraftContent<'_>) -> Result<u64> {
        self.admit(content.len())?;
        let payload = content.payload();
        let mut waiting = self.options.start(Wait::default());
        let turn = (!self.writer.accepts_many()).then(|| self.turns.acquire("publishes", &mut waiting));
        let _turn = turn.transpose()?;
        let header = Header { sent: clock::now(), ..Header::new(Kind::Data, payload.encoding()) };
        let mut frame = Outgoing::new(header, payload.body());
        frame.header.extension = self.sender.len();
        frame.extension = &self.sender;
        drive::stored(|| self.writer.write(&frame, payload.body(), &mut waiting))
    }

    /// Writes several values in order. Returns their count, and the error that stopped the rest. A journal syncs once
    /// for all; a file keeps the last value.
    pub fn write_many(&self, payloads: &[Payload]) -> (usize, Result<()>) {
        let admitted = payloads.iter().take_while(|payload| self.admit(payload.len()).is_ok()).count();
        let refused = payloads.get(admitted).map_or(Ok(()), |payload| self.admit(payload.len()));
        let payloads = &payloads[..admitted];
        let mut bodies = payloads.iter().map(|payload| (payload.encoding(), payload.body().clone()));
        if let Some(written) = self.writer.write_many(&mut bodies) {
            return (written.0, written.1.and(refused));
        }
        for (at, payload) in payloads.iter().enumerate() {
            if let Err(error) = self.write(payload.into()) {
                return (at, Err(error));
            }
        }
        (payloads.len(), refused)
    }

    fn admit(&self, length: usize) -> Result<()> {
        let limit = self.options.max_message_size;
        let is_allowed = admission::content(limit, Kind::Data, 0, length).is_allowed;
        if is_allowed { Ok(()) } else { Err(over_message_limit(length as u64, limit)) }
    }
}

pub fn watch(endpoint: &Endpoint, options: &Options) -> Result<Rx> {
    let store = driver(endpoint)?;
    drive::stored(|| store.reader(endpoint, &store_options(options)))
}

pub fn newest(endpoint: &Endpoint, options: &Options, waiting: &mut Waiting<'_>) -> Result<Incoming> {
    let store = driver(endpoint)?;
    let frame = drive::stored(|| store.newest(endpoint, &store_options(options), waiting))?;
    if endpoint.transport().capabilities().history
        && let Some(mut schemas) = RecordSchemas::of(options, Place::of(endpoint)?)
    {
        schemas.check(&frame.header)?;
    }
    Ok(frame)
}
