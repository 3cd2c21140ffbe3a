//! Journals of one machine on another: the importing machine has a replica, which it writes from a stream of
//! records.
//!
//! The order of events for one journal:
//!
//! 1. The exporting bridge announces the journal; the importing bridge opens a stream about it.
//! 2. The exporting bridge sends what the journal is. The importing bridge opens its replica, and requests
//!    the records behind the last one that is there.
//! 3. The exporting bridge sends records and schemas as they are written, and which records were deleted.
//! 4. When the stream ends, for whatever reason, the importing bridge opens a new one.
//!
//! A replica has the same records under the same numbers. It stays when the other machine has gone.
//!
//! | what | lives in |
//! |---|---|
//! | journals of this machine for others | `exports` |
//! | replicas of journals of other machines | `imports` |
//! | the thread that writes a replica | `writer` |
//! | the messages between the two bridges | `message` |

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
use crate::links::{Id, Links, Opened};
use crate::status::Status;

/// All journals that are exported or imported.
pub struct Journals {
    exports: Exports,
    imports: Imports,
}

impl Journals {
    /// Creates a set without journals.
    pub fn new(inbox: Inbox) -> Journals {
        Journals { exports: Exports::default(), imports: Imports::new(inbox) }
    }

    /// Exports the listed journals that the configuration exports, and withdraws those that have gone.
    ///
    /// # Errors
    /// Those of the engine, and of reading the name of this machine.
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

    /// Returns whether this presence is of this bridge: an engine may send it back.
    pub fn has(&self, presence: &Presence) -> bool {
        self.exports.has(presence)
    }

    /// Adds a journal of another machine.
    pub fn appeared(&mut self, presence: Presence, status: &mut Status) {
        self.imports.appeared(presence, status);
    }

    /// Removes a journal of another machine, and ends its stream.
    pub fn gone(&mut self, presence: &Presence, links: &mut Links, status: &mut Status) {
        self.imports.gone(presence, links, status);
    }

    /// Returns the descriptors to wait for, each with its stream.
    pub fn descriptors(&self) -> impl Iterator<Item = (Id, &OwnedFd)> {
        self.exports.descriptors()
    }

    /// Returns when there is something to do without a wake-up.
    pub fn deadline(&self, links: &Links) -> Option<Instant> {
        self.exports.deadline(links).into_iter().chain(self.imports.deadline()).min()
    }

    /// Marks a stream whose descriptor is readable.
    pub fn wake(&mut self, stream: Id) {
        self.exports.wake(stream);
    }

    /// Begins to send a journal to a machine that has opened a stream for it.
    ///
    /// # Errors
    /// Those of reading the name of this machine.
    pub fn opened(&mut self, opened: Opened, links: &mut Links, config: &Config) -> Result<()> {
        self.exports.opened(opened, links, config)
    }

    /// Sends records, and passes on those that have arrived. Returns whether a journal of this machine may be
    /// gone.
    ///
    /// # Errors
    /// Those of starting the thread of a replica.
    pub fn work(&mut self, links: &mut Links, status: &mut Status) -> Result<bool> {
        let look = self.exports.work(links, status)?;
        self.imports.work(links, status)?;
        Ok(look)
    }
}
