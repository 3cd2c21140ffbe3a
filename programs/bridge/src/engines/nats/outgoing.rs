//! The queue of operations on the server: the event loop adds to it without waiting, and one task (`sender`)
//! empties it in order.
//!
//! There are three lanes. Operations on subscriptions and names are unbounded and come first, so that other
//! bridges see a name only after its subscription was made. Then come answers and packets, and last the
//! samples; both are bounded by bytes and drop their oldest messages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use crate::engine::Presence;

/// The most queued bytes of samples.
const SAMPLES: usize = 16 << 20;
/// The most queued bytes of answers and packets to other bridges.
const URGENT: usize = 32 << 20;
/// The approximate memory of a message beside its payload.
const OVERHEAD: usize = 200;

/// A message to send.
pub struct Outbound {
    pub subject: String,
    pub headers: HeaderMap,
    pub payload: Bytes,
}

/// Handles the messages of a subscription.
pub type Handler = Box<dyn FnMut(Message) + Send>;

/// An operation on the server; operations are carried out in order.
pub enum Step {
    /// Passes messages of a subject to the handler until the other end of `ended` is dropped.
    Subscribe { subject: String, queue: Option<&'static str>, handler: Handler, ended: oneshot::Receiver<()> },
    /// Adds a name to the list that other bridges read.
    AddName(Presence),
    /// Removes a name from it.
    RemoveName(Presence),
    /// Sends a message.
    Send(Outbound),
}

/// The queue; clones share it.
#[derive(Clone, Default)]
pub struct Outgoing(Arc<Shared>);

/// What the clones share.
#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Notified when there is something to send.
    filled: Notify,
}

/// The lanes, in the order in which they are emptied.
#[derive(Default)]
struct Waiting {
    steps: VecDeque<Step>,
    urgent: Lane,
    samples: Lane,
}

/// A queue of messages with a bound on its bytes. The oldest are dropped first: the newest are awaited.
#[derive(Default)]
struct Lane(VecDeque<Outbound>, usize);

impl Lane {
    /// Appends a message, and drops the oldest ones beyond the bound. The newest stays, even if it alone is
    /// longer.
    fn push(&mut self, message: Outbound, most: usize) {
        self.1 = self.1.saturating_add(message.payload.len().saturating_add(OVERHEAD));
        self.0.push_back(message);
        while self.1 > most && self.0.len() > 1 {
            self.pop();
        }
    }

    /// Removes and returns the oldest message.
    fn pop(&mut self) -> Option<Outbound> {
        let message = self.0.pop_front()?;
        self.1 = self.1.saturating_sub(message.payload.len().saturating_add(OVERHEAD));
        Some(message)
    }
}

impl Outgoing {
    /// Changes the lanes and wakes the task.
    fn put(&self, put: impl FnOnce(&mut Waiting)) {
        put(&mut self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.filled.notify_one();
    }

    /// Queues an operation before any message queued later.
    pub fn step(&self, step: Step) {
        self.put(|waiting| waiting.steps.push_back(step));
    }

    /// Queues an answer, or a packet for one bridge.
    pub fn urgent(&self, message: Outbound) {
        self.put(|waiting| waiting.urgent.push(message, URGENT));
    }

    /// Queues a published message.
    pub fn sample(&self, message: Outbound) {
        self.put(|waiting| waiting.samples.push(message, SAMPLES));
    }

    /// Waits for the next operation.
    pub async fn next(&self) -> Step {
        loop {
            let next = {
                let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let Waiting { steps, urgent, samples } = &mut *waiting;
                steps.pop_front().or_else(|| urgent.pop().or_else(|| samples.pop()).map(Step::Send))
            };
            match next {
                Some(next) => return next,
                None => self.0.filled.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lane_keeps_the_newest_within_its_bound() {
        let mut lane = Lane::default();
        for at in 0..10u8 {
            let payload = Bytes::from(vec![at; 300]);
            lane.push(Outbound { subject: String::new(), headers: HeaderMap::new(), payload }, 1500);
        }
        assert_eq!(lane.1, 1500);
        let kept: Vec<_> = std::iter::from_fn(|| lane.pop()).map(|it| it.payload[0]).collect();
        assert_eq!((kept, lane.1), (vec![7, 8, 9], 0));
        // A message that is longer than the bound is queued alone.
        let payload = Bytes::from(vec![0; 5000]);
        lane.push(Outbound { subject: String::new(), headers: HeaderMap::new(), payload }, 1500);
        assert!(lane.pop().is_some());
    }
}
