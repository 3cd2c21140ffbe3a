//! A name that other bridges see while a value of this type lives.

use tokio::sync::oneshot;

use super::outgoing::{Outgoing, Step};
use crate::engine::Presence;

/// A name in the list that other bridges read. Dropping it removes the name.
pub struct Announced {
    /// The queue for the removal, which keeps it in order with other operations.
    pub outgoing: Outgoing,
    pub presence: Presence,
    pub _end: Option<oneshot::Sender<()>>,
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.outgoing.step(Step::RemoveName(self.presence.clone()));
    }
}
