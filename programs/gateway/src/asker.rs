//! The interface through which threads answer their client.

use std::sync::Arc;

use linkspan::Error;

use crate::frames::Frame;
use crate::room::Account;

pub trait Asker {
    fn answer(&self, frame: &Frame);
    fn fail(&self, id: Option<u64>, error: &Error);
    /// Frees the id of a publisher or server that has ended.
    fn forget(&self, id: u64);
    /// Whether it gets no requests now: it is slow to take frames, or the gateway is paused.
    fn is_held(&self) -> bool;
    fn account(&self) -> &Arc<Account>;
    fn published(&self);
}
