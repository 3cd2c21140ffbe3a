//! The newest value alone, without a subscription.
//!
//! The hello has `once`: the publisher answers with its newest value and keeps nothing.
//! [`latest_persistent`] instead keeps a subscription for programs that read repeatedly, such as a
//! page that is rendered by PHP.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use super::names;
use super::store;
use super::subscriber::{Subscriber, nothing_published};
use crate::channel::dial::Dialler;
use crate::channel::handshake::Hello;
use crate::channel::open_names;
use crate::channel::pattern::Pattern;
use crate::channel::persistent::PersistentObjects;
use crate::channel::session::Owner;
use crate::channel::{Options, Use};
use crate::deadline::{Deadline, Timeout, Wait, Waiting, at_timeout};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Incoming, Kind};
use crate::message::Message;
use crate::sys::poll::{Epoll, wait_readable};
use crate::transport::broadcast::Received;
use crate::transport::endpoint::Endpoint;
use crate::transport::extension;
use crate::transport::name_pattern::NamePattern;
use crate::transport::socket::StreamRx;

/// The time-out of a call that gives none.
const NO_WAIT: Timeout = Timeout::After(Duration::ZERO);

/// A publisher that has a newer ring than that of its answer is asked again, so often at most.
const MAX_MOVES: u32 = 64;

/// What ends with a publisher or with its first value.
const MAY_COME: [ErrorKind; 4] =
    [ErrorKind::Empty, ErrorKind::NotFound, ErrorKind::Stalled, ErrorKind::Timeout];

/// Returns the newest value of a publisher; of a pattern such as `lab/*`, the one of all names that fit which was sent last, with its name
/// ([`Message::name`]). With a time-out it waits for a publisher and its first value; without one of its own it does not wait, whatever
/// the options say.
///
/// # Errors
/// `Empty` if nothing was published; `NotFound` if there is no publisher.
pub fn latest<'a>(endpoint: &str, options: &Options, wait: impl Into<Wait<'a>>) -> Result<Message> {
    find_text(endpoint, options, Waiting::start(wait.into(), NO_WAIT).on_wait(&options.on_wait))
}

fn find_text(text: &str, options: &Options, mut waiting: Waiting<'_>) -> Result<Message> {
    if let Some(pattern) = NamePattern::parse(text)? {
        return newest_of(pattern, text, options, &mut waiting).map_err(|e| e.on(text));
    }
    let parsed: Endpoint = text.parse()?;
    find(&parsed, options, &mut waiting).map_err(|e| open_names::named(e, text).on(&parsed))
}

/// The newest value of the names that fit. A name that is none of a publisher, or that ends meanwhile, keeps nothing from the others.
fn newest_of(
    pattern: NamePattern,
    text: &str,
    options: &Options,
    waiting: &mut Waiting<'_>,
) -> Result<Message> {
    let (mut newest, mut failed): (Option<Message>, Option<Error>) = (None, None);
    for endpoint in names::fitting(&[pattern])? {
        match find(&endpoint, options, &mut Waiting::at_once()) {
            Ok(message) if newest.as_ref().is_none_or(|newest| newest.sent() < message.sent()) => {
                newest = Some(message.with_name(&endpoint.to_string().into()));
            }
            Ok(_) => {}
            Err(error) => failed = Some(error.on(&endpoint)),
        }
    }
    match newest {
        Some(message) => Ok(message),
        None if waiting.is_none() => Err(failed.unwrap_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "no name of a publisher fits now; `linkspan ls` lists what is open",
            )
        })),
        None => first(text, options, waiting),
    }
}

/// Waits for the first message as a subscriber, which misses nothing. It has no `client_id`: the position that is kept for one is that of
/// the program's subscriber.
fn first(text: &str, options: &Options, waiting: &mut Waiting<'_>) -> Result<Message> {
    let options = Options { client_id: None, ..options.clone() };
    Subscriber::new(text, &options)?.receive_within(waiting)
}

/// [`latest`] with a wait that ends with `Cancelled` once `stop` is readable, without a tick.
///
/// # Errors
/// Those of [`latest`]; `Cancelled`.
pub fn latest_until<S: AsFd + Send + Sync + 'static>(
    endpoint: &str,
    options: &Options,
    timeout: Timeout,
    stop: Arc<S>,
) -> Result<Message> {
    find_text(
        endpoint,
        options,
        Waiting::start(Wait::new(timeout), NO_WAIT).on_wait(&options.on_wait).stops_on(stop),
    )
}

