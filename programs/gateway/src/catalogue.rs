//! The names that viewers see, with the type of their messages. All viewers share one catalogue, which works only
//! while there are viewers.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use linkspan::schema::Schema;
use linkspan::{Error, ErrorKind, Result, Timestamp, Value, Wait, codec, registry};
use linkspan_ros2::{Encoder, Messages};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use crate::feed::receiving;
use crate::names::Name;
use crate::requests::Listing;
use crate::rights::{Right, Rights};

const FRESH: Duration = Duration::from_millis(900);
/// How long a name may take to report its type, and the pause before it is asked again.
const PATIENCE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_secs(5);
/// Names that are asked concurrently; each takes a thread.
const ASKED: usize = 16;
const NAMES: usize = 8_192;

pub struct Channel {
    pub id: u32,
    pub name: Name,
    pub encoder: Arc<Encoder>,
    /// The type of the next message, shared by all channels of the name.
    pub messages: Arc<Mutex<Messages>>,
}

impl Channel {
    pub fn to_value(&self) -> Value {
        let encoder = &self.encoder;
        let mut shown = vec![
            ("id", Value::from(u64::from(self.id))),
            ("topic", self.name.text().into()),
            ("encoding", encoder.encoding.into()),
            ("schemaName", encoder.name.as_str().into()),
            ("schemaEncoding", encoder.notation.into()),
            ("schema", encoder.text.as_str().into()),
        ];
        if !encoder.units.is_empty() {
            let key = |path: &str| if path.is_empty() { "unit".to_owned() } else { format!("unit.{path}") };
            let units = encoder.units.iter().map(|(path, unit)| (key(path), Value::from(unit.as_str())));
            shown.push(("metadata", Value::Map(units.collect())));
        }
        Value::map(shown)
    }
}

struct Known {
    name: Name,
    channel: Option<Arc<Channel>>,
    asked: Option<Instant>,
    is_asked: bool,
    is_listed: bool,
    /// Whether another program may have the name since the last request.
    is_stale: bool,
    /// The last incarnation whose messages had an unexpected type. Each incarnation is asked again once.
    asked_for: Option<u64>,
}

#[derive(Default)]
struct State {
    names: BTreeMap<String, Known>,
    listed: Option<Instant>,
    is_listing: bool,
    last: u32,
}

impl State {
    /// Returns the names to ask now and marks them as pending.
    ///
    /// Names without an answer go last, so they do not delay new names.
    fn next_asked(&mut self, places: usize) -> Vec<String> {
        let is_due = |known: &Known| {
            let is_known = known.channel.is_some() && !known.is_stale;
            known.is_listed
                && !known.is_asked
                && !is_known
                && known.asked.is_none_or(|at| at.elapsed() >= AGAIN)
        };
        let mut due: Vec<_> = self.names.iter_mut().filter(|(_, known)| is_due(known)).collect();
        due.sort_by_key(|(_, known)| known.asked);
        due.truncate(places);
        for (_, known) in &mut due {
            (known.is_asked, known.asked) = (true, Some(Instant::now()));
        }
        due.into_iter().map(|(text, _)| text.clone()).collect()
    }
}

pub struct Catalogue {
    listing: Arc<Listing>,
    state: Mutex<State>,
    longest: u64,
    /// Identifies this run of the gateway. A viewer keeps its state after a reconnect to the same run.
    pub session: String,
}

