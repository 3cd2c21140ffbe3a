//! The newest value without a subscription.
//!
//! The publisher answers a request (`request`) and keeps nothing for it. [`latest_persistent`] keeps a subscription for
//! programs that read repeatedly, such as a page rendered by PHP.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use super::names::{self, Selection};
use super::receive_state::Part;
use super::request;
use super::store;
use super::subscriber::{Subscriber, nothing_published};
use crate::channel::open_names;
use crate::channel::persistent::PersistentObjects;
use crate::channel::{Options, Use};
use crate::deadline::{Deadline, Timeout, Wait, Waiting, at_timeout};
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, ReceivedFrom, SchemaIds};
use crate::transport::endpoint::Endpoint;
use crate::transport::extension;
use crate::transport::name_pattern::NamePattern;

const NO_WAIT: Timeout = Timeout::After(Duration::ZERO);

const MAY_COME: [ErrorKind; 4] =
    [ErrorKind::Empty, ErrorKind::NotFound, ErrorKind::Stalled, ErrorKind::Timeout];

/// Returns the newest value of a publisher.
///
/// For a pattern such as `lab/*`, returns the newest value of all matching names, with its name ([`Message::name`]).
/// With a timeout, it waits for a publisher and its first value. Without one it does not wait, and ignores the option
/// `timeout`.
///
/// # Errors
/// `Empty` if nothing was published; `NotFound` without a publisher.
pub fn latest<'a>(endpoint: &str, options: &Options, wait: impl Into<Wait<'a>>) -> Result<Message> {
    find_text(endpoint, options, drive::begin(wait.into(), NO_WAIT).on_wait(&options.on_wait))
}

fn find_text(text: &str, options: &Options, mut waiting: Waiting<'_>) -> Result<Message> {
    if !waiting.is_none() {
        // The time runs from here, not from the first sleep: a silent publisher takes some of it before that.
        waiting.deadline();
    }
    if let Some(pattern) = NamePattern::parse(text)? {
        return newest_of(pattern, text, options, &mut waiting).map_err(|e| e.on(text));
    }
    let parsed: Endpoint = text.parse()?;
    find(&parsed, options, &mut waiting).map_err(|e| open_names::named(e, text).on(&parsed))
}

/// Returns the newest value of the matching names. Names that are not publishers, or that end, do not affect the
/// others.
fn newest_of(
    pattern: NamePattern,
    text: &str,
    options: &Options,
    waiting: &mut Waiting<'_>,
) -> Result<Message> {
    let (mut newest, mut failed): (Option<Message>, Option<Error>) = (None, None);
    let (stores, live): (Vec<_>, Vec<_>) = names::fitting(&Selection::Patterns(vec![pattern]))?
        .into_iter()
        .partition(|endpoint| store::is_store(endpoint.transport()));
    let stored = stores.into_iter().map(|endpoint| {
        let found = find(&endpoint, options, &mut Waiting::at_once());
        (endpoint, found)
    });
    for (endpoint, found) in stored.chain(request::newest_of_each(live, options, limit(waiting))?) {
        match found {
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
        None => {
            if failed.is_some_and(|e| matches!(e.kind(), ErrorKind::Stalled | ErrorKind::Timeout)) {
                waiting.sleep()?;
            }
            first(text, options, waiting)
        }
    }
}

/// Returns the deadline for answers. A call without a timeout gives publishers their usual time.
fn limit(waiting: &Waiting<'_>) -> Deadline {
    if waiting.is_none() { Deadline::NEVER } else { waiting.deadline() }
}

fn first(text: &str, options: &Options, waiting: &mut Waiting<'_>) -> Result<Message> {
    Subscriber::of(&[text], &without_position(options))?.receive_within(waiting)
}

fn first_of_one(endpoint: &Endpoint, options: &Options, waiting: &mut Waiting<'_>) -> Result<Message> {
    Subscriber::to_one(endpoint.clone(), &without_position(options), None, Part::Alone)?
        .receive_within(waiting)
}

/// The position of a `client_id` belongs to the program's own subscriber.
fn without_position(options: &Options) -> Options {
    Options { client_id: None, ..options.clone() }
}

/// [`latest`] with a wait that ends with `Cancelled` when `stop` becomes readable, without a tick.
///
/// # Errors
/// Errors of [`latest`]; `Cancelled`.
pub fn latest_until<S: AsFd + Send + Sync + 'static>(
    endpoint: &str,
    options: &Options,
    timeout: Timeout,
    stop: Arc<S>,
) -> Result<Message> {
    find_text(
        endpoint,
        options,
        drive::begin(Wait::new(timeout), NO_WAIT).on_wait(&options.on_wait).stops_on(stop),
    )
}

static PERSISTENT: PersistentObjects<Subscriber> = PersistentObjects::new();

/// [`latest`] over a subscription that this thread keeps for equal endpoints and options.
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
        // Over a socket, the first value or the connection may still be on its way. A request for the newest value is
        // answered with the value, or with the statement that there is none.
        Err(e) if matches!(e.kind(), ErrorKind::Empty | ErrorKind::Timeout) => {
            latest(endpoint, options, Wait::none())
        }
        newest => newest,
    }
}

fn find(endpoint: &Endpoint, options: &Options, waiting: &mut Waiting<'_>) -> Result<Message> {
    options.check(endpoint.transport(), Use::Subscribe)?;
    if store::is_store(endpoint.transport()) {
        let options = store::options_for(endpoint.transport(), options);
        let frame = store::newest(endpoint, &options, waiting)?;
        let source = match extension::read(&frame.extension) {
            Ok(Some(sender)) => sender.source,
            _ => "".into(),
        };
        let own = options.schema.as_ref().filter(|_| endpoint.transport().capabilities().history);
        let schemas = SchemaIds { sender: frame.header.schema, ..SchemaIds::agreed(None, own) };
        let origin = ReceivedFrom { source: &source, session: 0, schemas };
        return Ok(Message::new(frame, origin, options.limits()).with_schema(options.checks_received()));
    }
    match request::newest(endpoint, options, limit(waiting)) {
        Err(e) if !waiting.is_none() && MAY_COME.contains(&e.kind()) => {
            let stalls = e.kind() == ErrorKind::Stalled;
            if (stalls || e.kind() == ErrorKind::Timeout) && waiting.deadline().has_passed() {
                return Err(if stalls { e } else { waiting.timed_out() });
            }
            let missing = if stalls { e } else { nothing_published() };
            first_of_one(endpoint, options, waiting).map_err(at_timeout(missing))
        }
        found => found,
    }
}
