//! A name that other bridges see for as long as a value of this type lives.

use tokio::sync::oneshot;

use super::outgoing::{Outgoing, Step};
use crate::engine::Presence;

/// A name in the list that other bridges read. Dropping it removes the name.
pub struct Announced {
    /// The queue through which the name is removed, in order with the other operations.
    pub outgoing: Outgoing,
    /// The name.
    pub presence: Presence,
    /// Ends the subscription that belongs to the name, when dropped.
    pub _end: Option<oneshot::Sender<()>>,
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.outgoing.step(Step::RemoveName(self.presence.clone()));
    }
}
