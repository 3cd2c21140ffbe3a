//! The states of a listener's disconnected peers, within bounds.
//!
//! Any number of programs may connect once and never return. Over a bound, states are evicted in this order: peers with
//! nothing kept, peers without a name, which cannot reconnect, the longest disconnected.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Identity;

/// The disconnected peers of one listener, each with its state `S`. The caller holds the lock.
#[derive(Debug)]
pub struct DisconnectedPeers<S> {
    limits: PeerLimits,
    /// The longest disconnected peer first.
    peers: VecDeque<DisconnectedPeer<S>>,
}

/// The size of the messages kept for a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptSize {
    /// Messages.
    pub count: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
}

/// The bounds of [`DisconnectedPeers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimits {
    /// Number of peers.
    pub count: usize,
    /// The kept bytes of all peers together.
    pub bytes: usize,
}

#[derive(Debug)]
struct DisconnectedPeer<S> {
    identity: Identity,
    kept: KeptSize,
    state: S,
}

impl<S> DisconnectedPeers<S> {
    /// Returns an empty set.
    pub fn new(limits: PeerLimits) -> DisconnectedPeers<S> {
        DisconnectedPeers { limits, peers: VecDeque::new() }
    }

    /// Adds a peer whose link has ended. Returns the evicted peers, whose kept messages are lost.
    ///
    /// The new peer may be among them, and a replaced peer of the same identity is.
    pub fn insert(&mut self, identity: Identity, state: S, kept: KeptSize) -> Vec<(Identity, S)> {
        let mut evicted: Vec<_> = self.remove_entry(&identity).into_iter().collect();
        self.peers.push_back(DisconnectedPeer { identity, kept, state });
        while self.peers.len() > self.limits.count {
            let first = self.position(|peer| peer.kept.count == 0);
            let nameless = || self.position(|peer| !peer.identity.is_lasting());
            let first = first.or_else(nameless).unwrap_or(0);
            evicted.extend(self.remove_at(first));
        }
        while self.bytes() > self.limits.bytes {
            let nameless = self.position(|peer| peer.kept.bytes > 0 && !peer.identity.is_lasting());
            let first = nameless.or_else(|| self.position(|peer| peer.kept.bytes > 0));
            match first.and_then(|at| self.remove_at(at)) {
                Some(one) => evicted.push(one),
                None => break,
            }
        }
        evicted
    }

    fn position(&self, is: impl Fn(&DisconnectedPeer<S>) -> bool) -> Option<usize> {
        self.peers.iter().position(is)
    }

    /// Removes a reconnected peer and returns its state, if it was not evicted.
    pub fn remove(&mut self, identity: &Identity) -> Option<S> {
        self.remove_entry(identity).map(|(_, state)| state)
    }

    /// Returns the state of a peer without removing it, for the answer to its hello.
    pub fn get(&self, identity: &Identity) -> Option<&S> {
        self.peers.iter().find(|peer| peer.identity == *identity).map(|peer| &peer.state)
    }

    /// Returns the kept bytes of all peers together.
    pub fn bytes(&self) -> usize {
        self.peers.iter().fold(0, |sum, peer| sum.saturating_add(peer.kept.bytes))
    }

    /// Number of peers.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.peers.len()
    }

    fn remove_entry(&mut self, identity: &Identity) -> Option<(Identity, S)> {
        let at = self.peers.iter().position(|peer| peer.identity == *identity)?;
        self.remove_at(at)
    }

    fn remove_at(&mut self, at: usize) -> Option<(Identity, S)> {
        let peer = self.peers.remove(at)?;
        Some((peer.identity, peer.state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Owner;

    fn named(name: &str) -> Identity {
        Identity::of_dialler(Owner::Anyone, Some(name), 1)
    }

    fn bytes(bytes: usize) -> KeptSize {
        KeptSize { count: 1, bytes }
    }

    fn nameless(session: u64) -> Identity {
        Identity::of_dialler(Owner::Anyone, None, session)
    }

    #[test]
    fn reconnecting_peer_gets_its_state_once() {
        let mut peers = DisconnectedPeers::new(PeerLimits { count: 8, bytes: 100 });
        assert!(peers.insert(named("panel"), 'a', bytes(10)).is_empty());
        assert!(peers.insert(nameless(7), 'b', bytes(10)).is_empty());
        assert_eq!(peers.get(&named("panel")), Some(&'a'));
        assert_eq!(
            peers.remove(&Identity::of_dialler(Owner::Anyone, Some("panel"), 99)),
            Some('a'),
            "a name outlives a session"
        );
        assert_eq!(peers.remove(&named("panel")), None, "once");
        assert_eq!(peers.remove(&nameless(8)), None, "another session is another nameless peer");
        assert_eq!(peers.remove(&nameless(7)), Some('b'));
        assert_eq!((peers.count(), peers.bytes()), (0, 0));
    }

    #[test]
    fn count_limit_evicts_oldest_nameless_first_then_oldest() {
        let mut peers = DisconnectedPeers::new(PeerLimits { count: 3, bytes: 1000 });
        peers.insert(named("a"), 1, bytes(0));
        peers.insert(nameless(2), 2, bytes(0));
        peers.insert(nameless(3), 3, bytes(0));
        assert_eq!(peers.insert(named("b"), 4, bytes(0)), [(nameless(2), 2)]);
        assert_eq!(peers.insert(named("c"), 5, bytes(0)), [(nameless(3), 3)]);
        assert_eq!(peers.insert(named("d"), 6, bytes(0)), [(named("a"), 1)]);
        assert_eq!(
            peers.insert(nameless(9), 7, bytes(0)),
            [(nameless(9), 7)],
            "a nameless peer is evicted before named ones"
        );
        assert_eq!(peers.count(), 3);
    }

    #[test]
    fn byte_limit_evicts_until_the_total_fits() {
        let mut peers = DisconnectedPeers::new(PeerLimits { count: 10, bytes: 100 });
        peers.insert(named("a"), 1, bytes(60));
        peers.insert(nameless(2), 2, bytes(30));
        assert_eq!(peers.insert(named("b"), 3, bytes(60)), [(nameless(2), 2), (named("a"), 1)]);
        assert_eq!(peers.insert(named("huge"), 4, bytes(usize::MAX)), [(named("b"), 3), (named("huge"), 4)]);
        assert_eq!((peers.count(), peers.bytes()), (0, 0));
    }

    #[test]
    fn peers_with_nothing_kept_are_evicted_first() {
        let mut peers = DisconnectedPeers::new(PeerLimits { count: 3, bytes: 1000 });
        peers.insert(named("a"), 1, bytes(10));
        peers.insert(named("b"), 2, KeptSize::default());
        peers.insert(nameless(3), 3, bytes(10));
        assert_eq!(peers.insert(named("c"), 4, KeptSize::default()), [(named("b"), 2)]);
        assert_eq!(peers.insert(named("d"), 5, KeptSize::default()), [(named("c"), 4)]);
        for i in 0..1000 {
            let name = format!("visitor-{i}");
            assert_eq!(peers.insert(named(&name), i, KeptSize::default()).len(), 1);
        }
        assert_eq!((peers.get(&named("a")), peers.get(&nameless(3))), (Some(&1), Some(&3)));
        // Over the byte limit, peers with nothing kept are not evicted: that would free no bytes.
        assert_eq!(
            peers.insert(named("e"), 6, bytes(995)),
            [(named("visitor-999"), 999), (nameless(3), 3), (named("a"), 1)]
        );
    }
}
