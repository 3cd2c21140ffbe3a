//! What a listener remembers of peers that are away: bounded, and the ones that cannot come back are forgotten first.

use std::collections::VecDeque;

use super::Identity;

/// The peers of one listener that have no link now, each with what it left: its outbox and its inbox.
#[derive(Debug)]
pub struct Peers<S> {
    limits: PeerLimits,
    /// In the order of their going.
    away: VecDeque<Away<S>>,
}

/// How many peers are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimits {
    /// Peers.
    pub count: usize,
    /// Bytes that are kept for all of them together.
    pub bytes: usize,
}

#[derive(Debug)]
struct Away<S> {
    identity: Identity,
    bytes: usize,
    state: S,
}

impl<S> Peers<S> {
    /// Nobody yet.
    pub fn new(limits: PeerLimits) -> Peers<S> {
        Peers { limits, away: VecDeque::new() }
    }

    /// A peer's link has ended; `bytes` are kept for it. Gives those that are forgotten for it, for their figures to be
    /// counted: the oldest nameless ones first, then the oldest; this one itself where nothing else would do.
    pub fn put_away(&mut self, identity: Identity, state: S, bytes: usize) -> Vec<(Identity, S)> {
        let mut forgotten: Vec<_> = self.remove(&identity).into_iter().collect();
        self.away.push_back(Away { identity, bytes, state });
        while self.away.len() > self.limits.count || self.bytes() > self.limits.bytes {
            let nameless = self.away.iter().position(|away| !away.identity.is_lasting());
            match self.remove_at(nameless.unwrap_or(0)) {
                Some(one) => forgotten.push(one),
                None => break,
            }
        }
        forgotten
    }

    /// The peer is back: what it left, if that is still known.
    pub fn take_back(&mut self, identity: &Identity) -> Option<S> {
        self.remove(identity).map(|(_, state)| state)
    }

    /// What a peer that is away left, for the answer to its hello.
    pub fn get(&self, identity: &Identity) -> Option<&S> {
        self.away.iter().find(|away| away.identity == *identity).map(|away| &away.state)
    }

    /// Bytes that are kept for all of them.
    pub fn bytes(&self) -> usize {
        self.away.iter().fold(0, |sum, away| sum.saturating_add(away.bytes))
    }

    /// How many are away.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.away.len()
    }

    fn remove(&mut self, identity: &Identity) -> Option<(Identity, S)> {
        let at = self.away.iter().position(|away| away.identity == *identity)?;
        self.remove_at(at)
    }

    fn remove_at(&mut self, at: usize) -> Option<(Identity, S)> {
        let away = self.away.remove(at)?;
        Some((away.identity, away.state))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Owner;
    use super::*;

    fn named(name: &str) -> Identity {
        Identity::of_dialler(Owner::Anyone, Some(name), 1)
    }

    fn nameless(session: u64) -> Identity {
        Identity::of_dialler(Owner::Anyone, None, session)
    }

    #[test]
    fn who_comes_back_finds_what_it_left() {
        let mut peers = Peers::new(PeerLimits { count: 8, bytes: 100 });
        assert!(peers.put_away(named("panel"), 'a', 10).is_empty());
        assert!(peers.put_away(nameless(7), 'b', 10).is_empty());
        assert_eq!(peers.get(&named("panel")), Some(&'a'));
        assert_eq!(
            peers.take_back(&Identity::of_dialler(Owner::Anyone, Some("panel"), 99)),
            Some('a'),
            "a name outlives a session"
        );
        assert_eq!(peers.take_back(&named("panel")), None, "once");
        assert_eq!(peers.take_back(&nameless(8)), None, "another session is another nameless peer");
        assert_eq!(peers.take_back(&nameless(7)), Some('b'));
        assert_eq!((peers.count(), peers.bytes()), (0, 0));
    }

    #[test]
    fn the_oldest_nameless_are_forgotten_first_then_the_oldest() {
        let mut peers = Peers::new(PeerLimits { count: 3, bytes: 1000 });
        peers.put_away(named("a"), 1, 0);
        peers.put_away(nameless(2), 2, 0);
        peers.put_away(nameless(3), 3, 0);
        assert_eq!(peers.put_away(named("b"), 4, 0), [(nameless(2), 2)]);
        assert_eq!(peers.put_away(named("c"), 5, 0), [(nameless(3), 3)]);
        assert_eq!(peers.put_away(named("d"), 6, 0), [(named("a"), 1)]);
        assert_eq!(peers.put_away(nameless(9), 7, 0), [(nameless(9), 7)], "names are worth more than it");
        assert_eq!(peers.count(), 3);
    }

    #[test]
    fn bytes_are_bounded_for_all_together() {
        let mut peers = Peers::new(PeerLimits { count: 10, bytes: 100 });
        peers.put_away(named("a"), 1, 60);
        peers.put_away(nameless(2), 2, 30);
        assert_eq!(peers.put_away(named("b"), 3, 60), [(nameless(2), 2), (named("a"), 1)]);
        assert_eq!(peers.put_away(named("huge"), 4, usize::MAX), [(named("b"), 3), (named("huge"), 4)]);
        assert_eq!((peers.count(), peers.bytes()), (0, 0));
    }
}
