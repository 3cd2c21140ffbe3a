//! What the lock of a session protects: the connection, and what belongs to it in this process.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::calls::Calls;
use crate::message::StoredMessage;
use crate::session::{Connection, connection};
use crate::transport::{AckWords, Slots};

/// The connection with the peer, the slots of its link, and the calls under way. It dereferences to the connection.
pub struct SessionHalves {
    pub(super) connection: Connection<StoredMessage, Page>,
    /// The slots of the link that is being written, for long arrays.
    pub(super) slots: Option<Arc<Slots>>,
    /// Requests whose answers any call may receive, and the calls that wait.
    pub calls: Calls,
}

/// The pages in shared memory of a link.
#[derive(Clone)]
pub struct Page(pub Arc<AckWords>);

impl PartialEq for Page {
    fn eq(&self, other: &Page) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl connection::Page for Page {
    #[inline]
    fn acknowledged(&self) -> u64 {
        self.0.acknowledged()
    }

    fn want(&self, number: u64) {
        self.0.want(number);
    }

    #[inline]
    fn wanted(&self) -> u64 {
        self.0.wanted()
    }

    fn publish(&self, consumed: u64) {
        self.0.publish(consumed);
    }

    fn publish_before_fence(&self, consumed: u64) {
        self.0.publish_before_fence(consumed);
    }

    fn taken(&self) -> u64 {
        self.0.taken()
    }

    #[inline]
    fn publish_taken(&self, request: u64) {
        self.0.publish_taken(request);
    }
}

impl Deref for SessionHalves {
    type Target = Connection<StoredMessage, Page>;

    fn deref(&self) -> &Connection<StoredMessage, Page> {
        &self.connection
    }
}

impl DerefMut for SessionHalves {
    #[inline]
    fn deref_mut(&mut self) -> &mut Connection<StoredMessage, Page> {
        &mut self.connection
    }
}
