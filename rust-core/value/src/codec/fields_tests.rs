//! Records read directly from CBOR, compared with records built from events.

use bytes::Bytes;

use super::cbor::is_flat_within;
use super::{Encoding, FlatMap, decode_into, encode};
use crate::error::Result;
use crate::histories::{Random, Seed, given_seed};
use crate::value::typed::{
    Build, Decode, Enumeration, Event, Fields, KnownName, Maybe, Name, Slot, Step, Typed, Uuid, field,
    finish_field,
};
use crate::value::{Limits, Sink, Source, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Off,
    Slow,
}

impl Enumeration for Mode {
    const NAMES: &'static [&'static str] = &["OFF", "SLOW"];
    fn from_name(name: &str) -> Option<Mode> {
        match name {
            "OFF" => Some(Mode::Off),
            "SLOW" => Some(Mode::Slow),
            _ => None,
        }
    }
    fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl Source for Mode {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        sink.text(self.name())
    }
}

impl Decode for Mode {
    type Builder = Name<Mode>;
}

const LONG: &str = "a key of thirty-one bytes ... ..";
const LONGER: &str = "a key of more than thirty-two bytes, which is compared by a call";

macro_rules! record {
    ($($name:ident($key:expr, $at:pat): $kind:ty, $builder:ty, $how:ident;)*) => {
        #[derive(Clone, Debug, PartialEq)]
        struct Record { $($name: $kind),* }

        #[derive(Default)]
        struct RecordBuilder { fields: Fields, $($name: $builder),* }

        const KEYS: &[&str] = &[$($key),*];

        impl Build for RecordBuilder {
            type Output = Record;
            fn event(&mut self, event: Event<'_>) -> Result<bool> {
                let complete = match self.fields.step(&event, KEYS, &[("old", 5)])? {
                    $(Step::Into($at) => self.$name.event(event)?,)*
                    Step::Into(other) => panic!("no field {other}"),
                    Step::Taken => return Ok(false),
                    Step::Complete => return Ok(true),
                };
                self.fields.after(complete);
                Ok(false)
            }
            fn known_key(&mut self, key: &[u8]) -> Result<bool> {
                Ok(self.fields.known_key(key, KEYS)? == Step::Complete)
            }
            fn from_cbor(bytes: &[u8]) -> Option<Record> {
                let mut from = FlatMap::new(bytes, KEYS.len() as u8)?;
                let record = Record { $($name: record!(from from $how $key)),* };
                from.finish().map(|()| record)
            }
            fn finish(self) -> Result<Record> {
                self.fields.finish()?;
                Ok(Record { $($name: record!(built $how finish_field(self.$name, $key)?)),* })
            }
        }

        impl Decode for Record {
            type Builder = RecordBuilder;
        }

        impl Record {
            fn send<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
                $(record!(send $how sink, $key, &self.$name);)*
                Ok(())
            }
        }
    };
    (from $from:ident seven $key:expr) => { $from.or_absent($key)?.unwrap_or(7) };
    (from $from:ident off $key:expr) => { $from.or_absent($key)?.unwrap_or(Mode::Off) };
    (from $from:ident $how:ident $key:expr) => { $from.$how($key)? };
    (built seven $value:expr) => { $value.unwrap_or(7) };
    (built off $value:expr) => { $value.unwrap_or(Mode::Off) };
    (built $how:ident $value:expr) => { $value };
    (send optional $sink:ident, $key:expr, $value:expr) => {
        if let Some(value) = $value { field($sink, $key, value)?; }
    };
    (send $how:ident $sink:ident, $key:expr, $value:expr) => { field($sink, $key, $value)? };
}

