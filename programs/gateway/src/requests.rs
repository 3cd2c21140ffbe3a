//! What clients ask for in one step: calls, the newest value, schemas, names; and publishers. Every function here may
//! wait, so it runs on a thread of its own or on one of the pool for such.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use linkspan::schema::Schema;
use linkspan::{
    Channel, Deadline, Encoding, Error, ErrorKind, Message, Options, Payload, Publisher, Result, Timestamp,
    Value, Wait, quoted, registry,
};

use crate::feed::receiving;
use crate::frames::{Format, Written};
use crate::names::Name;
use crate::places::{Share, Shares};
use crate::reading::with_tree;
use crate::rights::Rights;
use crate::shown::without_paths;

/// How long a call may take where the client says nothing, and at most.
const DEFAULT_TIMEOUT: f64 = 30.0;
const MAX_TIMEOUT: f64 = 600.0;
/// How long a listing counts, within which rates are not new.
const FRESH: Duration = Duration::from_millis(900);
/// How long a publisher of HTTP requests stays after the last one.
const KEEP: Duration = Duration::from_secs(60);
/// Publishers of HTTP requests at once: of one token half of them.
const PUBLISHERS: usize = 256;

/// The longest message that is looked up at the same time as others, in bytes.
const SHORT: u64 = 256 << 10;
/// Whether a longer one is being looked up.
static LONG: Mutex<()> = Mutex::new(());
/// Names that are gone and may be told of, of all clients.
const GONE: usize = 8_192;

/// Reads the time-out of a call, in seconds.
///
/// # Errors
/// `OutOfRange` for one below zero or above ten minutes.
pub fn timeout(value: Option<&Value>) -> Result<Duration> {
    let seconds = value.map_or(Ok(DEFAULT_TIMEOUT), Value::as_f64)?;
    let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| time.as_secs_f64() <= MAX_TIMEOUT);
    time.ok_or_else(|| {
        Error::new(
            ErrorKind::OutOfRange,
            format!("a time-out is a number of seconds from 0 to {MAX_TIMEOUT}"),
        )
    })
}

/// Whether the client has given a call up.
#[derive(Default)]
pub struct Withdrawn(AtomicBool);

impl Withdrawn {
    /// Gives the call up; the server gets the withdrawal within a tenth of a second.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Cancelled, "the client gave the call up"));
        }
        Ok(())
    }
}

/// Returns an error for a client. That of a name without a program lists the names that are open, which the token may
/// not allow to see; that of one which another program has, says which process that is.
pub fn for_client(error: Error, name: &Name) -> Error {
    let name = name.text();
    let name = quoted(&name);
    let text = match error.kind() {
        ErrorKind::NotFound => format!("no program has the name {name} now; start it, or correct the name"),
        ErrorKind::AddressInUse => {
            format!("another program has the name {name} now; take another one, or end that program first")
        }
        _ => return error,
    };
    Error::new(error.kind(), text)
}

/// Sends a request, and returns the value of its answer in a format.
///
/// # Errors
/// Those of the connection and of the call; `Cancelled` where the client gave it up: then the request is withdrawn.
pub fn call(
    name: &Name,
    value: &Written,
    within: Duration,
    withdrawn: &Withdrawn,
    format: Format,
) -> Result<Bytes> {
    let deadline = Deadline::after(within);
    let left = || deadline.remaining().unwrap_or_default();
    let mut tick = || withdrawn.check();
    let channel = Channel::connect(&name.text(), &Options::default(), Wait::new(left()).tick(&mut tick))
        .map_err(|error| for_client(error, name))?;
    let payload = with_tree(value, |value| channel.encode(value))?;
    let mut tick = || withdrawn.check();
    let answer = channel.call_payload(&payload, Wait::new(left()).tick(&mut tick))?;
    in_format(&answer, format)
}

/// Returns the value of a message in a format.
///
/// # Errors
/// Those of a body that is no value, or has no form there.
pub fn in_format(message: &Message, format: Format) -> Result<Bytes> {
    format.transcode(message.body(), message.encoding())
}

