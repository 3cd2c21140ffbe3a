//! Pending requests. A NATS server does not report that a request's responder has disconnected.
//!
//! Each request is therefore registered with the presence of its server. When that presence goes, the request ends
//! with `Disconnected` instead of a time-out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::engine::Presence;

struct UnderWay {
    to: Presence,
    begun: Instant,
    /// Dropped when its server is gone, which the waiting task notices.
    _end: oneshot::Sender<()>,
}

#[derive(Default)]
pub struct Requests(Mutex<(u64, HashMap<u64, UnderWay>)>);

impl Requests {
    /// Registers a request. Returns its number, and a receiver that ends when its server is gone.
    pub fn begin(&self, to: &Presence) -> (u64, oneshot::Receiver<()>) {
        let mut it = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (end, gone) = oneshot::channel();
        it.0 = it.0.saturating_add(1);
        let number = it.0;
        it.1.insert(number, UnderWay { to: to.clone(), begun: Instant::now(), _end: end });
        (number, gone)
    }

    pub fn finish(&self, number: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&number);
    }

    /// Ends the requests sent to a gone server up to this time.
    pub fn end_those_to(&self, gone: &Presence, by: Instant) {
        let mut it = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        it.1.retain(|_, request| request.to != *gone || request.begun > by);
    }
}
