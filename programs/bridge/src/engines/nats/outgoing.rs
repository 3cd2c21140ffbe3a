//! The queue of operations on the server. The event loop adds without waiting; the task `sender` takes them in order.
//!
//! It has three lanes. Operations on subscriptions and names come first and are unbounded, so other bridges see a
//! name only after its subscription exists. Answers and packets come next, then samples. Both are bounded in bytes
//! and drop their oldest messages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use crate::engine::Presence;

const SAMPLES: usize = 16 << 20;
/// The most queued bytes of answers and packets.
const URGENT: usize = 32 << 20;
/// The approximate memory of a message in addition to its payload.
const OVERHEAD: usize = 200;

pub struct Outbound {
    pub subject: String,
    pub headers: HeaderMap,
    pub payload: Bytes,
}

pub type Handler = Box<dyn FnMut(Message) + Send>;

/// An operation on the server. Operations run in order.
pub enum Step {
    /// Passes messages of a subject to the handler until the other end of `ended` is dropped.
    Subscribe { subject: String, queue: Option<&'static str>, handler: Handler, ended: oneshot::Receiver<()> },
    /// Adds a name to the list that other bridges read.
    AddName(Presence),
    /// Removes a name from that list.
    RemoveName(Presence),
    /// Sends a message.
    Send(Outbound),
}

/// The queue; clones share it.
#[derive(Clone, Default)]
pub struct Outgoing(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    steps: VecDeque<Step>,
    urgent: Lane,
    samples: Lane,
}

/// A queue with a limit of bytes. It drops the oldest messages, because receivers wait for the newest.
#[derive(Default)]
struct Lane(VecDeque<Outbound>, usize);

impl Lane {
    /// Appends a message and drops the oldest ones above the limit. The newest stays, even if it is longer.
    fn push(&mut self, message: Outbound, most: usize) {
        self.1 = self.1.saturating_add(message.payload.len().saturating_add(OVERHEAD));
        self.0.push_back(message);
        while self.1 > most && self.0.len() > 1 {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<Outbound> {
        let message = self.0.pop_front()?;
        self.1 = self.1.saturating_sub(message.payload.len().saturating_add(OVERHEAD));
        Some(message)
    }
}

impl Outgoing {
    fn put(&self, put: impl FnOnce(&mut Waiting)) {
        put(&mut self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.filled.notify_one();
    }

    /// Queues an operation before all messages.
    pub fn step(&self, step: Step) {
        self.put(|waiting| waiting.steps.push_back(step));
    }

    /// Queues an answer, or a packet for one bridge.
    pub fn urgent(&self, message: Outbound) {
        self.put(|waiting| waiting.urgent.push(message, URGENT));
    }

    pub fn sample(&self, message: Outbound) {
        self.put(|waiting| waiting.samples.push(message, SAMPLES));
    }

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
        // A message above the limit is queued on its own.
        let payload = Bytes::from(vec![0; 5000]);
        lane.push(Outbound { subject: String::new(), headers: HeaderMap::new(), payload }, 1500);
        assert!(lane.pop().is_some());
    }
}
