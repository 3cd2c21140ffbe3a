//! How many publishers a name has had, and how many of them a subscriber met.
//!
//! inotify reports one rename per publisher, even for a publisher that ends at once: of its socket, or over `tcp:` on
//! this machine of its owner record. All publishers are accounted for when the subscriber is connected to the current
//! listener, or has found that nobody listens. Each earlier one was met, was reported as a gap, or came and went
//! between two looks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::gaps::GONE_UNMET;
use crate::channel::event_log::EventLog;
use crate::sys::inotify::{News, Watch};
use crate::transport::endpoint::Endpoint;
use crate::transport::place::{Listener, Place};

pub const UNCOUNTED: &str = "the kernel has dropped reports of new publishers: publishers that came and went before now may be neither received nor counted";

/// The publishers of one name since all were accounted for.
#[derive(Debug, Default)]
pub struct OfName {
    pub arrived: u64,
    met: u64,
    pub told: u64,
    last: Option<(u64, Option<Listener>)>,
}

impl OfName {
    /// Notes a connection to a publisher of this incarnation. Returns false if it was met before.
    pub fn met(&mut self, incarnation: u64, listener: Option<Listener>) -> bool {
        let is_new = self.last.replace((incarnation, listener)) != Some((incarnation, listener));
        self.met += u64::from(is_new);
        is_new
    }

    /// Returns whether some publishers were neither met nor told. They may still come next.
    pub fn is_open(&self) -> bool {
        self.arrived > self.met + self.told
    }

    /// Returns how many publishers were neither met nor told and cannot come later, and starts again.
    pub fn settle(&mut self) -> u64 {
        let unmet = self.arrived.saturating_sub(self.met + self.told);
        (self.arrived, self.met, self.told) = (0, 0, 0);
        unmet
    }
}

/// Returns the file that each listener of an endpoint renames to its place; `None` if nothing reports its listeners.
pub fn renamed_file(endpoint: &Endpoint) -> Option<Place> {
    endpoint.transport().connections().ok()?.target(endpoint).ok()?.renamed_file()
}

pub struct Arrivals {
    names: HashMap<String, Arc<str>>,
    watch: Watch,
}

impl Arrivals {
    /// Counts from now on. Leaves out the names of a directory that cannot be watched.
    pub fn of(files: impl IntoIterator<Item = (Place, Arc<str>)>) -> Vec<Arrivals> {
        let mut directories = BTreeMap::new();
        for (Place { directory, file }, name) in files {
            let key = directory.path().to_owned();
            directories.entry(key).or_insert_with(|| (directory, HashMap::new())).1.insert(file, name);
        }
        let watched = directories.into_values().filter_map(|(directory, names)| {
            let watch = Watch::renames(&directory, names.keys().cloned().collect()).ok()?;
            Some(Arrivals { names, watch })
        });
        watched.collect()
    }

    /// Returns the names that listeners have taken since the last call; `None` if the kernel has dropped events.
    pub fn take(&self) -> Option<Vec<Arc<str>>> {
        let News { renamed, overflown, gone, .. } = self.watch.take_all();
        let names = renamed.iter().filter_map(|file| self.names.get(file).cloned());
        (!overflown && !gone).then(|| names.collect())
    }
}

pub struct OneName {
    place: Place,
    arrivals: Vec<Arrivals>,
    pub of: OfName,
}

impl OneName {
    pub fn new(place: Place) -> OneName {
        let arrivals = Arrivals::of([(place.clone(), Arc::from(""))]);
        OneName { place, arrivals, of: OfName::default() }
    }

    /// Reports the publishers that came and went unmet, if `known` is the name's current listener.
    pub fn settle(&mut self, known: Option<Listener>, log: &EventLog) {
        for arrivals in &self.arrivals {
            match arrivals.take() {
                Some(names) => self.of.arrived += names.len() as u64,
                None => log.unseen(UNCOUNTED.to_owned()),
            }
        }
        // After the look at the watch: a later listener has another file.
        if self.place.listener() == known {
            (0..self.of.settle()).for_each(|_| log.unseen(GONE_UNMET.to_owned()));
        }
    }
}