/// Returns the number of the newest message of a name, which has at most `longest` bytes, when it was sent, and its
/// value in a format.
///
/// # Errors
/// `NotFound`, `Empty` and `TooLarge`; `Cancelled` if the client is gone; those of [`in_format`].
pub fn latest(
    name: &Name,
    longest: u64,
    format: Format,
    withdrawn: &Withdrawn,
) -> Result<(u64, Timestamp, Bytes)> {
    let newest = |longest| {
        let newest = linkspan::latest(&name.text(), &receiving(longest)?, Wait::default());
        newest.map_err(|error| for_client(error, name))
    };
    let written = |message: Message| Ok((message.sequence(), message.sent(), in_format(&message, format)?));
    match newest(longest.min(SHORT)) {
        // Long ones come one after the other.
        Err(error) if error.kind() == ErrorKind::TooLarge && longest > SHORT => {
            let _alone = LONG.lock().unwrap_or_else(PoisonError::into_inner);
            withdrawn.check()?;
            written(newest(longest)?)
        }
        newest => written(newest?),
    }
}

/// Returns the schema of a name: its text, in the notation of schemas.
///
/// # Errors
/// `NotFound` where no program listens, `Missing` where it has none.
pub fn schema(name: &Name) -> Result<Value> {
    let text = |form: Vec<u8>| Schema::from_bytes(&form).map(|schema| Value::from(schema.to_toml()));
    let messages = registry::schema(&name.text()).map_err(|error| for_client(error, name));
    let messages = text(messages?)?;
    let replies = registry::reply_schema(&name.text()).ok().map(text).transpose()?;
    Ok(Value::map([("schema", messages), ("reply_schema", replies.into())]))
}

/// Opens a publisher.
///
/// # Errors
/// Those of the name and of the schema.
pub fn publisher(name: &Name, schema: Option<&str>) -> Result<Publisher> {
    let mut options = Options::default();
    if let Some(text) = schema {
        options = options.with_schema(Schema::parse(text)?).with_validate(linkspan::Validate::Send);
    }
    Publisher::new(&name.text(), &options).map_err(|error| for_client(error, name))
}

/// A name of this machine, as it was listed.
struct Listed {
    name: Name,
    value: Value,
    /// The version with which it became what it is.
    changed: u64,
}

/// A listing. It says what has changed since each version before it, so that no client holds one of its own.
#[derive(Default)]
struct LastListing {
    at: Option<Instant>,
    version: u64,
    names: BTreeMap<String, Listed>,
    /// The names that are no more, with the version since which they are not.
    gone: BTreeMap<String, (Name, u64)>,
    /// The last version of which names that have gone were forgotten.
    forgotten: u64,
    /// How many messages each endpoint had, of which incarnation.
    counts: HashMap<String, (Option<u64>, u64)>,
}

/// What has changed since a version.
pub struct Changes {
    pub version: u64,
    pub names: Vec<Value>,
    pub gone: Vec<String>,
}

/// The names of this machine, listed once for all clients.
#[derive(Default)]
pub struct Listing {
    last: Mutex<LastListing>,
}

impl LastListing {
    /// Takes a listing.
    fn take(&mut self, now: Vec<(Name, Value)>) {
        self.version = self.version.saturating_add(1);
        let version = self.version;
        let mut before = std::mem::take(&mut self.names);
        for (name, value) in now {
            let text = name.text();
            let same = before.remove(&text).filter(|listed| listed.value == value);
            let changed = same.map_or(version, |listed| listed.changed);
            self.gone.remove(&text);
            self.names.insert(text, Listed { name, value, changed });
        }
        self.gone.extend(before.into_iter().map(|(text, listed)| (text, (listed.name, version))));
        while self.gone.len() > GONE {
            let oldest = self.gone.values().map(|(_, version)| *version).min().unwrap_or(version);
            self.gone.retain(|_, (_, version)| *version > oldest);
            self.forgotten = oldest;
        }
    }
}

