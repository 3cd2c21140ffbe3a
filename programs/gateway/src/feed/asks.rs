//! Names and patterns (keys) that clients ask for, the matching stores, and the limits of each token.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use linkspan::{Error, ErrorKind, Result};
use tokio::sync::Notify;

use super::key::Key;
use super::store::{Store, View};
use crate::names::Name;
use crate::rights::{Right, Rights};

const ASKS: usize = 1_024;
/// The most keys of one token; the rest is for other tokens.
const OF_ONE_TOKEN: usize = ASKS / 2;
/// How long a key stays without a client, which lets a returning client get the missed messages.
const LINGER: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Ask {
    views: HashMap<u64, Arc<View>>,
    /// The number of views of each token, and its rights.
    tokens: HashMap<String, (usize, Arc<Rights>)>,
    stores: HashSet<u64>,
    /// Set without views: since when, and the rights of the last token.
    unused: Option<(Instant, Arc<Rights>)>,
}

impl Ask {
    fn allows(&self, name: &Name) -> bool {
        let lingers = self.unused.iter().map(|(_, rights)| rights);
        let mut rights = self.tokens.values().map(|(_, rights)| rights).chain(lingers);
        rights.any(|rights| rights.allow(Right::Read, name))
    }
}

struct Held {
    store: Arc<Store>,
    /// The endpoint in `endpoints`.
    endpoint: Option<String>,
    /// The number of keys that want it, and of views of each token.
    asks: usize,
    tokens: HashMap<String, usize>,
}

pub struct Joined {
    pub stores: Vec<Arc<Store>>,
    /// Journals that must be read from now on.
    pub readers: Vec<Arc<Store>>,
    pub is_changed: bool,
}

pub struct State {
    asks: HashMap<Key, Ask>,
    stores: HashMap<u64, Held>,
    endpoints: HashMap<String, u64>,
    followed: HashMap<String, usize>,
    most: usize,
    next_store: u64,
    next_view: u64,
}

fn add(counts: &mut HashMap<String, usize>, token: &str) -> bool {
    let count = counts.entry(token.to_owned()).or_default();
    *count = count.saturating_add(1);
    *count == 1
}

fn subtract(counts: &mut HashMap<String, usize>, token: &str) -> bool {
    let Some(count) = counts.get_mut(token) else { return false };
    *count = count.saturating_sub(1);
    let is_last = *count == 0;
    if is_last {
        counts.remove(token);
    }
    is_last
}

impl State {
    pub fn new(most: usize) -> State {
        State {
            asks: HashMap::new(),
            stores: HashMap::new(),
            endpoints: HashMap::new(),
            followed: HashMap::new(),
            most,
            next_store: 0,
            next_view: 0,
        }
    }

    pub fn count(&self) -> (usize, usize) {
        (self.asks.len(), self.stores.len())
    }

    pub fn is_empty(&self) -> bool {
        self.asks.is_empty()
    }

    pub fn all(&self) -> Vec<Arc<Store>> {
        self.stores.values().map(|held| held.store.clone()).collect()
    }

    pub fn known(&self, endpoint: &str) -> Option<Arc<Store>> {
        self.endpoints.get(endpoint).and_then(|key| self.stores.get(key)).map(|held| held.store.clone())
    }

    pub fn wants(&self, endpoint: &str) -> bool {
        let name = Name::of_endpoint(endpoint);
        self.endpoints.contains_key(endpoint) || self.fitting(&name).next().is_some()
    }

    fn fitting<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = (&'a Key, &'a Ask)> {
        let fits = move |key: &Key, ask: &Ask| key.from.is_none() && key.name.fits(name) && ask.allows(name);
        self.asks.iter().filter(move |(key, ask)| fits(key, ask))
    }

    fn of_one_token(&self) -> usize {
        (self.most / 2).max(1)
    }

    fn too_many_names(&self) -> Error {
        let text = format!(
            "the gateway follows {} names, and {} for one token; subscribe to fewer names",
            self.most,
            self.of_one_token()
        );
        Error::new(ErrorKind::Full, text)
    }

