//! Bounds the connections that wait for admission, per user, key or address.
//!
//! A peer that opens connections and sends nothing can neither keep others out nor take all descriptors of
//! the process. `partial` counts the memory of incomplete messages by this identity.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};

use crate::sys::peer::Credentials;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeerIdentity {
    User(u32),
    /// The owner of a key that is trusted under this name.
    Key(Arc<str>),
    /// An address. IPv4 is mapped; of IPv6 only the first 64 bits count, because one peer may use all others.
    ///
    /// Not an [`IpAddr`]: for its nested tag, optimized code hashes bytes that another variant never wrote
    /// and drops the result, which valgrind reports.
    Address(Ipv6Addr),
    Unknown,
}

impl PeerIdentity {
    pub fn of(who: Option<&Credentials>) -> PeerIdentity {
        who.map_or(PeerIdentity::Unknown, |who| PeerIdentity::User(who.uid))
    }

    pub fn at(ip: IpAddr) -> PeerIdentity {
        PeerIdentity::Address(match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64),
        })
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub all: usize,
    pub each: usize,
    pub own: usize,
    pub own_uid: u32,
}

impl Bounds {
    /// Returns the bounds of this process.
    ///
    /// All connections may use an eighth of its descriptors, 8 to 256. Each other user or address may have 8,
    /// and its own user half of all.
    pub fn of_process() -> Bounds {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let all = usize::try_from(descriptors / 8).unwrap_or(usize::MAX).clamp(8, 256);
        Bounds { all, each: 8.min(all / 2), own: all / 2, own_uid: rustix::process::geteuid().as_raw() }
    }

    fn of(&self, peer_identity: &PeerIdentity) -> usize {
        if *peer_identity == PeerIdentity::User(self.own_uid) { self.own } else { self.each }
    }

    /// Returns the number of the connection that must make room for a new one, if room is needed.
    ///
    /// The numbers in `waiting` grow in order of arrival. A new peer at its bound loses its own oldest
    /// connection. If all places are taken, the peer with the most connections loses its oldest.
    pub fn to_evict(
        self,
        waiting: impl Iterator<Item = (u64, PeerIdentity)>,
        new_peer: &PeerIdentity,
    ) -> Option<u64> {
        let mut of: HashMap<PeerIdentity, (usize, u64)> = HashMap::new();
        let mut all = 0;
        for (number, peer_identity) in waiting {
            let (count, oldest) = of.entry(peer_identity).or_insert((0, number));
            (*count, *oldest) = (*count + 1, number.min(*oldest));
            all += 1;
        }
        if let Some((count, oldest)) = of.get(new_peer)
            && *count >= self.of(new_peer)
        {
            return Some(*oldest);
        }
        if all < self.all {
            return None;
        }
        let heaviest = of.into_values().max_by_key(|(count, oldest)| (*count, std::cmp::Reverse(*oldest)));
        heaviest.map(|(_, oldest)| oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { all: 10, each: 3, own: 5, own_uid: 0 };

    fn user(uid: u32, numbers: std::ops::Range<u64>) -> impl Iterator<Item = (u64, PeerIdentity)> {
        numbers.map(move |number| (number, PeerIdentity::User(uid)))
    }

    #[test]
    fn peer_at_its_bound_loses_its_own_oldest_connection() {
        assert_eq!(BOUNDS.to_evict(user(7, 4..6), &PeerIdentity::User(7)), None);
        assert_eq!(BOUNDS.to_evict(user(7, 4..7), &PeerIdentity::User(7)), Some(4));
        assert_eq!(BOUNDS.to_evict(user(7, 4..7), &PeerIdentity::User(8)), None);
        assert_eq!(BOUNDS.to_evict(user(0, 1..5), &PeerIdentity::User(0)), None, "our own user has more");
        assert_eq!(BOUNDS.to_evict(user(0, 1..6), &PeerIdentity::User(0)), Some(1));
    }

    #[test]
    fn peer_with_the_most_connections_loses_its_oldest_when_all_places_are_taken() {
        let waiting = || user(0, 20..25).chain(user(7, 1..4)).chain(user(8, 10..12));
        assert_eq!(BOUNDS.to_evict(waiting(), &PeerIdentity::User(9)), Some(20));
        let even = || user(1, 30..33).chain(user(7, 1..4)).chain(user(8, 10..13)).chain(user(9, 40..41));
        assert_eq!(BOUNDS.to_evict(even(), &PeerIdentity::User(5)), Some(1), "of as heavy ones the oldest");
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_peer() {
        let at = |ip: &str| PeerIdentity::at(ip.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
