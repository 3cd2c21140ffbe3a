//! Replies for clients whose links were cut while they waited: clients reconnect by themselves and then receive them.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::peer::Outgoing;

/// How long replies are kept for a client.
const GRACE: Duration = Duration::from_secs(30);
/// The most clients that are waited for.
const CLIENTS: usize = 1_000;
/// The most replies per client, and their bytes.
const KEPT: (usize, usize) = (256, 1 << 20);

/// The replies for one client.
struct DisconnectedClient {
    until: Duration,
    answers: Vec<Outgoing>,
    bytes: usize,
}

/// The disconnected clients by the number of their incarnation.
#[derive(Default)]
pub struct DisconnectedClients {
    absent: HashMap<u64, DisconnectedClient>,
    order: VecDeque<(Duration, u64)>,
}

impl DisconnectedClients {
    /// Begins to keep replies for a client; returns false if there are too many clients.
    pub fn begin(&mut self, session: u64, now: Duration) -> bool {
        if self.absent.len() >= CLIENTS {
            return false;
        }
        let until = now + GRACE;
        self.absent.insert(session, DisconnectedClient { until, answers: Vec::new(), bytes: 0 });
        self.order.push_back((until, session));
        true
    }

    /// Keeps a reply. Replies beyond the limits are dropped, and the client sends its request again or times
    /// out.
    pub fn keep(&mut self, session: u64, answer: Outgoing) {
        let Some(absent) = self.absent.get_mut(&session) else { return };
        let bytes = answer.size();
        if absent.answers.len() < KEPT.0 && absent.bytes + bytes <= KEPT.1 {
            absent.bytes += bytes;
            absent.answers.push(answer);
        }
    }

    /// Returns the replies for a client that has reconnected.
    pub fn end(&mut self, session: u64) -> Vec<Outgoing> {
        self.absent.remove(&session).map_or_else(Vec::new, |absent| absent.answers)
    }

    /// Returns when the next client expires.
    pub fn next(&self) -> Option<Duration> {
        self.order.front().map(|(until, _)| *until)
    }

    /// Removes a client that has not reconnected in time and returns it.
    pub fn over(&mut self, now: Duration) -> Option<u64> {
        while let Some((until, session)) = self.order.front().copied().filter(|(until, _)| *until <= now) {
            self.order.pop_front();
            // The client may have reconnected and disconnected again since.
            if self.absent.get(&session).is_some_and(|absent| absent.until == until) {
                self.absent.remove(&session);
                return Some(session);
            }
        }
        None
    }
}