impl Catalogue {
    pub fn new(listing: Arc<Listing>, longest: u64) -> Arc<Catalogue> {
        let session = Timestamp::now().0.to_string();
        Arc::new(Catalogue { listing, state: Mutex::default(), longest, session })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn channels(&self, rights: &Rights) -> BTreeMap<String, Arc<Channel>> {
        let state = self.state();
        let readable =
            state.names.iter().filter(|(_, known)| known.is_listed && rights.allow(Right::Read, &known.name));
        readable.filter_map(|(text, known)| Some((text.clone(), known.channel.clone()?))).collect()
    }

    /// Gives a name a new channel after its messages changed type. A new program is asked for its schema.
    pub fn change(&self, name: &str, encoder: Arc<Encoder>, incarnation: u64) {
        let mut state = self.state();
        let number = state.last.saturating_add(1);
        let Some(known) = state.names.get_mut(name) else { return };
        if known.asked_for.replace(incarnation) != Some(incarnation) {
            (known.is_stale, known.asked) = (true, None);
        }
        let Some(before) = known.channel.as_ref().filter(|channel| !Arc::ptr_eq(&channel.encoder, &encoder))
        else {
            return;
        };
        let (name, messages) = (known.name.clone(), before.messages.clone());
        known.channel = Some(Arc::new(Channel { id: number, name, encoder, messages }));
        state.last = number;
    }

    /// Lists the names if the listing is old, and asks names of unknown type.
    ///
    /// Notifies `wake` when a type becomes known.
    pub fn look(self: &Arc<Self>, wake: &Arc<Notify>) {
        let mut state = self.state();
        if !state.is_listing && state.listed.is_none_or(|at| at.elapsed() >= FRESH) {
            state.is_listing = true;
            let (all, wake) = (self.clone(), wake.clone());
            spawn_blocking(move || {
                let listed = catch_unwind(AssertUnwindSafe(|| all.listing.published()));
                let defect =
                    || Err(Error::new(ErrorKind::Internal, "the listing of names ended in a defect"));
                all.take(listed.unwrap_or_else(|_| defect()));
                wake.notify_one();
            });
        }
        let places = ASKED.saturating_sub(state.names.values().filter(|known| known.is_asked).count());
        for text in state.next_asked(places) {
            let (all, wake, longest) = (self.clone(), wake.clone(), self.longest);
            spawn_blocking(move || {
                // After a panic the name is asked again, as after no answer.
                let found = catch_unwind(|| ask(&text, longest));
                all.learn(&text, found.ok().and_then(Result::ok));
                wake.notify_one();
            });
        }
    }

    fn take(&self, listed: Result<Vec<Name>>) {
        let mut state = self.state();
        state.is_listing = false;
        state.listed = Some(Instant::now());
        // A failed listing keeps the previous one.
        let Ok(listed) = listed else { return };
        let listed: BTreeSet<Name> = listed.into_iter().collect();
        for name in &listed {
            if state.names.len() >= NAMES {
                // Vanished names make room.
                state.names.retain(|_, known| known.is_listed);
                if state.names.len() >= NAMES {
                    break;
                }
            }
            state.names.entry(name.text()).or_insert_with(|| Known {
                name: name.clone(),
                channel: None,
                asked: None,
                is_asked: false,
                is_listed: true,
                is_stale: false,
                asked_for: None,
            });
        }
        for known in state.names.values_mut() {
            known.is_listed = listed.contains(&known.name);
            known.is_stale |= !known.is_listed;
        }
    }

    fn learn(&self, text: &str, found: Option<(Messages, Arc<Encoder>, bool)>) {
        let mut state = self.state();
        let number = state.last.saturating_add(1);
        let Some(known) = state.names.get_mut(text) else { return };
        known.is_asked = false;
        let Some((messages, encoder, is_declared)) = found else { return };
        known.is_stale = false;
        if let Some(before) = &known.channel {
            let is_same = before.encoder.text == encoder.text && before.encoder.name == encoder.name;
            // Without a schema, the known type covers all messages so far, while one message may show less.
            if is_same || !is_declared {
                return;
            }
        }
        let (name, messages) = (known.name.clone(), Arc::new(Mutex::new(messages)));
        known.channel = Some(Arc::new(Channel { id: number, name, encoder, messages }));
        state.last = number;
    }
}

/// Asks a name's program for schema and newest message; returns the type, and whether it is declared.
fn ask(text: &str, longest: u64) -> Result<(Messages, Arc<Encoder>, bool)> {
    let schema = registry::schema(text).and_then(|form| Schema::from_bytes(&form)).ok();
    let mut messages = Messages::new(text, schema.as_ref());
    if let Some(encoder) = messages.encoder() {
        let encoder = encoder.clone();
        return Ok((messages, encoder, true));
    }
    let newest = linkspan::latest(text, &receiving(longest)?, Wait::new(PATIENCE))?;
    let value = codec::decode(newest.body(), newest.encoding())?;
    let (encoder, _) = messages.encode_next(&value, newest.sent().0)?;
    Ok((messages, encoder, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(text: &str) -> (String, Known) {
        let known = Known {
            name: Name::parse(text, false).unwrap(),
            channel: None,
            asked: None,
            is_asked: false,
            is_listed: true,
            is_stale: false,
            asked_for: None,
        };
        (text.to_owned(), known)
    }

    #[test]
    fn names_that_never_answer_delay_no_later_name() {
        let silent = (0..50).map(|i| format!("a/silent{i:02}"));
        let mut state = State { names: silent.map(|text| unknown(&text)).collect(), ..State::default() };
        state.names.extend([unknown("z/last")]);
        // Each round frees all places, as the time-out of the asked names does.
        let mut rounds = 0;
        while !state.next_asked(ASKED).contains(&"z/last".to_owned()) {
            rounds += 1;
            assert!(rounds < 4, "the last name has its turn after all others had one");
            for known in state.names.values_mut() {
                known.is_asked = false;
                // Makes the names due again in the same order.
                known.asked = known.asked.and_then(|at| at.checked_sub(AGAIN));
            }
        }
    }
}
