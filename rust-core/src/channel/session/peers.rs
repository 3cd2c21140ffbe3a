//! What a listener remembers of peers that are away: bounded; those for whom nothing is kept are forgotten first, then the ones
//! that cannot come back.

use std::collections::VecDeque;

use super::Identity;

/// The peers of one listener that have no link now, each with what it left: its outbox and its inbox.
#[derive(Debug)]
pub struct Peers<S> {
    limits: PeerLimits,
    /// In the order of their going.
    away: VecDeque<Away<S>>,
}

/// What is kept for a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Messages.
    pub count: usize,
    /// Their bytes.
    pub bytes: usize,
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
    kept: Kept,
    state: S,
}

impl<S> Peers<S> {
    /// Nobody yet.
    pub fn new(limits: PeerLimits) -> Peers<S> {
        Peers { limits, away: VecDeque::new() }
    }

    /// A peer's link has ended, and this is kept for it. Gives those that are forgotten for it, for what is lost to be told: the
    /// oldest of those for whom nothing is kept first, then the oldest nameless ones, then the oldest; this one itself where
    /// nothing else would do.
    pub fn put_away(&mut self, identity: Identity, state: S, kept: Kept) -> Vec<(Identity, S)> {
        let mut forgotten: Vec<_> = self.remove(&identity).into_iter().collect();
        self.away.push_back(Away { identity, kept, state });
        while self.away.len() > self.limits.count {
            let first = self.position(|away| away.kept.count == 0);
            forgotten.extend(self.remove_at(first.or_else(|| self.nameless()).unwrap_or(0)));
        }
        while self.bytes() > self.limits.bytes {
            // To forget those for whom nothing is kept would not help.
            let nameless = self.position(|away| away.kept.bytes > 0 && !away.identity.is_lasting());
            let first = nameless.or_else(|| self.position(|away| away.kept.bytes > 0));
            match first.and_then(|at| self.remove_at(at)) {
                Some(one) => forgotten.push(one),
                None => break,
            }
        }
        forgotten
    }

    fn nameless(&self) -> Option<usize> {
        self.position(|away| !away.identity.is_lasting())
    }

    fn position(&self, is: impl Fn(&Away<S>) -> bool) -> Option<usize> {
        self.away.iter().position(is)
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
        self.away.iter().fold(0, |sum, away| sum.saturating_add(away.kept.bytes))
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

    /// One message of so many bytes.
    fn bytes(bytes: usize) -> Kept {
        Kept { count: 1, bytes }
    }

    fn nameless(session: u64) -> Identity {
        Identity::of_dialler(Owner::Anyone, None, session)
    }

    #[test]
    fn who_comes_back_finds_what_it_left() {
        let mut peers = Peers::new(PeerLimits { count: 8, bytes: 100 });
        assert!(peers.put_away(named("panel"), 'a', bytes(10)).is_empty());
        assert!(peers.put_away(nameless(7), 'b', bytes(10)).is_empty());
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
        peers.put_away(named("a"), 1, bytes(0));
        peers.put_away(nameless(2), 2, bytes(0));
        peers.put_away(nameless(3), 3, bytes(0));
        assert_eq!(peers.put_away(named("b"), 4, bytes(0)), [(nameless(2), 2)]);
        assert_eq!(peers.put_away(named("c"), 5, bytes(0)), [(nameless(3), 3)]);
        assert_eq!(peers.put_away(named("d"), 6, bytes(0)), [(named("a"), 1)]);
        assert_eq!(
            peers.put_away(nameless(9), 7, bytes(0)),
            [(nameless(9), 7)],
            "names are worth more than it"
        );
        assert_eq!(peers.count(), 3);
    }

    #[test]
    fn bytes_are_bounded_for_all_together() {
        let mut peers = Peers::new(PeerLimits { count: 10, bytes: 100 });
        peers.put_away(named("a"), 1, bytes(60));
        peers.put_away(nameless(2), 2, bytes(30));
        assert_eq!(peers.put_away(named("b"), 3, bytes(60)), [(nameless(2), 2), (named("a"), 1)]);
        assert_eq!(
            peers.put_away(named("huge"), 4, bytes(usize::MAX)),
            [(named("b"), 3), (named("huge"), 4)]
        );
        assert_eq!((peers.count(), peers.bytes()), (0, 0));
    }

    #[test]
    fn those_for_whom_nothing_is_kept_are_forgotten_first() {
        let mut peers = Peers::new(PeerLimits { count: 3, bytes: 1000 });
        peers.put_away(named("a"), 1, bytes(10));
        peers.put_away(named("b"), 2, Kept::default());
        peers.put_away(nameless(3), 3, bytes(10));
        assert_eq!(peers.put_away(named("c"), 4, Kept::default()), [(named("b"), 2)]);
        assert_eq!(peers.put_away(named("d"), 5, Kept::default()), [(named("c"), 4)]);
        for i in 0..1000 {
            let name = format!("visitor-{i}");
            assert_eq!(peers.put_away(named(&name), i, Kept::default()).len(), 1);
        }
        assert_eq!((peers.get(&named("a")), peers.get(&nameless(3))), (Some(&1), Some(&3)));
        // Where more is kept than may be, it is no help to forget those.
        assert_eq!(
            peers.put_away(named("e"), 6, bytes(995)),
            [(named("visitor-999"), 999), (nameless(3), 3), (named("a"), 1)]
        );
    }
}
