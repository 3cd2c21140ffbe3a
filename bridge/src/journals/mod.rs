//! Journals of one machine on another: the importing machine has a replica, which it writes from a stream of records.
//!
//! | what | lives in |
//! |---|---|
//! | journals of this machine for others | `exports` |
//! | replicas of journals of other machines | `imports` |
//! | the thread that writes a replica | `writer` |
//! | what the two bridges send each other | `message` |

mod exports;
mod imports;
mod message;
mod writer;

use std::os::fd::OwnedFd;
use std::time::Instant;

use linkspan::Result;
use linkspan::registry::Listed;

use self::exports::Exports;
use self::imports::Imports;
use crate::config::Config;
use crate::engine::{Engine, Presence};
use crate::inbox::Inbox;
use crate::links::{Id, Links};
use crate::status::Status;

/// All journals that are carried.
pub struct Journals {
    exports: Exports,
    imports: Imports,
}

impl Journals {
    /// None yet.
    pub fn new(inbox: Inbox) -> Journals {
        Journals { exports: Exports::default(), imports: Imports::new(inbox) }
    }

    /// Exports what is there now and is to be, and ends what is there no longer.
    pub fn update(
        &mut self,
        listed: &[Listed],
        config: &Config,
        engine: &dyn Engine,
        status: &mut Status,
    ) -> Result<()> {
        self.exports.update(listed, config, engine, status)
    }

    /// Tries again what was refused: names of this machine have changed.
    pub fn retry(&mut self) {
        self.imports.retry();
    }

    /// Whether this is one of ours, which came back to us.
    pub fn has(&self, presence: &Presence) -> bool {
        self.exports.has(presence)
    }

    /// A journal of another machine is there.
    pub fn appeared(&mut self, presence: Presence, status: &mut Status) {
        self.imports.appeared(presence, status);
    }

    /// It is there no longer.
    pub fn gone(&mut self, presence: &Presence, links: &mut Links, status: &mut Status) {
        self.imports.gone(presence, links, status);
    }

    /// The descriptors to wait for, each with the stream that it belongs to.
    pub fn descriptors(&self) -> impl Iterator<Item = (Id, &OwnedFd)> {
        self.exports.descriptors()
    }

    /// When there is something to do without a wake-up.
    pub fn deadline(&self, links: &Links) -> Option<Instant> {
        self.exports.deadline(links).into_iter().chain(self.imports.deadline()).min()
    }

    /// Marks a stream whose descriptor is readable.
    pub fn wake(&mut self, stream: Id) {
        self.exports.wake(stream);
    }

    /// Sends records, and writes those that have arrived. Returns whether a journal of this machine may be gone.
    pub fn work(&mut self, links: &mut Links, config: &Config, status: &mut Status) -> Result<bool> {
        for opened in links.take_opened() {
            self.exports.opened(opened, links, config)?;
        }
        let look = self.exports.work(links, status)?;
        self.imports.work(links, status)?;
        Ok(look)
    }
}
