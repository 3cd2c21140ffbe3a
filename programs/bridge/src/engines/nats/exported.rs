//! Exported publishers: their messages are published, and kept for queries and for the bucket.

use std::sync::{Arc, Mutex, PoisonError};

use linkspan::{Error, ErrorKind, Result};

use super::announced::Announced;
use super::headers;
use super::outgoing::Outbound;
use super::shared::Shared;
use crate::engine::{Outlet, Sample};

/// An exported publisher. Dropping it withdraws the name and deletes its message from the bucket.
pub struct Exported {
    pub shared: Arc<Shared>,
    pub subject: String,
    pub newest: Arc<Mutex<Option<Sample>>>,
    pub announced: Announced,
}

impl Outlet for Exported {
    fn publish(&self, sample: Sample) -> Result<()> {
        if let Some(why) = self.shared.surplus(sample.body.bytes.len()) {
            return Err(Error::new(ErrorKind::TooLarge, format!("a message is not carried: {why}")));
        }
        let (headers, payload) = (headers::of_sample(&sample), sample.body.bytes.clone());
        if let Some(bucket) = &self.shared.bucket {
            bucket.put(&sample.name, headers.clone(), payload.clone());
        }
        // Before publishing, so that a later query returns this message.
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(sample);
        self.shared.outgoing.sample(Outbound { subject: self.subject.clone(), headers, payload });
        Ok(())
    }
}

impl Drop for Exported {
    fn drop(&mut self) {
        if let Some(bucket) = &self.shared.bucket {
            bucket.delete(&self.announced.presence.name);
        }
    }
}