    /// Begins a view. The view begins even on an error, which then concerns some of its keys.
    pub fn join(
        &mut self,
        keys: Vec<Key>,
        rights: &Arc<Rights>,
        waker: &Arc<Notify>,
    ) -> (Arc<View>, Result<Joined>) {
        let id = self.next_view;
        self.next_view = id.saturating_add(1);
        let view = View::new(id, keys, rights.clone(), waker.clone());
        let joined = self.ask_for_all(&view);
        (view, joined)
    }

    fn ask_for_all(&mut self, view: &Arc<View>) -> Result<Joined> {
        let mut joined = Joined { stores: Vec::new(), readers: Vec::new(), is_changed: false };
        for key in &view.keys {
            let is_new = self.ask(key, view)?;
            joined.is_changed |= is_new;
            if is_new && key.from.is_some() {
                // The new reader delivers all messages as news.
                if let Some(reader) = self.begin_reader(key, view)? {
                    joined.readers.push(reader);
                    continue;
                }
            }
            if is_new {
                self.find_stores(key);
            }
            let stores: Vec<u64> =
                self.asks.get(key).into_iter().flat_map(|ask| ask.stores.iter().copied()).collect();
            for store in stores {
                joined.stores.extend(self.attach(store, view)?);
            }
        }
        joined.stores.sort_by_key(|store| store.key);
        Ok(joined)
    }

    /// Adds a key; returns whether it is new for this token.
    fn ask(&mut self, key: &Key, view: &Arc<View>) -> Result<bool> {
        let token = &view.rights.name;
        let is_of_token = self.asks.get(key).is_some_and(|ask| ask.tokens.contains_key(token));
        if !is_of_token {
            let own = self.asks.values().filter(|ask| ask.tokens.contains_key(token)).count();
            let is_full = own >= OF_ONE_TOKEN
                || (!self.asks.contains_key(key) && self.asks.len() >= ASKS && !self.end_oldest_unused());
            if is_full {
                let text = format!(
                    "the gateway follows {ASKS} names and patterns, and {OF_ONE_TOKEN} for one token; use a pattern for many names"
                );
                return Err(Error::new(ErrorKind::Full, text));
            }
        }
        let ask = self.asks.entry(key.clone()).or_default();
        ask.unused = None;
        if ask.views.insert(view.id, view.clone()).is_none() {
            let (count, _) = ask.tokens.entry(token.clone()).or_insert((0, view.rights.clone()));
            *count = count.saturating_add(1);
        }
        Ok(!is_of_token)
    }

    fn find_stores(&mut self, key: &Key) {
        let Some(ask) = self.asks.get_mut(key) else { return };
        let mut find = |number: u64, held: &mut Held| {
            let store = &held.store;
            let fits = store.from == key.from && key.name.fits(&store.name) && ask.allows(&store.name);
            if fits && ask.stores.insert(number) {
                held.asks = held.asks.saturating_add(1);
            }
        };
        if key.from.is_some() || key.name.is_pattern() {
            self.stores.iter_mut().for_each(|(number, held)| find(*number, held));
        } else if let Some(number) = self.endpoints.get(&key.name.endpoint())
            && let Some(held) = self.stores.get_mut(number)
        {
            find(*number, held);
        }
    }

    /// Attaches a store to a view that wants it and does not have it yet.
    fn attach(&mut self, number: u64, view: &Arc<View>) -> Result<Option<Arc<Store>>> {
        let (of_one_token, token) = (self.of_one_token(), &view.rights.name);
        let Some(held) = self.stores.get_mut(&number) else { return Ok(None) };
        if !view.wants(&held.store.name, held.store.from) {
            return Ok(None);
        }
        let own = self.followed.get(token).copied().unwrap_or(0);
        if !held.tokens.contains_key(token) && own >= of_one_token {
            return Err(self.too_many_names());
        }
        if !held.store.add(view) {
            return Ok(None);
        }
        if add(&mut held.tokens, token) {
            add(&mut self.followed, token);
        }
        Ok(Some(held.store.clone()))
    }

