//! The store of a name, and the view of a subscription, which lists stores with news.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linkspan::{Error, ErrorKind};
use tokio::sync::Notify;

use super::key::{Key, NAMES};
use super::log::Log;
use crate::names::Name;
use crate::rights::{Right, Rights};

/// The error of a client that was too slow to read names that came and went.
pub fn too_slow() -> Error {
    let text = "the client was too slow: names came and went whose missed messages the gateway no longer knows; subscribe again";
    Error::new(ErrorKind::Lagged, text)
}

pub struct Store {
    /// Keys grow. A forgotten name that returns gets a new key.
    pub key: u64,
    pub name: Name,
    pub text: Arc<str>,
    /// The first number of a journal that is read from there.
    pub from: Option<u64>,
    log: Mutex<Log>,
    views: Mutex<HashMap<u64, Arc<View>>>,
    /// Whether views were not yet notified of news.
    pub(super) is_new: AtomicBool,
}

impl Store {
    pub(super) fn new(key: u64, name: Name, from: Option<u64>) -> Arc<Store> {
        Arc::new(Store {
            key,
            text: name.text().into(),
            name,
            from,
            log: Mutex::default(),
            views: Mutex::default(),
            is_new: AtomicBool::new(false),
        })
    }

    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn views(&self) -> MutexGuard<'_, HashMap<u64, Arc<View>>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, view: &Arc<View>) -> bool {
        self.views().insert(view.id, view.clone()).is_none()
    }

    pub(super) fn remove(&self, view: &View) -> bool {
        self.views().remove(&view.id).is_some()
    }

    pub(super) fn tell(self: &Arc<Self>) {
        self.is_new.store(false, Ordering::Relaxed);
        self.views().values().for_each(|view| view.note(self));
    }

    pub(super) fn fail(&self, error: &Error) {
        self.views().values().for_each(|view| view.fail(error));
    }
}

#[derive(Default)]
struct News {
    stores: BTreeMap<u64, Arc<Store>>,
    failed: Option<Error>,
}

/// The keys and rights of one subscription, and the stores with news for it.
pub struct View {
    pub(super) id: u64,
    pub(super) keys: Vec<Key>,
    pub(super) rights: Arc<Rights>,
    waker: Arc<Notify>,
    news: Mutex<News>,
}

impl View {
    pub(super) fn new(id: u64, keys: Vec<Key>, rights: Arc<Rights>, waker: Arc<Notify>) -> Arc<View> {
        Arc::new(View { id, keys, rights, waker, news: Mutex::default() })
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the token allows the name, and the first matching key is the store's key.
    pub(super) fn wants(&self, name: &Name, from: Option<u64>) -> bool {
        let first = self.keys.iter().find(|key| key.name.fits(name));
        first.is_some_and(|key| key.from == from) && self.rights.allow(Right::Read, name)
    }

    pub(super) fn note(&self, store: &Arc<Store>) {
        let mut news = self.news();
        if news.stores.len() >= 2 * NAMES && !news.stores.contains_key(&store.key) {
            news.failed.get_or_insert_with(too_slow);
        } else {
            news.stores.insert(store.key, store.clone());
        }
        drop(news);
        self.waker.notify_one();
    }

    pub(super) fn fail(&self, error: &Error) {
        self.news().failed.get_or_insert_with(|| error.clone());
        self.waker.notify_one();
    }

    /// Takes the stores with news, and returns why the view has ended, if it has.
    pub fn take_news(&self) -> (BTreeMap<u64, Arc<Store>>, Option<Error>) {
        let mut news = self.news();
        (std::mem::take(&mut news.stores), news.failed.clone())
    }
}
