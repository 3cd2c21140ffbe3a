//! The clients of a server, and the order in which they are served.
//!
//! One thread at a time serves. It makes steps ([`Clients::step`]), and after a step without a request it prepares the
//! next one ([`Clients::clear`]). A step looks at one frame of each client in `ready_queue` in turn, so a busy client
//! does not delay the others. Other clients are parked: their links wake the epoll set. After [`FRAMES_PER_ROUND`]
//! frames, parked clients, waiting answers and the deadline are checked.
//!
//! A client is disconnected if it violates the protocol or its link ends. Its session and guard then go to the
//! acceptor's registry.

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

/// A map by token. The server counts the tokens, so clients cannot cause collisions, and the map can avoid the standard
/// library's hash, which takes 140 instructions for a number.
type ByToken<T> = HashMap<u64, T, BuildHasherDefault<TokenHasher>>;

/// Spreads the number over all bits, because the map uses the lowest and the highest bits.
#[derive(Default)]
struct TokenHasher(u64);

impl Hasher for TokenHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing: the golden ratio in 64 bits. Then the high half is combined into the low half.
        let spread = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = spread ^ spread >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

pub struct Clients {
    epoll: Epoll,
    clients: ByToken<Client>,
    ready_queue: VecDeque<u64>,
    /// Tokens of clients without a frame since the last [`Clients::park_served`], newest last.
    served: Vec<u64>,
    unflushed: Vec<u64>,
    /// Tokens of clients that closed their sending side and wait for answers.
    half_closed: Vec<u64>,
    frames_in_round: u32,
    /// Frames without a request, and short waits, since the last request or sleep.
    idle: u32,
    /// Whether this process has too few descriptors to park a client with the files that it sent.
    lacks_descriptors: bool,
    /// Tokens are not reused.
    last_token: u64,
    wake: Arc<EventFd>,
    server_waker: Arc<ServerWaker>,
    waiting_answers: Arc<WaitingAnswers>,
    options: Options,
    event_log: Arc<EventLog>,
    shown: Arc<str>,
    signal_watch: Option<stop::Watch>,
    rounds_after_stop: u32,
    ready: Vec<Ready>,
    pub watched: bool,
}

const FRAMES_PER_ROUND: u32 = 64;
/// The most rounds after a signal: 1,024 messages, twice a mailslot's queue under systemd (`net.unix.max_dgram_qlen`).
const ROUNDS_AFTER_STOP: u32 = 16;
const ACCEPTOR: u64 = 0;
const WAKE: u64 = 1;
const STOP: u64 = 2;
const FIRST_CLIENT: u64 = 16;
/// This bit in a client's token means "there is room".
const ROOM: u64 = 1 << 63;

impl Clients {
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

    pub fn epoll(&self) -> &Epoll {
        &self.epoll
    }

    pub fn stop_on_signals(&mut self) -> Result<()> {
        if self.signal_watch.is_none() {
            let watch = stop::watch()?;
            // Edge-triggered: a call with a timeout sleeps on after it.
            self.epoll.add(stop::waker(), STOP, Interest::IN | Interest::ET)?;
            self.signal_watch = Some(watch);
        }
        Ok(())
    }

    pub fn watches_signals(&self) -> bool {
        self.signal_watch.is_some()
    }

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
                // The acceptor's registry bounds what is kept for disconnected clients.
                generation = negotiated.session_state.halves().link_made(true, true);
                negotiated.session_state.begin_receiving(generation, negotiated);
            }
            let (event_log, shown) = (self.event_log.clone(), self.shown.clone());
            let of_server = (self.server_waker.clone(), self.waiting_answers.clone());
            let opened =
                ClientTx::new((tx, generation), &self.options, event_log, of_server, token, guard, shown);
            let client_tx = match opened {
                Ok(client_tx) => client_tx,
                // The hello contains impossible claims.
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

    fn queue(&mut self, token: u64) {
        if let Some(client) = self.clients.get_mut(&token).filter(|client| !client.queued) {
            client.queued = true;
            self.ready_queue.push_back(token);
        }
    }

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
        let low: HashSet<u64> = hashes.iter().map(|hash| hash & 1023).collect();
        let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(low.len() > 512 && high.len() == 128, "{} {}", low.len(), high.len());
    }
}
