//! Every vector damaged in every way: flipped, cut, stretched, mixed. Whatever comes of it, it is a value or an error
//! with an offset inside the bytes, within the limits, and never a panic.

use linkspan::codec::{decode, decode_into, encode};
use linkspan::value::{NdArrayRef, Sink};
use linkspan::{BigInt, Decimal, Encoding, ErrorKind, Limits, Result, Timestamp};

use crate::law::CARRIERS;
use crate::random::{Random, seed};
use crate::{accepted, invalid, values};

/// A Sink that holds its caller to the promises of [`Sink`].
#[derive(Default)]
struct Strict {
    /// For each open container: items still to come, whether it is a map, whether a key is waiting for its value.
    open: Vec<(usize, bool, bool)>,
    done: bool,
}

impl Strict {
    fn value(&mut self) -> Result<()> {
        match self.open.last_mut() {
            Some((_, true, key)) => assert!(std::mem::take(key), "a value without a key"),
            Some((left, false, _)) => *left = left.checked_sub(1).expect("more items than were promised"),
            None => assert!(!std::mem::replace(&mut self.done, true), "a second value"),
        }
        Ok(())
    }

    fn end(&mut self, map: bool) -> Result<()> {
        assert_eq!(self.open.pop(), Some((0, map, false)), "an end too early or of something else");
        Ok(())
    }
}

impl Sink for Strict {
    fn null(&mut self) -> Result<()> {
        self.value()
    }
    fn bool(&mut self, _: bool) -> Result<()> {
        self.value()
    }
    fn int(&mut self, _: i64) -> Result<()> {
        self.value()
    }
    fn uint(&mut self, value: u64) -> Result<()> {
        assert!(value > i64::MAX as u64);
        self.value()
    }
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        assert!(value.magnitude().len() >= 8 && value.magnitude().len() <= BigInt::LIMIT);
        self.value()
    }
    fn float(&mut self, _: f64) -> Result<()> {
        self.value()
    }
    fn text(&mut self, _: &str) -> Result<()> {
        self.value()
    }
    fn bytes(&mut self, _: &[u8]) -> Result<()> {
        self.value()
    }
    fn timestamp(&mut self, _: Timestamp) -> Result<()> {
        self.value()
    }
    fn uuid(&mut self, _: [u8; 16]) -> Result<()> {
        self.value()
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        value.parts();
        self.value()
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        NdArrayRef::new(value.dtype, value.order, value.shape, value.data).expect("shape and bytes agree");
        self.value()
    }
    fn begin_array(&mut self, len: usize) -> Result<()> {
        self.value()?;
        self.open.push((len, false, false));
        Ok(())
    }
    fn end_array(&mut self) -> Result<()> {
        self.end(false)
    }
    fn begin_map(&mut self, len: usize) -> Result<()> {
        self.value()?;
        self.open.push((len, true, false));
        Ok(())
    }
    fn key(&mut self, _: &str) -> Result<()> {
        let Some((left, true, key)) = self.open.last_mut() else { panic!("a key outside a map") };
        *left = left.checked_sub(1).expect("more entries than were promised");
        assert!(!std::mem::replace(key, true), "a key behind a key");
        Ok(())
    }
    fn end_map(&mut self) -> Result<()> {
        self.end(true)
    }
}

fn check(bytes: &[u8], encoding: Encoding) {
    match decode_into(bytes, encoding, &Limits::default(), Strict::default()) {
        Ok(sink) => {
            assert!(sink.done && sink.open.is_empty());
            // What is taken can be written again in every encoding, and comes back the same.
            let value = decode(bytes, encoding).unwrap();
            for to in CARRIERS {
                let again = encode(&value, to).unwrap();
                assert_eq!(decode(&again, to).unwrap(), value, "{} from {bytes:02x?}", to.name());
            }
        }
        Err(error) => {
            let inside = error.offset().is_some_and(|offset| offset <= bytes.len() as u64);
            assert!(inside, "{} {bytes:02x?}: {error:?}", encoding.name());
            let kinds =
                [ErrorKind::Malformed, ErrorKind::Unsupported, ErrorKind::TooLarge, ErrorKind::OutOfRange];
            assert!(kinds.contains(&error.kind()), "{} {bytes:02x?}: {error:?}", encoding.name());
        }
    }
}

/// Bytes worth damaging: short enough that every place of them can be.
fn seeds() -> Vec<(Encoding, Vec<u8>)> {
    let mut seeds: Vec<(Encoding, Vec<u8>)> = Vec::new();
    for (_, value) in values::all() {
        for encoding in CARRIERS {
            seeds.push((encoding, encode(&value, encoding).unwrap()));
        }
    }
    seeds.extend(accepted::all().into_iter().map(|case| (case.0, case.1)));
    seeds.extend(invalid::all().into_iter().map(|case| (case.encoding, case.bytes)));
    seeds.retain(|(_, bytes)| bytes.len() <= 600);
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

#[test]
fn one_byte_changed_at_every_place() {
    for (encoding, mut bytes) in seeds() {
        for place in 0..bytes.len().min(120) {
            let was = bytes[place];
            for value in [was ^ 1, was ^ 0x80, was.wrapping_add(1), 0, 0xff, b'$', b'"', 0x5f, 0x9f] {
                bytes[place] = value;
                check(&bytes, encoding);
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
