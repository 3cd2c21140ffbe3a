//! Client requests that take one step. Every function may block, so it runs on its own thread or the blocking pool.

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

/// The default and the longest time-out of a call, in seconds.
const DEFAULT_TIMEOUT: f64 = 30.0;
const MAX_TIMEOUT: f64 = 600.0;
const FRESH: Duration = Duration::from_millis(900);
/// How long a publisher of HTTP requests stays after the last request.
const KEEP: Duration = Duration::from_secs(60);
/// The most publishers of HTTP requests at once; one token gets half.
const PUBLISHERS: usize = 256;

/// The longest message that is looked up concurrently with others, in bytes.
const SHORT: u64 = 256 << 10;
/// Held during the look-up of a message longer than [`SHORT`].
static LONG: Mutex<()> = Mutex::new(());
/// The most vanished names that a listing remembers for all clients.
const GONE: usize = 8_192;

/// Reads the time-out of a call, in seconds.
///
/// # Errors
/// `OutOfRange` below zero or above ten minutes.
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

#[derive(Default)]
pub struct Withdrawn(AtomicBool);

impl Withdrawn {
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

/// Replaces errors that list names or identify a holder, which the token may not allow to see.
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

/// Sends a request and returns the value of its reply in a format.
///
/// # Errors
/// Errors of the connection and of the call; `Cancelled` if the client cancelled, which withdraws the request.
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

pub fn in_format(message: &Message, format: Format) -> Result<Bytes> {
    format.transcode(message.body(), message.encoding())
}

/// Returns number, time and value of the newest message of a name, if it has at most `longest` bytes.
///
/// # Errors
/// `NotFound`, `Empty` and `TooLarge`; `Cancelled` if the client is gone; errors of [`in_format`].
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
        // Long messages are looked up in turn, to bound the memory.
        Err(error) if error.kind() == ErrorKind::TooLarge && longest > SHORT => {
            let _alone = LONG.lock().unwrap_or_else(PoisonError::into_inner);
            withdrawn.check()?;
            written(newest(longest)?)
        }
        newest => written(newest?),
    }
}

/// Returns the schemas of a name as text.
///
/// # Errors
/// `NotFound` if no program listens, `Missing` for a name without a schema.
pub fn schema(name: &Name) -> Result<Value> {
    let text = |form: Vec<u8>| Schema::from_bytes(&form).map(|schema| Value::from(schema.to_toml()));
    let messages = registry::schema(&name.text()).map_err(|error| for_client(error, name));
    let messages = text(messages?)?;
    let replies = registry::reply_schema(&name.text()).ok().map(text).transpose()?;
    Ok(Value::map([("schema", messages), ("reply_schema", replies.into())]))
}

pub fn publisher(name: &Name, schema: Option<&str>) -> Result<Publisher> {
    let mut options = Options::default();
    if let Some(text) = schema {
        options = options.with_schema(Schema::parse(text)?).with_validate(linkspan::Validate::Send);
    }
    Publisher::new(&name.text(), &options).map_err(|error| for_client(error, name))
}

struct Listed {
    name: Name,
    value: Value,
    /// The version of the listing with the last change.
    changed: u64,
}

/// The names of this machine, with the version of each change.
///
/// Clients share it: they ask for the changes since a version, so no client needs its own copy.
#[derive(Default)]
struct LastListing {
    at: Option<Instant>,
    version: u64,
    names: BTreeMap<String, Listed>,
    /// Vanished names, with the version of their end.
    gone: BTreeMap<String, (Name, u64)>,
    /// The last version whose vanished names were forgotten.
    forgotten: u64,
    /// Incarnation and message count of each endpoint, for rates.
    counts: HashMap<String, (Option<u64>, u64)>,
}

pub struct Changes {
    pub version: u64,
    pub names: Vec<Value>,
    pub gone: Vec<String>,
}

#[derive(Default)]
pub struct Listing {
    last: Mutex<LastListing>,
}

impl LastListing {
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
    /// Returns the names that match a pattern and that a token may use.
    ///
    /// With `since`, returns only names that changed after that version, and the texts of names that vanished.
    ///
    /// # Errors
    /// Errors of the directories; `Lagged` if the vanished names since then were forgotten.
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

    pub fn published(&self) -> Result<Vec<Name>> {
        let is_published =
            |listed: &&Listed| matches!(listed.value.at("pattern").map(Value::as_text), Ok(Ok("publish")));
        let listing = self.listing()?;
        Ok(listing.names.values().filter(is_published).map(|listed| listed.name.clone()).collect())
    }

    /// Returns the listing, refreshed if it is older than [`FRESH`].
    fn listing(&self) -> Result<MutexGuard<'_, LastListing>> {
        // Concurrent callers wait here and share the new listing.
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

/// Publishers for requests over HTTP.
///
/// They outlive one request, because subscribers would otherwise lose their publisher after each message.
pub struct HttpPublishers {
    publishers: Mutex<HashMap<Name, Kept>>,
    shares: Arc<Shares>,
}

/// A publisher with its last use and its share of a token's quota.
///
/// It is opened under its own lock. A name that another program holds therefore delays only requests for that name.
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

    /// Publishes a value for a token and returns the message's number.
    ///
    /// # Errors
    /// Errors of the name; `Full` if there are too many publishers.
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

    /// Opens the publisher of a name. A failure removes its entry, which frees the share.
    fn open(&self, name: &Name, kept: &Arc<Mutex<Option<Arc<Publisher>>>>) -> Result<Publisher> {
        publisher(name, None).inspect_err(|_| {
            let mut publishers = self.publishers();
            if publishers.get(name).is_some_and(|one| Arc::ptr_eq(&one.publisher, kept)) {
                publishers.remove(name);
            }
        })
    }

    /// Ends publishers that were unused for a while, or all of them.
    pub fn end_unused(&self, all: bool) {
        // Dropping a publisher may wait for its subscribers, so it happens outside the lock.
        let ended: Vec<Kept> = {
            let mut publishers = self.publishers();
            publishers
                .extract_if(|_, kept| all || kept.used.elapsed() >= KEEP)
                .map(|(_, kept)| kept)
                .collect()
        };
        drop(ended);
    }

    pub fn count(&self) -> u64 {
        self.publishers().len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
