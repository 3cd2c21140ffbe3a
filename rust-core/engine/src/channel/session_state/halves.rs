//! The state that the lock of a session protects.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::calls::Calls;
use crate::message::StoredMessage;
use crate::session::{Connection, connection};
use crate::transport::{AckWords, Slots};

pub struct SessionHalves {
    pub(super) connection: Connection<StoredMessage, Page>,
    pub(super) slots: Option<Arc<Slots>>,
    pub calls: Calls,
}

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