static PERSISTENT: PersistentObjects<Subscriber> = PersistentObjects::new();

/// [`latest`] over a subscription that is kept in this thread for the next call with the same endpoint and
/// options.
pub fn latest_persistent<'a>(
    endpoint: &str,
    options: &Options,
    wait: impl Into<Wait<'a>>,
) -> Result<Message> {
    if NamePattern::parse(endpoint)?.is_some() {
        return latest(endpoint, options, wait);
    }
    let kept = PERSISTENT.get(endpoint, options, |_| true, || Subscriber::new(endpoint, options))?;
    match kept.newest(wait) {
        // Over a socket, the newest value may still be on its way to a subscription that was just made. A
        // request for it alone is answered with the value, or with the statement that there is none.
        Err(e) if e.kind() == ErrorKind::Empty => latest(endpoint, options, Wait::none()),
        newest => newest,
    }
}

/// [`latest`] without the endpoint in its errors.
fn find(endpoint: &Endpoint, options: &Options, waiting: &mut Waiting<'_>) -> Result<Message> {
    options.check(endpoint.transport(), Use::Subscribe)?;
    if store::is_store(endpoint.transport()) {
        let options = store::options_for(endpoint.transport(), options);
        let frame = store::newest(endpoint, &options, waiting)?;
        let source = match extension::read(&frame.extension) {
            Ok(Some(sender)) => sender.source,
            _ => "".into(),
        };
        return Ok(Message::new(frame, &source, options.limits(), 0).with_schema(options.checks_received()));
    }
    match once(endpoint, options) {
        Err(e) if !waiting.is_none() && MAY_COME.contains(&e.kind()) => {
            let missing = if e.kind() == ErrorKind::Stalled { e } else { nothing_published() };
            first(&endpoint.to_string(), options, waiting).map_err(at_timeout(missing))
        }
        found => found,
    }
}

/// The newest value alone, from a publisher that keeps nothing of the request. Does not wait for a publisher.
fn once(endpoint: &Endpoint, options: &Options) -> Result<Message> {
    // Nothing waits for another attempt.
    let dialler = Dialler::new(endpoint, options, &Epoll::new()?, 0)?;
    let mut own_hello = Hello::new(Pattern::Publish, options.client_id.clone(), options.max_message_size)?;
    (own_hello.once, own_hello.slots) = (true, endpoint.transport().capabilities().slots);
    for _ in 0..MAX_MOVES {
        let dialled = dialler.attempt(|dialling| {
            dialling.dial(&own_hello, || Ok(((), Vec::new())), &[], &mut Waiting::at_once())
        })?;
        let Some((mut called, peer_hello, ())) = dialled else { continue };
        Pattern::Publish.fits(peer_hello.pattern)?;
        let source = Owner::of(&called.stream, called.credentials.as_ref()).qualify(peer_hello.source());
        let frame = match endpoint.transport().driver().broadcast() {
            Some(rings) => match rings.newest(&mut called, peer_hello.session, options.max_message_size)? {
                Received::Frame(frame) => Some(frame),
                Received::Nothing => None,
                // The publisher has changed to a larger ring since its answer.
                Received::Moved => continue,
            },
            None => from_stream(StreamRx::new(called.stream, called.process, options.max_message_size))?,
        };
        return match frame {
            Some(frame) => Ok(Message::new(frame, &source.into(), options.limits(), 0)
                .with_schema(options.checks_received())),
            None => Err(nothing_published()),
        };
    }
    let text = format!("the publisher had left the ring of its answer {MAX_MOVES} times in a row");
    Err(Error::new(ErrorKind::Stalled, text))
}

/// Returns the one frame that a publisher sends after its hello. It is on its way already: this waits for at most five ticks.
fn from_stream(mut rx: StreamRx) -> Result<Option<Incoming>> {
    let mut delivery_wait = Waiting::until(Deadline::after(Wait::TICK * 5));
    loop {
        if let Some(frame) = rx.try_recv()? {
            return Ok(Some(frame).filter(|f| f.header.kind == Kind::Data));
        }
        if let Some(fd) = rx.descriptors().next() {
            wait_readable(&mut delivery_wait, &[fd])?;
        }
    }
}
