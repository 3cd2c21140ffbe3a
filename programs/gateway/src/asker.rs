//! The client that its threads answer: what they say goes to it as frames.

use std::sync::Arc;

use linkspan::Error;

use crate::frames::Frame;
use crate::room::Account;

/// The client for which threads work.
pub trait Asker {
    /// Sends it a frame.
    fn answer(&self, frame: &Frame);
    /// Sends it an error of what has this id.
    fn fail(&self, id: Option<u64>, error: &Error);
    /// Frees the id of a publisher or server that has ended.
    fn forget(&self, id: u64);
    /// Whether it gets no requests now: it has not taken what it was sent, or the gateway is paused.
    fn is_held(&self) -> bool;
    /// Returns the account of what it holds.
    fn account(&self) -> &Arc<Account>;
    /// Counts a message that was published.
    fn published(&self);
}