impl Listing {
    /// Returns the names that fit a pattern and that a token allows to use, with what is shown of each. With
    /// `since` it returns those that have changed since a version, and the texts of those that have gone.
    ///
    /// # Errors
    /// Those of the directories; `Lagged` if too many names have gone since then.
    pub fn changes(&self, pattern: &Name, rights: &Rights, since: Option<u64>) -> Result<Changes> {
        let listing = self.listing()?;
        let since = since.unwrap_or(0);
        if 0 < since && since < listing.forgotten {
            let text = "the client was too slow: too many names have gone; follow the names again";
            return Err(Error::new(ErrorKind::Lagged, text));
        }
        let is_visible = |name: &Name| pattern.fits(name) && rights.allow_some(name);
        let names = listing.names.values().filter(|one| one.changed > since && is_visible(&one.name));
        let is_gone = |of: &Name, version: u64| 0 < since && version > since && is_visible(of);
        let gone = listing.gone.iter().filter(|(_, (name, version))| is_gone(name, *version));
        Ok(Changes {
            version: listing.version,
            names: names.map(|listed| listed.value.clone()).collect(),
            gone: gone.map(|(text, _)| text.clone()).collect(),
        })
    }

    /// Returns the names that are published.
    ///
    /// # Errors
    /// Those of the directories.
    pub fn published(&self) -> Result<Vec<Name>> {
        let is_published =
            |listed: &&Listed| matches!(listed.value.at("pattern").map(Value::as_text), Ok(Ok("publish")));
        let listing = self.listing()?;
        Ok(listing.names.values().filter(is_published).map(|listed| listed.name.clone()).collect())
    }

    /// Returns the listing, anew if the last time is a second ago.
    fn listing(&self) -> Result<MutexGuard<'_, LastListing>> {
        // Who asks meanwhile waits for the same listing.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(last);
        }
        let now = Instant::now();
        let mut counts = HashMap::new();
        let mut names = Vec::new();
        for listed in registry::list()? {
            let name = Name::of_endpoint(&listed.endpoint);
            if Name::parse(&name.text(), false).is_err() {
                continue;
            }
            let mut rate = Value::Null;
            if let Some(messages) = listed.messages {
                if let Some((incarnation, before)) = last.counts.get(&listed.endpoint)
                    && *incarnation == listed.incarnation
                {
                    let seconds = last.at.map_or(0.0, |at| now.duration_since(at).as_secs_f64());
                    rate = Value::from(messages.saturating_sub(*before) as f64 / seconds.max(1e-3));
                }
                counts.insert(listed.endpoint.clone(), (listed.incarnation, messages));
            }
            let value = Value::map([
                ("name", Value::from(name.text())),
                ("pattern", listed.pattern.map(str::to_owned).into()),
                ("machine", listed.machine.into()),
                ("program", listed.program.into()),
                ("messages", listed.messages.into()),
                ("rate", rate),
                ("peers", listed.peers.into()),
                ("schema", listed.schema.into()),
                ("problem", listed.problem.as_ref().map(|error| error.kind().name().to_owned()).into()),
                ("reason", listed.problem.map(|error| without_paths(error.text())).into()),
            ]);
            names.push((name, value));
        }
        last.take(names);
        (last.at, last.counts) = (Some(now), counts);
        Ok(last)
    }
}

/// Publishers of requests over HTTP, which stay for a while: a subscriber would otherwise lose its publisher after each
/// message.
pub struct HttpPublishers {
    publishers: Mutex<HashMap<Name, Kept>>,
    shares: Arc<Shares>,
}

/// The publisher of a name, when it was used last, and whose it is. It is made under its own lock: another program that
/// has the name, or ends just now, holds up the requests for that name alone.
struct Kept {
    publisher: Arc<Mutex<Option<Arc<Publisher>>>>,
    used: Instant,
    _share: Share,
}

impl Default for HttpPublishers {
    fn default() -> HttpPublishers {
        let advice = "each stays for a minute after the last request";
        HttpPublishers {
            publishers: Mutex::default(),
            shares: Shares::new(PUBLISHERS, "names that are published over HTTP", advice),
        }
    }
}

impl HttpPublishers {
    fn publishers(&self) -> MutexGuard<'_, HashMap<Name, Kept>> {
        self.publishers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a value for a token; returns its number.
    ///
    /// # Errors
    /// Those of the name; `Full` where there are too many.
    pub fn publish(&self, name: &Name, value: &Written, token: &str) -> Result<u64> {
        let kept = {
            let mut publishers = self.publishers();
            if let Some(kept) = publishers.get_mut(name) {
                kept.used = Instant::now();
                kept.publisher.clone()
            } else {
                let kept = Kept {
                    publisher: Arc::default(),
                    used: Instant::now(),
                    _share: self.shares.take(token)?,
                };
                let publisher = kept.publisher.clone();
                publishers.insert(name.clone(), kept);
                publisher
            }
        };
        let publisher = {
            let mut made = kept.lock().unwrap_or_else(PoisonError::into_inner);
            match &*made {
                Some(publisher) => publisher.clone(),
                None => made.insert(Arc::new(self.open(name, &kept)?)).clone(),
            }
        };
        let limits = Options::default().limits();
        let payload = with_tree(value, |value| Payload::new(value, Encoding::Cbor, &limits))?;
        publisher.send_payload(&payload)
    }