record! {
    byte("b", 0): u8, Slot<u8>, required;
    signed("i16", 1): i16, Slot<i16>, required;
    long("long", 2): i64, Slot<i64>, required;
    number("unsigned", 3): u64, Slot<u64>, required;
    on("on", 4): bool, Slot<bool>, required;
    text("text of a record", 5): String, Slot<String>, required;
    double("", 6): f64, Slot<f64>, required;
    single(LONG, 7): Option<f32>, Maybe<Slot<f32>, true>, optional;
    block(LONGER, 8): Option<Bytes>, Maybe<Slot<Bytes>, true>, optional;
    at("at", 9): Timestamp, Slot<Timestamp>, required;
    id("id", 10): Uuid, Slot<Uuid>, required;
    mode("mode", 11): Mode, Name<Mode>, required;
    other("other mode", 12): Mode, KnownName<Mode>, off;
    count("count", 13): u16, Maybe<Slot<u16>, false>, seven;
    note("note", 14): Option<String>, Maybe<Slot<String>, true>, optional;
}

impl Source for Record {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        let absent = [self.single.is_none(), self.block.is_none(), self.note.is_none()];
        sink.begin_map(KEYS.len() - absent.into_iter().filter(|absent| *absent).count())?;
        self.send(sink)?;
        sink.end_map()
    }
}

/// Limits that no message here exceeds and that turn off the direct reading of records.
fn limits_of_events() -> Limits {
    let limits = Limits { memory: (1 << 20) - 1, ..Limits::default() };
    assert!(is_flat_within(&Limits::default(), 100, 0) && !is_flat_within(&limits, 100, 0));
    limits
}

/// Returns the record or the error as text, because NaN does not equal itself.
fn decoded(bytes: &[u8], limits: &Limits) -> String {
    let typed = decode_into(bytes, Encoding::Cbor, limits, Typed::<Record>::new());
    match typed.and_then(Typed::finish) {
        Ok(record) => format!("{record:?}"),
        Err(error) => format!("error {:?} at {:?}: {error}", error.kind(), error.offset()),
    }
}

fn compare(bytes: &[u8]) {
    let (straight, built) = (decoded(bytes, &Limits::default()), decoded(bytes, &limits_of_events()));
    assert_eq!(straight, built, "{bytes:02x?}");
}

fn integer(random: &mut Random) -> u64 {
    let bits = random.below(65) as u32;
    let mut draw = || random.below(1 << 31) as u64;
    let number = draw() << 33 ^ draw() << 16 ^ draw();
    if bits == 0 { 0 } else { number >> (64 - bits) }
}

fn text(random: &mut Random) -> String {
    let length = *random.pick(&[0, 1, 5, 23, 24, 255, 256, 300]);
    (0..length).map(|_| *random.pick(&['a', 'Z', '"', 'é', '€', '😀', '\0'])).collect()
}

fn record(random: &mut Random) -> Record {
    let maybe = |random: &mut Random| random.one_in(2);
    Record {
        byte: integer(random) as u8,
        signed: integer(random) as i16,
        long: integer(random) as i64,
        number: integer(random),
        on: maybe(random),
        text: text(random),
        double: f64::from_bits(integer(random)),
        single: maybe(random).then(|| integer(random) as f32 * 0.5),
        block: maybe(random).then(|| Bytes::from(text(random))),
        at: Timestamp(integer(random) as i64),
        id: Uuid([integer(random) as u8; 16]),
        mode: *random.pick(&[Mode::Off, Mode::Slow]),
        other: *random.pick(&[Mode::Off, Mode::Slow]),
        count: integer(random) as u16,
        note: maybe(random).then(|| text(random)),
    }
}

const LIKELY: [u8; 27] = [
    0x00, 0x17, 0x18, 0x19, 0x1b, 0x20, 0x3b, 0x40, 0x5f, 0x60, 0x61, 0x78, 0x80, 0xa0, 0xae, 0xaf, 0xc1,
    0xd8, 0xd9, 0xf4, 0xf5, 0xf6, 0xf7, 0xf9, 0xfa, 0xfb, 0xff,
];

fn alter(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len().max(1));
        let byte = if random.one_in(3) { random.below(256) as u8 } else { *random.pick(&LIKELY) };
        match random.below(5) {
            0 if !bytes.is_empty() => drop(bytes.remove(at)),
            1 => bytes.insert(at, byte),
            2 => bytes.truncate(at),
            _ if !bytes.is_empty() => bytes[at] = byte,
            _ => bytes.push(byte),
        }
    }
}

