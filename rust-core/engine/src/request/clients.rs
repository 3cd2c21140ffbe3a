//! The clients of a server, and the order in which they are served.
//!
//! One thread at a time serves: it makes steps ([`Clients::step`]), and where one finds no request, clears what the
//! next one needs ([`Clients::clear`]). Clients that may have something are in `ready_queue`; a step looks at one frame
//! of each in turn, so that a client which always has more does not keep the others waiting. The others are parked:
//! their links wake the epoll set. After [`FRAMES_PER_ROUND`] frames, parked clients, waiting answers and the deadline
//! are checked in any case.
//!
//! A wait ends for a frame, room for an answer, a new connection, `wake` (an answer of another thread, or close) or a
//! signal.
//!
//! A client that violates the protocol, or whose link ends, is disconnected; its session goes to the
//! registry of the acceptor with its guard.

mod clearing;
mod flushing;
mod serving;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::client::Client;
use super::client_tx::ClientTx;
use super::server_waker::ServerWaker;
use super::waiting_answers::WaitingAnswers;
use crate::channel::Options;
use crate::channel::acceptor::ChannelAcceptor;
use crate::channel::event_log::EventLog;
use crate::channel::link::Queue;
use crate::error::Result;
use crate::sys::eventfd::EventFd;
use crate::sys::poll::{Epoll, Interest, Ready};
use crate::sys::stop;
use crate::transport::BodyViews;

/// A map from tokens to values. The server counts the tokens itself, so no client can choose tokens that collide. So
/// the map does not need the hash of the standard library, which takes 140 instructions for a number.
type ByToken<T> = HashMap<u64, T, BuildHasherDefault<TokenHasher>>;

/// A hash that spreads the number over all bits, because the map uses the lowest and the highest bits.
#[derive(Default)]
struct TokenHasher(u64);

impl Hasher for TokenHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio in 64 bits, as in Fibonacci hashing. The high half is then combined into the low one.
        let spread = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = spread ^ spread >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The connected clients of a server.
pub struct Clients {
    epoll: Epoll,
    /// By the token in the epoll set.
    clients: ByToken<Client>,
    /// Tokens of clients that may have something, in the order in which they are served.
    ready_queue: VecDeque<u64>,
    /// Tokens of clients that had nothing, the last one behind, since [`Clients::park_served`], which parks them.
    served: Vec<u64>,
    /// Tokens of clients that may have answers waiting, or wait for room.
    unflushed: Vec<u64>,
    /// Tokens of clients that closed their sending side and wait for answers.
    half_closed: Vec<u64>,
    /// Frames since all clients were checked.
    frames_in_round: u32,
    /// Frames that were no requests, and short waits for one, since the last request or the last sleep.
    idle: u32,
    /// Whether a client could not be parked, because this process has no descriptor for what it sent.
    lacks_descriptors: bool,
    /// Tokens are not used again.
    last_token: u64,
    /// Ends the wait of the serving thread.
    wake: Arc<EventFd>,
    server_waker: Arc<ServerWaker>,
    waiting_answers: Arc<WaitingAnswers>,
    options: Options,
    event_log: Arc<EventLog>,
    shown: Arc<str>,
    /// Exists while SIGINT and SIGTERM end the wait.
    signal_watch: Option<stop::Watch>,
    /// The rounds that were served after the signal.
    rounds_after_stop: u32,
    /// Reused for each wait.
    ready: Vec<Ready>,
    /// Whether the program's event loop watches the epoll set.
    pub watched: bool,
}

/// Frames after which all clients, the deadline and a close are checked.
const FRAMES_PER_ROUND: u32 = 64;
/// Rounds that are served after a signal at most: 1,024 messages, twice what a mailslot's queue has under systemd
/// (`net.unix.max_dgram_qlen`).
const ROUNDS_AFTER_STOP: u32 = 16;
/// Token of the queue of new links.
const ACCEPTOR: u64 = 0;
/// Token of `wake`.
const WAKE: u64 = 1;
/// Token of the signals.
const STOP: u64 = 2;
/// Tokens of clients are above this.
const FIRST_CLIENT: u64 = 16;
/// This bit in a client's token means "there is room".
const ROOM: u64 = 1 << 63;

