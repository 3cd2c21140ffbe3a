//! Clients whose links were cut while they waited for answers: those are kept for a while, for they come back by themselves.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::peer::Outgoing;

/// How long a client is waited for.
const GRACE: Duration = Duration::from_secs(30);
/// Clients that are waited for, at most.
const CLIENTS: usize = 1_000;
/// Answers that are kept for one of them, and their bytes.
const KEPT: (usize, usize) = (256, 1 << 20);

/// The answers for one.
struct DisconnectedClient {
    until: Duration,
    answers: Vec<Outgoing>,
    bytes: usize,
}

/// All that are away, by the number of their incarnation.
#[derive(Default)]
pub struct DisconnectedClients {
    absent: HashMap<u64, DisconnectedClient>,
    order: VecDeque<(Duration, u64)>,
}

impl DisconnectedClients {
    /// This one is waited for from now on; false where too many are.
    pub fn begin(&mut self, session: u64, now: Duration) -> bool {
        if self.absent.len() >= CLIENTS {
            return false;
        }
        let until = now + GRACE;
        self.absent.insert(session, DisconnectedClient { until, answers: Vec::new(), bytes: 0 });
        self.order.push_back((until, session));
        true
    }

    /// Keeps an answer for one who is away. What is too much is dropped: the client asks again or runs out of time.
    pub fn keep(&mut self, session: u64, answer: Outgoing) {
        let Some(absent) = self.absent.get_mut(&session) else { return };
        let bytes = answer.size();
        if absent.answers.len() < KEPT.0 && absent.bytes + bytes <= KEPT.1 {
            absent.bytes += bytes;
            absent.answers.push(answer);
        }
    }

    /// It is back: its answers.
    pub fn end(&mut self, session: u64) -> Vec<Outgoing> {
        self.absent.remove(&session).map_or_else(Vec::new, |absent| absent.answers)
    }

    /// When the next one has been waited for long enough.
    pub fn next(&self) -> Option<Duration> {
        self.order.front().map(|(until, _)| *until)
    }

    /// One that has not come back in time.
    pub fn over(&mut self, now: Duration) -> Option<u64> {
        while let Some((until, session)) = self.order.front().copied().filter(|(until, _)| *until <= now) {
            self.order.pop_front();
            // It may have come back, and gone again, since.
            if self.absent.get(&session).is_some_and(|absent| absent.until == until) {
                self.absent.remove(&session);
                return Some(session);
            }
        }
        None
    }
}