    /// Begins to read a journal from a number, unless another view already does.
    fn begin_reader(&mut self, key: &Key, view: &Arc<View>) -> Result<Option<Arc<Store>>> {
        let is_there = |held: &Held| held.store.from == key.from && held.store.name == key.name;
        if self.stores.values().any(is_there) {
            return Ok(None);
        }
        if self.stores.len() >= self.most && !self.forget(None) {
            return Err(self.too_many_names());
        }
        let store = self.insert(key.name.clone(), key.from, None);
        self.find_stores(key);
        if let Some(store) = self.attach(store.key, view)? {
            view.note(&store);
        }
        Ok(Some(store))
    }

    fn insert(&mut self, name: Name, from: Option<u64>, endpoint: Option<String>) -> Arc<Store> {
        let key = self.next_store;
        self.next_store = key.saturating_add(1);
        let store = Store::new(key, name, from);
        if let Some(endpoint) = &endpoint {
            self.endpoints.insert(endpoint.clone(), key);
        }
        let held = Held { store: store.clone(), endpoint, asks: 0, tokens: HashMap::new() };
        self.stores.insert(key, held);
        store
    }

    /// Creates the store of an endpoint, if a client wants it and has room for it.
    ///
    /// Also returns whether the set of wanted names changed.
    pub fn begin_store(&mut self, endpoint: &str) -> (Option<Arc<Store>>, bool) {
        let name = Name::of_endpoint(endpoint);
        if !self.wants(endpoint) {
            return (None, true);
        }
        if self.stores.len() >= self.most && !self.forget(None) && !self.end_all_unused() {
            let error = self.too_many_names();
            let fitting: Vec<Key> = self.fitting(&name).map(|(key, _)| key.clone()).collect();
            fitting.iter().for_each(|key| self.fail_views(key, &name, None, &error));
            return (None, true);
        }
        let store = self.insert(name, None, Some(endpoint.to_owned()));
        let fitting: Vec<Key> = self.fitting(&store.name).map(|(key, _)| key.clone()).collect();
        let mut is_changed = false;
        for key in fitting {
            let Some(ask) = self.asks.get_mut(&key) else { continue };
            ask.stores.insert(store.key);
            let views: Vec<Arc<View>> = ask.views.values().cloned().collect();
            if let Some(held) = self.stores.get_mut(&store.key) {
                held.asks = held.asks.saturating_add(1);
            }
            for view in views {
                let mut attached = self.attach(store.key, &view);
                // The token's ended names make room.
                if attached.is_err() && self.forget(Some(&view.rights.name)) {
                    attached = self.attach(store.key, &view);
                }
                match attached {
                    Ok(_) => view.note(&store),
                    Err(error) => {
                        self.fail_views(&key, &store.name, Some(&view.rights.name), &error);
                        is_changed = true;
                    }
                }
            }
        }
        (Some(store), is_changed)
    }

    /// Ends the views of a key that want a name, optionally only the views of one token.
    fn fail_views(&mut self, key: &Key, name: &Name, token: Option<&str>, error: &Error) {
        let Some(ask) = self.asks.get(key) else { return };
        let views: Vec<Arc<View>> = ask.views.values().cloned().collect();
        for view in views {
            if view.wants(name, key.from) && token.is_none_or(|token| view.rights.name == token) {
                view.fail(error);
                self.leave_at_once(&view);
            }
        }
    }

    /// Forgets names without a publisher, starting with the earliest end; returns whether it found any.
    ///
    /// With a token, considers only names that it follows.
    fn forget(&mut self, token: Option<&str>) -> bool {
        let of_token = |held: &&Held| token.is_none_or(|token| held.tokens.contains_key(token));
        let stores = self.stores.values().filter(of_token).map(|held| &held.store);
        let mut gone: Vec<(u64, u64)> =
            stores.filter_map(|store| Some((store.log().ended()?, store.key))).collect();
        gone.sort_unstable();
        // Forgetting several at once avoids a search per new name.
        gone.truncate((gone.len() / 8).max(1));
        for (_, key) in &gone {
            if let Some(store) = self.remove_store(*key) {
                store.log().forget();
                store.tell();
            }
        }
        !gone.is_empty()
    }

