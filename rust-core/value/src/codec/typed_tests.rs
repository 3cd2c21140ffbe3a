//! Tests of decoding to types of the program: repeated keys, aliases, limits and paths of errors.
//!
//! Each result is compared with a tree, because only types have shortcuts for known keys.

use std::collections::BTreeMap;

use super::{Encoding, decode_into};
use crate::error::{ErrorKind, Result};
use crate::value::typed::tests::Pair;
use crate::value::typed::{Decode, Typed};
use crate::value::{Limits, Source, Value};

fn cbor_map(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0xa0 | entries.len() as u8];
    for (key, value) in entries {
        bytes.push(0x60 | key.len() as u8);
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(value);
    }
    bytes
}

fn decoded<T: Decode>(bytes: &[u8]) -> Result<T> {
    decode_into(bytes, Encoding::Cbor, &Limits::default(), Typed::<T>::new())?.finish()
}

#[test]
fn typed_decoding_refuses_repeated_known_and_unknown_keys() {
    let one: &[u8] = &[1];
    let inner = cbor_map(&[("left", one), ("left", one)]);
    let cases: [(&str, Vec<u8>); 6] = [
        ("in order", cbor_map(&[("left", one), ("left", one)])),
        ("out of order", cbor_map(&[("right", b"\x61r"), ("left", one), ("right", b"\x61r")])),
        ("unknown", cbor_map(&[("x", one), ("left", one), ("x", one)])),
        (
            "unknown, with the beginning of known ones",
            cbor_map(&[("left", one), ("lefu", one), ("lefu", one)]),
        ),
        ("aliases", cbor_map(&[("rechts", b"\x61r"), ("left", one), ("rechts", b"\x61r")])),
        ("inside a value that is skipped", cbor_map(&[("x", &inner), ("left", one)])),
    ];
    for (name, bytes) in cases {
        let error = decoded::<Pair>(&bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{name}: {error}");
        assert!(error.to_string().contains("occurs twice in one map"), "{name}: {error}");
        // In a list and in a map the error has the path that a tree reports.
        let list = [&[0x81], &bytes[..]].concat();
        let error = decoded::<Vec<Pair>>(&list).unwrap_err();
        let tree = decoded::<Value>(&list).unwrap_err();
        assert_eq!(error.to_string(), tree.to_string(), "{name}");
        let map = cbor_map(&[("k", &bytes)]);
        let error = decoded::<BTreeMap<String, Pair>>(&map).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{name}: {error}");
    }
    let names = cbor_map(&[("k", one), ("k", one)]);
    assert_eq!(decoded::<BTreeMap<String, i32>>(&names).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn typed_decoding_accepts_equal_keys_of_different_maps() {
    let one: &[u8] = &[1];
    let pair = cbor_map(&[("left", one)]);
    let bytes = [&[0x82], &pair[..], &pair[..]].concat();
    assert_eq!(decoded::<Vec<Pair>>(&bytes).unwrap(), vec![Pair { left: 1, right: None }; 2]);
    let bytes = cbor_map(&[("x", &pair), ("left", one)]);
    assert_eq!(decoded::<Pair>(&bytes).unwrap(), Pair { left: 1, right: None });
    // An alias and the name are different keys: the later value wins.
    let bytes = cbor_map(&[("rechts", b"\x61a"), ("left", one), ("right", b"\x61b")]);
    assert_eq!(decoded::<Pair>(&bytes).unwrap().right.as_deref(), Some("b"));
}

#[test]
fn typed_decoding_agrees_with_a_tree_for_keys_similar_to_known_ones() {
    let keys: [&[u8]; 14] = [
        b"left",
        b"right",
        b"rechts",
        b"",
        b"l",
        b"lef",
        b"leff",
        b"Left",
        b"left\0",
        b"l\xffft",
        b"\xffeft",
        b"righ",
        b"rightt",
        b"a key of more than sixteen bytes",
    ];
    let entry = |key: &[u8]| -> Vec<u8> {
        let value: &[u8] = if key.starts_with(b"r") { b"\x61r" } else { &[1] };
        // Some lengths take more bytes than they need.
        let head: &[u8] = if key.len() > 5 { &[0x78, key.len() as u8] } else { &[0x60 | key.len() as u8] };
        [head, key, value].concat()
    };
    let mut outcomes = [0; 2];
    for first in keys {
        for second in keys {
            for third in keys {
                let bytes = [vec![0xa3], entry(first), entry(second), entry(third)].concat();
                let direct = decoded::<Pair>(&bytes);
                let tree = decoded::<Value>(&bytes).and_then(|value| {
                    let mut sink = Typed::<Pair>::new();
                    value.walk(&mut sink)?;
                    sink.finish()
                });
                match (&direct, &tree) {
                    (Ok(direct), Ok(tree)) => assert_eq!(direct, tree, "{bytes:02x?}"),
                    (Err(direct), Err(tree)) => {
                        assert_eq!(direct.to_string(), tree.to_string(), "{bytes:02x?}");
                    }
                    _ => panic!("{bytes:02x?}: {direct:?} beside {tree:?}"),
                }
                outcomes[usize::from(direct.is_ok())] += 1;
            }
        }
    }
    assert!(outcomes.iter().all(|count| *count > 100), "{outcomes:?}");
}

#[test]
fn typed_decoding_applies_limits_and_paths_to_known_keys() {
    let bytes = cbor_map(&[("left", &[0x1a, 0xff, 0xff, 0xff, 0xff])]);
    let error = decoded::<Pair>(&bytes).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::OutOfRange, Some("left")));
    let bytes = cbor_map(&[("left", &[1])]);
    let within =
        |limits: Limits| decode_into(&bytes, Encoding::Cbor, &limits, Typed::<Pair>::new()).map(drop);
    let limits = Limits::default();
    within(Limits { key: 4, ..limits }).unwrap();
    let error = within(Limits { key: 3, ..limits }).unwrap_err();
    let text = error.to_string();
    assert!(
        error.kind() == ErrorKind::TooLarge && text.contains("over the key limit: 4 bytes asked"),
        "{text}"
    );
    // The least memory for a map of one entry and its key.
    let least = (0..1000).find(|memory| within(Limits { memory: *memory, ..limits }).is_ok()).unwrap();
    let error = within(Limits { memory: least - 1, ..limits }).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::TooLarge, Some("left")));
    let chunks = [0xa1, 0x7f, 0x62, b'l', b'e', 0x62, b'f', b't', 0xff, 1];
    assert_eq!(decoded::<Pair>(&chunks).unwrap(), Pair { left: 1, right: None });
}
