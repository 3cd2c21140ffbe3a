//! Replies for clients whose links broke while they waited. A client reconnects by itself, and then receives its
//! replies.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::peer::Outgoing;

/// How long replies are kept for a client.
const GRACE: Duration = Duration::from_secs(30);
/// The most clients with kept replies.
const MAX_CLIENTS: usize = 1_000;
/// The most replies for one client, and their bytes.
const MAX_REPLIES: (usize, usize) = (256, 1 << 20);

struct DisconnectedClient {
    until: Duration,
    replies: Vec<Outgoing>,
    bytes: usize,
}

#[derive(Default)]
pub struct DisconnectedClients {
    clients: HashMap<u64, DisconnectedClient>,
    order: VecDeque<(Duration, u64)>,
}

impl DisconnectedClients {
    /// Begins to keep replies for a client. Returns false if there are too many clients.
    pub fn begin(&mut self, session: u64, now: Duration) -> bool {
        if self.clients.len() >= MAX_CLIENTS {
            return false;
        }
        let until = now.saturating_add(GRACE);
        self.clients.insert(session, DisconnectedClient { until, replies: Vec::new(), bytes: 0 });
        self.order.push_back((until, session));
        true
    }

    /// Keeps a reply. Drops it beyond the limits; the client then sends its request again or times out.
    pub fn keep(&mut self, session: u64, reply: Outgoing) {
        let Some(client) = self.clients.get_mut(&session) else { return };
        let bytes = reply.size();
        if client.replies.len() < MAX_REPLIES.0 && client.bytes.saturating_add(bytes) <= MAX_REPLIES.1 {
            client.bytes = client.bytes.saturating_add(bytes);
            client.replies.push(reply);
        }
    }

    /// Removes a client that has reconnected, and returns its replies.
    pub fn end(&mut self, session: u64) -> Vec<Outgoing> {
        self.clients.remove(&session).map_or_else(Vec::new, |client| client.replies)
    }

    /// Returns when the time of the next client ends.
    pub fn next_expiry(&self) -> Option<Duration> {
        self.order.front().map(|(until, _)| *until)
    }

    /// Removes a client that has not reconnected in time, and returns its session.
    pub fn take_expired(&mut self, now: Duration) -> Option<u64> {
        while let Some((until, session)) = self.order.front().copied().filter(|(until, _)| *until <= now) {
            self.order.pop_front();
            // The client may have reconnected and disconnected again since.
            if self.clients.get(&session).is_some_and(|client| client.until == until) {
                self.clients.remove(&session);
                return Some(session);
            }
        }
        None
    }
}
