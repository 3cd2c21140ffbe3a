//! Every vector damaged in every way: flipped, cut, stretched, mixed.
//!
//! The result is a value, or an error with an offset inside the bytes, within the limits. Nothing panics.

use std::collections::HashSet;

use linkspan::Encoding;
use linkspan::codec::encode;

use crate::amount::short_or_full;
use crate::vectors::law::CARRIERS;
use crate::vectors::random::{Random, seed};
use crate::vectors::strict::check;
use crate::vectors::{accepted, invalid, values};

fn seeds() -> Vec<(Encoding, Vec<u8>)> {
    let mut seeds: Vec<(Encoding, Vec<u8>)> = Vec::new();
    for (_, value) in values::all() {
        for encoding in CARRIERS {
            seeds.push((encoding, encode(&value, encoding).unwrap()));
        }
    }
    seeds.extend(accepted::all().into_iter().map(|case| (case.0, case.1)));
    seeds.extend(invalid::all().into_iter().map(|case| (case.encoding, case.bytes)));
    let mut known = HashSet::new();
    seeds.retain(|seed| seed.1.len() <= 600 && known.insert(seed.clone()));
    seeds
}

#[test]
fn cut_at_every_place() {
    for (encoding, bytes) in seeds() {
        for end in 0..=bytes.len() {
            check(&bytes[..end], encoding);
        }
    }
}

/// Three of nine changes of each byte, drawn by chance; `LINKSPAN_FULL=1` takes all.
#[test]
fn one_byte_changed_at_every_place() {
    let mut random = Random(seed());
    let budget = short_or_full(3, 9);
    for (encoding, mut bytes) in seeds() {
        for place in 0..bytes.len().min(120) {
            let was = bytes[place];
            let mut tried = vec![was];
            let mut values = vec![was ^ 1, was ^ 0x80, was.wrapping_add(1), 0, 0xff, b'$', b'"', 0x5f, 0x9f];
            for _ in 0..budget {
                let value = values.swap_remove(random.next(values.len()));
                if !tried.contains(&value) {
                    tried.push(value);
                    bytes[place] = value;
                    check(&bytes, encoding);
                }
            }
            bytes[place] = was;
        }
    }
}

#[test]
fn mixed_at_random() {
    let mut random = Random(seed());
    let seeds = seeds();
    for _ in 0..10_000 {
        let (encoding, bytes) = &seeds[random.next(seeds.len())];
        let mut bytes = bytes.clone();
        for _ in 0..=random.next(4) {
            let place = random.next(bytes.len() + 1);
            match random.next(5) {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, random.next(256) as u8),
                2 if place < bytes.len() => drop(bytes.remove(place)),
                3 if place < bytes.len() => bytes[place] ^= 1 << random.next(8),
                _ => {
                    let (_, other) = &seeds[random.next(seeds.len())];
                    let from = random.next(other.len());
                    let to = from + random.next(other.len() - from + 1);
                    bytes.splice(place..place, other[from..to].iter().copied());
                }
            }
        }
        // Every decoder sees it: bytes of one encoding are garbage to the others.
        for encoding in [*encoding, CARRIERS[random.next(4)]] {
            check(&bytes, encoding);
        }
    }
}

#[test]
fn garbage() {
    let mut random = Random(seed());
    for _ in 0..10_000 {
        let bytes: Vec<u8> = (0..random.next(64)).map(|_| random.next(256) as u8).collect();
        for encoding in CARRIERS {
            check(&bytes, encoding);
        }
    }
}
