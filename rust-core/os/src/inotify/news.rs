//! The events of one watch that its owner has not taken.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify::{ReadFlags, WatchFlags};

use crate::eventfd::EventFd;

/// The events since the last call.
#[derive(Debug, Default)]
pub struct News {
    /// Whether a watched event happened.
    pub changed: bool,
    /// The names of the events, in order.
    pub names: Vec<String>,
    /// The names that renames gave, each as often as that happened.
    pub renamed: Vec<String>,
    /// Whether events were lost: check everything.
    pub overflown: bool,
    /// Whether the object was removed or moved away.
    pub gone: bool,
}

#[derive(Debug)]
pub(super) struct WatchState {
    /// Signalled by the reader of an event for this watch.
    pub(super) waker: EventFd,
    /// Whether its owner sleeps on the instance.
    pub(super) is_direct: bool,
    /// Whether no one sleeps on it: its owner takes events when it likes.
    pub(super) is_passive: bool,
    /// Whether the eventfd was signalled since the last read.
    pub(super) woken: AtomicBool,
    pub(super) keeps_names: bool,
    /// The names whose events count; `None` for all.
    pub(super) only: Option<HashSet<String>>,
    pub(super) news: Mutex<News>,
}

/// More names than this: checking everything costs less.
const KEPT: usize = 65_536;

impl WatchState {
    pub(super) fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Records an event, if the watch wants it; returns whether it does.
    pub(super) fn record(&self, wants: WatchFlags, what: ReadFlags, name: Option<&str>) -> bool {
        let gone = what.intersects(
            ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT,
        );
        let wanted = what.bits() & wants.bits() != 0;
        // An event without a name is about the directory itself.
        let other = self.only.as_ref().is_some_and(|only| name.is_some_and(|name| !only.contains(name)));
        if !gone && (!wanted || other) {
            return false;
        }
        let mut news = self.news();
        news.gone |= gone;
        news.changed |= wanted;
        if let Some(name) = name.filter(|_| wanted && self.keeps_names && what.contains(ReadFlags::MOVED_TO))
        {
            if news.renamed.len() < KEPT {
                news.renamed.push(name.to_owned());
            } else {
                news.overflown = true;
            }
        }
        match name.filter(|_| wanted && self.keeps_names) {
            Some(_) if news.names.len() >= KEPT => news.overflown = true,
            Some(name) => news.names.push(name.to_owned()),
            None => {}
        }
        true
    }
}