    /// Removes a store from its keys. Views keep it until they have read it.
    pub fn remove_store(&mut self, number: u64) -> Option<Arc<Store>> {
        let held = self.stores.remove(&number)?;
        if let Some(endpoint) = &held.endpoint {
            self.endpoints.remove(endpoint);
        }
        for token in held.tokens.keys() {
            subtract(&mut self.followed, token);
        }
        for ask in self.asks.values_mut() {
            ask.stores.remove(&number);
        }
        Some(held.store)
    }

    /// Ends a view. Its keys linger.
    pub fn leave(&mut self, view: &Arc<View>) {
        for key in &view.keys {
            let Some(ask) = self.asks.get_mut(key) else { continue };
            if ask.views.remove(&view.id).is_none() {
                continue;
            }
            if let Some((count, _)) = ask.tokens.get_mut(&view.rights.name) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    ask.tokens.remove(&view.rights.name);
                }
            }
            if ask.views.is_empty() {
                ask.unused = Some((Instant::now(), view.rights.clone()));
            }
            for number in &ask.stores {
                let Some(held) = self.stores.get_mut(number) else { continue };
                if held.store.remove(view) && subtract(&mut held.tokens, &view.rights.name) {
                    subtract(&mut self.followed, &view.rights.name);
                }
            }
        }
    }

    /// Ends a view, and at once the keys that only it used.
    fn leave_at_once(&mut self, view: &Arc<View>) {
        self.leave(view);
        for key in &view.keys {
            if self.asks.get(key).is_some_and(|ask| ask.unused.is_some()) {
                self.end_ask(key);
            }
        }
    }

    /// Ends a key, and stores that no other key wants.
    fn end_ask(&mut self, key: &Key) {
        let Some(ask) = self.asks.remove(key) else { return };
        for number in ask.stores {
            let Some(held) = self.stores.get_mut(&number) else { continue };
            held.asks = held.asks.saturating_sub(1);
            if held.asks == 0 {
                self.remove_store(number);
            }
        }
    }

    fn end_oldest_unused(&mut self) -> bool {
        let unused = self.asks.iter().filter_map(|(key, ask)| Some((ask.unused.as_ref()?.0, key)));
        let oldest = unused.min_by_key(|(since, _)| *since).map(|(_, key)| key.clone());
        oldest.is_some_and(|key| {
            self.end_ask(&key);
            true
        })
    }

    fn end_all_unused(&mut self) -> bool {
        let before = self.stores.len();
        while self.end_oldest_unused() {}
        self.stores.len() < before
    }

    /// Ends keys without recent clients; returns whether it ended any.
    ///
    /// A journal that is read from a number ends at once, because the next client can read it again.
    pub fn end_unused(&mut self, now: Instant) -> bool {
        let is_over = |key: &Key, ask: &Ask| {
            let unused = ask.unused.as_ref().map(|(since, _)| now.saturating_duration_since(*since));
            unused.is_some_and(|unused| unused >= LINGER || key.from.is_some())
        };
        let over: Vec<Key> =
            self.asks.iter().filter(|(key, ask)| is_over(key, ask)).map(|(key, _)| key.clone()).collect();
        over.iter().for_each(|key| self.end_ask(key));
        !over.is_empty()
    }

    pub fn has(&self, store: &Store) -> bool {
        self.stores.contains_key(&store.key)
    }

    pub fn clear(&mut self) -> Vec<Arc<View>> {
        let views: HashMap<u64, Arc<View>> =
            self.asks.values_mut().flat_map(|ask| std::mem::take(&mut ask.views)).collect();
        self.asks.clear();
        self.stores.clear();
        self.endpoints.clear();
        self.followed.clear();
        views.into_values().collect()
    }
}