    /// Makes the publisher of a name; one that cannot be made takes no room.
    fn open(&self, name: &Name, kept: &Arc<Mutex<Option<Arc<Publisher>>>>) -> Result<Publisher> {
        publisher(name, None).inspect_err(|_| {
            let mut publishers = self.publishers();
            if publishers.get(name).is_some_and(|one| Arc::ptr_eq(&one.publisher, kept)) {
                publishers.remove(name);
            }
        })
    }

    /// Ends those that were not used for a while; all of them with `all`.
    pub fn end_unused(&self, all: bool) {
        // Their ends may wait for their subscribers, and no request waits for that.
        let ended: Vec<Kept> = {
            let mut publishers = self.publishers();
            publishers
                .extract_if(|_, kept| all || kept.used.elapsed() >= KEEP)
                .map(|(_, kept)| kept)
                .collect()
        };
        drop(ended);
    }

    /// The number of publishers.
    pub fn count(&self) -> u64 {
        self.publishers().len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that follows the names gets what has changed since it looked, and is told if it was too slow for that.
    #[test]
    fn changes_of_a_listing_are_those_since_a_version() {
        let listing = Listing::default();
        let (pattern, rights) = (
            Name::parse("*", true).unwrap(),
            Rights { read: vec![Name::parse("*", true).unwrap()], ..Rights::default() },
        );
        let take = |names: &[(&str, u64)]| {
            let named = |text: &str| Name::parse(text, false).unwrap();
            let now = names.iter().map(|(text, value)| (named(text), Value::from(*value))).collect();
            let mut last = listing.last.lock().unwrap();
            last.take(now);
            last.at = Some(Instant::now() + Duration::from_secs(600));
        };
        let since = |version| {
            let changes = listing.changes(&pattern, &rights, version)?;
            let names = changes.names.iter().map(|value| value.as_u64().unwrap()).collect::<Vec<_>>();
            Result::Ok((changes.version, names, changes.gone))
        };
        take(&[("a", 1), ("b", 2)]);
        assert_eq!(since(None).unwrap(), (1, vec![1, 2], vec![]));
        take(&[("a", 1), ("b", 3), ("c", 4)]);
        assert_eq!(since(Some(1)).unwrap(), (2, vec![3, 4], vec![]));
        take(&[("c", 4)]);
        assert_eq!(since(Some(2)).unwrap(), (3, vec![], vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(since(None).unwrap(), (3, vec![4], vec![]));
        let many: Vec<String> = (0..GONE).map(|number| format!("many/{number}")).collect();
        let many: Vec<(&str, u64)> = many.iter().map(|text| (text.as_str(), 0)).collect();
        take(&many);
        take(&[]);
        assert_eq!(since(Some(1)).unwrap_err().kind(), ErrorKind::Lagged);
        assert_eq!(since(Some(4)).unwrap().2.len(), GONE);
    }

    /// Another program that has a name holds up a publisher of it for half a second, and requests for that name alone.
    #[test]
    fn name_that_is_being_opened_over_http_holds_up_no_other_one() {
        let all = HttpPublishers::default();
        let name =
            |of: &str| Name::parse(&format!("test/gateway-{}/{of}", std::process::id()), false).unwrap();
        let (opening, other) = (Arc::<Mutex<Option<Arc<Publisher>>>>::default(), name("other"));
        let _held = opening.lock().unwrap();
        let kept = Kept {
            publisher: opening.clone(),
            used: Instant::now(),
            _share: all.shares.take("greedy").unwrap(),
        };
        all.publishers().insert(name("taken"), kept);
        assert_eq!(all.publish(&other, &Written::new(&Value::from(1)).unwrap(), "panel").unwrap(), 1);
        assert_eq!(all.count(), 2);
        all.end_unused(true);
        assert_eq!(all.count(), 0);
    }
}
