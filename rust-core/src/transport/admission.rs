//! Who may wait to be admitted: connections that have not finished their hello are bounded for each user and address, and the
//! heaviest loses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};

use crate::sys::peer::Credentials;

/// Whose connection it is, as far as that is known without its word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Claimant {
    /// A user of this machine.
    User(u32),
    /// The holder of a key that is trusted under this name.
    Key(Arc<str>),
    /// Whoever calls from an address; of IPv6 the first half, because one caller has all of the other.
    Address(IpAddr),
    /// Nobody can tell.
    Unknown,
}

impl Claimant {
    /// The user that the kernel names.
    pub fn of(who: Option<&Credentials>) -> Claimant {
        who.map_or(Claimant::Unknown, |who| Claimant::User(who.uid))
    }

    /// One that calls from this address.
    pub fn at(ip: IpAddr) -> Claimant {
        Claimant::Address(match ip {
            IpAddr::V4(_) => ip,
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        })
    }
}

/// How many connections may wait to be admitted.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// All together.
    pub all: usize,
    /// Of one user or address.
    pub each: usize,
    /// Of the user whose process this is.
    pub own: usize,
    /// That user.
    pub us: u32,
}

impl Bounds {
    /// Those of this process: an eighth of the descriptors that it may have, 8 to 256; 8 for each other user or address, and half
    /// of all for its own user.
    pub fn of_process() -> Bounds {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let all = usize::try_from(descriptors / 8).unwrap_or(usize::MAX).clamp(8, 256);
        Bounds { all, each: 8.min(all / 2), own: all / 2, us: rustix::process::geteuid().as_raw() }
    }

    fn of(&self, claimant: &Claimant) -> usize {
        if *claimant == Claimant::User(self.us) { self.own } else { self.each }
    }

    /// The one that makes room for a newcomer, by its number; none where there is room. Numbers grow with the time of coming:
    /// the oldest goes, of the newcomer's own where those are as many as may be, else of whoever has most.
    pub fn to_drop(self, waiting: impl Iterator<Item = (u64, Claimant)>, newcomer: &Claimant) -> Option<u64> {
        let mut of: HashMap<Claimant, (usize, u64)> = HashMap::new();
        let mut all = 0;
        for (number, claimant) in waiting {
            let (count, oldest) = of.entry(claimant).or_insert((0, number));
            (*count, *oldest) = (*count + 1, number.min(*oldest));
            all += 1;
        }
        if let Some((count, oldest)) = of.get(newcomer)
            && *count >= self.of(newcomer)
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

    const BOUNDS: Bounds = Bounds { all: 10, each: 3, own: 5, us: 0 };

    fn user(uid: u32, numbers: std::ops::Range<u64>) -> impl Iterator<Item = (u64, Claimant)> {
        numbers.map(move |number| (number, Claimant::User(uid)))
    }

    #[test]
    fn one_s_own_oldest_makes_room_where_it_has_as_many_as_may_be() {
        assert_eq!(BOUNDS.to_drop(user(7, 4..6), &Claimant::User(7)), None);
        assert_eq!(BOUNDS.to_drop(user(7, 4..7), &Claimant::User(7)), Some(4));
        assert_eq!(BOUNDS.to_drop(user(7, 4..7), &Claimant::User(8)), None);
        assert_eq!(BOUNDS.to_drop(user(0, 1..5), &Claimant::User(0)), None, "our own user has more");
        assert_eq!(BOUNDS.to_drop(user(0, 1..6), &Claimant::User(0)), Some(1));
    }

    #[test]
    fn the_heaviest_makes_room_for_others_where_all_are_as_many_as_may_be() {
        let waiting = || user(0, 20..25).chain(user(7, 1..4)).chain(user(8, 10..12));
        assert_eq!(BOUNDS.to_drop(waiting(), &Claimant::User(9)), Some(20));
        let even = || user(1, 30..33).chain(user(7, 1..4)).chain(user(8, 10..13)).chain(user(9, 40..41));
        assert_eq!(BOUNDS.to_drop(even(), &Claimant::User(5)), Some(1), "of as heavy ones the oldest");
    }

    #[test]
    fn callers_with_many_addresses_are_one() {
        let at = |ip: &str| Claimant::at(ip.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
