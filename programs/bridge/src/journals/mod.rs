//! Journals on other machines: the importing machine writes a replica from a stream of records.
//!
//! The order of events for one journal:
//!
//! 1. The exporting bridge announces the journal; the importing bridge opens a stream for it.
//! 2. The exporting bridge describes the journal. The importing bridge opens its replica and requests the records
//!    after its last one.
//! 3. The exporting bridge sends new records, schemas and deletions.
//! 4. When the stream ends for any reason, the importing bridge opens a new one.
//!
//! A replica has the same records and numbers. It stays when the other machine has gone.
//!
//! | part | lives in |
//! |---|---|
//! | journals of this machine for others | `exports` |
//! | replicas of other machines' journals | `imports` |
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

pub struct Journals {
    exports: Exports,
    imports: Imports,
}

impl Journals {
    pub fn new(inbox: Inbox) -> Journals {
        Journals { exports: Exports::default(), imports: Imports::new(inbox) }
    }

    /// Exports listed journals that the configuration exports, and withdraws missing ones.
    ///
    /// # Errors
    /// Errors of the engine, and of reading this machine's name.
    pub fn update(
        &mut self,
        listed: &[Listed],
        config: &Config,
        engine: &dyn Engine,
        status: &mut Status,
    ) -> Result<()> {
        self.exports.update(listed, config, engine, status)
    }

    /// Tries refused journals again, after local names have changed.
    pub fn retry(&mut self) {
        self.imports.retry();
    }

    /// Returns whether this presence belongs to this bridge; an engine may send it back.
    pub fn has(&self, presence: &Presence) -> bool {
        self.exports.has(presence)
    }

    pub fn appeared(&mut self, presence: Presence, status: &mut Status) {
        self.imports.appeared(presence, status);
    }

    pub fn gone(&mut self, presence: &Presence, links: &mut Links, status: &mut Status) {
        self.imports.gone(presence, links, status);
    }

    pub fn descriptors(&self) -> impl Iterator<Item = (Id, &OwnedFd)> {
        self.exports.descriptors()
    }

    /// Returns when there is work without a wake-up.
    pub fn deadline(&self, links: &Links) -> Option<Instant> {
        self.exports.deadline(links).into_iter().chain(self.imports.deadline()).min()
    }

    pub fn wake(&mut self, stream: Id) {
        self.exports.wake(stream);
    }

    /// Begins to send a journal to a machine that opened a stream for it.
    ///
    /// # Errors
    /// Errors of reading this machine's name.
    pub fn opened(&mut self, opened: Opened, links: &mut Links, config: &Config) -> Result<()> {
        self.exports.opened(opened, links, config)
    }

    /// Sends records and forwards arrived ones. Returns whether a local journal may be gone.
    ///
    /// # Errors
    /// Errors of starting a replica's thread.
    pub fn work(&mut self, links: &mut Links, status: &mut Status) -> Result<bool> {
        let look = self.exports.work(links, status)?;
        self.imports.work(links, status)?;
        Ok(look)
    }
}