impl Clients {
    /// Returns the clients of a new server: none.
    pub fn new(
        acceptor: &ChannelAcceptor,
        wake: Arc<EventFd>,
        options: &Options,
        event_log: Arc<EventLog>,
        shown: Arc<str>,
    ) -> Result<Clients> {
        let epoll = Epoll::new()?;
        epoll.add(acceptor.queue.waker(), ACCEPTOR, Interest::IN)?;
        epoll.add(&*wake, WAKE, Interest::IN)?;
        Ok(Clients {
            epoll,
            clients: ByToken::default(),
            ready_queue: VecDeque::new(),
            served: Vec::new(),
            unflushed: Vec::new(),
            half_closed: Vec::new(),
            frames_in_round: 0,
            idle: 0,
            lacks_descriptors: false,
            last_token: FIRST_CLIENT,
            server_waker: Arc::new(ServerWaker::new(wake.clone())),
            waiting_answers: Arc::new(WaitingAnswers::new(options.max_message_size)),
            wake,
            options: options.clone(),
            event_log,
            shown,
            signal_watch: None,
            rounds_after_stop: 0,
            ready: Vec::new(),
            watched: false,
        })
    }

    /// Returns the epoll set, which a program's event loop watches.
    pub fn epoll(&self) -> &Epoll {
        &self.epoll
    }

    /// Makes SIGINT and SIGTERM end the wait.
    pub fn stop_on_signals(&mut self) -> Result<()> {
        if self.signal_watch.is_none() {
            let watch = stop::watch()?;
            // Edge-triggered: a call with a time-out sleeps on after it.
            self.epoll.add(stop::waker(), STOP, Interest::IN | Interest::ET)?;
            self.signal_watch = Some(watch);
        }
        Ok(())
    }

    /// Returns whether SIGINT and SIGTERM end a wait without end.
    pub fn watches_signals(&self) -> bool {
        self.signal_watch.is_some()
    }

    /// Adds the links that were admitted.
    fn accept_new(&mut self, acceptor: &ChannelAcceptor) -> Result<()> {
        while let Some(link) = acceptor.queue.pop() {
            let guard = link.guard.as_ref().map_or_else(Weak::new, Arc::downgrade);
            let (tx, mut part) = link.split(Some(Queue::new(&self.event_log)));
            if self.options.view_bytes && self.options.checks_received().is_none() {
                part.view_bodies(BodyViews::Bytes, BodyViews::None);
            }
            self.last_token += 1;
            let token = self.last_token;
            for fd in part.rx.descriptors() {
                self.epoll.add(fd, token, Interest::IN | Interest::RDHUP)?;
            }
            self.event_log.connected(&part.peer.source);
            let mut generation = 0;
            if let Some(negotiated) = &part.negotiated {
                // What is kept for a client that has disconnected waits in the registry, within its bounds.
                generation = negotiated.session_state.halves().link_made(true, true);
                negotiated.session_state.begin_receiving(generation, negotiated);
            }
            let (event_log, shown) = (self.event_log.clone(), self.shown.clone());
            let of_server = (self.server_waker.clone(), self.waiting_answers.clone());
            let opened =
                ClientTx::new((tx, generation), &self.options, event_log, of_server, token, guard, shown);
            let client_tx = match opened {
                Ok(client_tx) => client_tx,
                // Its hello has impossible claims.
                Err(e) => {
                    self.event_log.disconnected(format!("{}: {e}", part.peer.source));
                    continue;
                }
            };
            let client =
                Client { part, client_tx, queued: false, room: None, half_closed: false, had_nothing: false };
            self.clients.insert(token, client);
            self.queue(token);
            self.count_present();
        }
        Ok(())
    }

    /// Adds a client to `ready_queue`, once.
    fn queue(&mut self, token: u64) {
        if let Some(client) = self.clients.get_mut(&token).filter(|client| !client.queued) {
            client.queued = true;
            self.ready_queue.push_back(token);
        }
    }

    /// Removes a client and its descriptors.
    fn disconnect(&mut self, token: u64) {
        let Some(client) = self.clients.remove(&token) else { return };
        self.count_present();
        client.client_tx.close();
        for fd in client.part.rx.descriptors() {
            self.epoll.remove(fd);
        }
        if let Some(room) = &client.room {
            self.epoll.remove(room);
        }
    }

    /// Updates the counter that listings and `stats()` show.
    fn count_present(&self) {
        self.event_log.present.store(self.clients.len() as u64, Ordering::Relaxed);
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        for client in self.clients.values() {
            client.client_tx.close();
        }
        self.event_log.present.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    #[test]
    fn hashes_of_successive_tokens_differ_in_the_bits_that_the_map_uses() {
        let hasher = BuildHasherDefault::<TokenHasher>::default();
        let hashes: Vec<u64> = (1..=1024u64).map(|token| hasher.hash_one(token)).collect();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), 1024);
        // The low bits choose the bucket; the highest seven distinguish the entries of a bucket.
        let low: HashSet<u64> = hashes.iter().map(|hash| hash & 1023).collect();
        let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(low.len() > 512 && high.len() == 128, "{} {}", low.len(), high.len());
    }
}