#[test]
fn record_read_directly_from_cbor_equals_the_one_built_from_events() {
    let seed = given_seed().unwrap_or_else(|| u64::from(std::process::id()));
    let _printed = Seed(seed);
    let mut random = Random::new(seed);
    // Under Miri, decoding these bytes twice takes a tenth of a second.
    let (records, alterations) = if cfg!(miri) { (8, 4) } else { (300, 20) };
    for _ in 0..records {
        let record = record(&mut random);
        let bytes = encode(&record, Encoding::Cbor).unwrap();
        // The decoder reads blocks that may be views of a message.
        let is_short = record.block.as_ref().is_none_or(|block| block.len() <= 256);
        let read = RecordBuilder::from_cbor(&bytes);
        assert_eq!(format!("{:?}", read), format!("{:?}", is_short.then_some(&record)), "{bytes:02x?}");
        compare(&bytes);
        for _ in 0..alterations {
            let mut altered = bytes.clone();
            alter(&mut random, &mut altered);
            compare(&altered);
        }
    }
}

#[test]
fn changed_or_cut_record_gives_the_same_result_read_directly_and_built_from_events() {
    let record = Record {
        byte: 3,
        signed: -2,
        long: i64::MIN,
        number: u64::MAX,
        on: true,
        text: "boiler-7".to_owned(),
        double: 71.25,
        single: Some(0.5),
        block: Some(Bytes::from_static(b"\0\xff")),
        at: Timestamp(-1),
        id: Uuid(*b"0123456789abcdef"),
        mode: Mode::Slow,
        other: Mode::Slow,
        count: 500,
        note: Some("é".to_owned()),
    };
    let bytes = encode(&record, Encoding::Cbor).unwrap();
    assert_eq!(RecordBuilder::from_cbor(&bytes), Some(record));
    let step = if cfg!(miri) { 29 } else { 1 };
    for length in (0..bytes.len()).step_by(step) {
        compare(&bytes[..length]);
    }
    compare(&[&bytes[..], b"\0"].concat());
    for at in (0..bytes.len()).step_by(step) {
        let flipped = (0..8).map(|bit| bytes[at] ^ 1 << bit);
        for byte in LIKELY.into_iter().chain(flipped) {
            let mut altered = bytes.clone();
            altered[at] = byte;
            compare(&altered);
        }
    }
}

#[test]
fn fields_out_of_order_unknown_null_or_of_another_name_are_left_to_the_decoder() {
    let entry = |key: &str, value: &[u8]| [&[0x60 + key.len() as u8], key.as_bytes(), value].concat();
    let map = |entries: &[Vec<u8>]| [&[0xa0 + entries.len() as u8], &entries.concat()[..]].concat();
    let pair = |bytes: &[u8]| {
        let mut from = FlatMap::new(bytes, 2)?;
        let pair = (from.required::<u8>("a")?, from.optional::<u8>("b")?);
        from.finish().map(|()| pair)
    };
    let (a, b) = (entry("a", &[1]), entry("b", &[2]));
    assert_eq!(pair(&map(&[a.clone(), b.clone()])), Some((1, Some(2))));
    assert_eq!(pair(&map(&[a.clone(), entry("b", &[0xf6])])), Some((1, None)));
    assert_eq!(pair(&map(std::slice::from_ref(&a))), Some((1, None)));
    let refused = [
        map(&[b.clone(), a.clone()]),
        map(std::slice::from_ref(&b)),
        map(&[a.clone(), a.clone()]),
        map(&[a.clone(), entry("c", &[2])]),
        map(&[a.clone(), b.clone(), entry("c", &[2])]),
        map(&[entry("a", &[0xf6]), b.clone()]),
        map(&[]),
        [&[0xa2][..], &a[..]].concat(),
        [&[0xa1][..], &a[..], &b[..]].concat(),
        [&[0xbf][..], &a[..], &[0xff][..]].concat(),
    ];
    for bytes in refused {
        assert_eq!(pair(&bytes), None, "{bytes:02x?}");
    }
}
