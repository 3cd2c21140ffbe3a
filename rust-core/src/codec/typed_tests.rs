//! Repeated keys in values of types of the program, as bytes bring them.

use std::collections::BTreeMap;

use super::{Encoding, decode_into};
use crate::error::{ErrorKind, Result};
use crate::value::typed::tests::Pair;
use crate::value::typed::{Decode, Typed};
use crate::value::{Limits, Value};

/// A map in CBOR, of these keys, each with the value 1 or one that is written already.
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
fn repeated_keys_are_refused_known_or_not() {
    let one: &[u8] = &[1];
    let inner = cbor_map(&[("left", one), ("left", one)]);
    let cases: [(&str, Vec<u8>); 6] = [
        ("in turn", cbor_map(&[("left", one), ("left", one)])),
        ("out of turn", cbor_map(&[("right", b"\x61r"), ("left", one), ("right", b"\x61r")])),
        ("unknown", cbor_map(&[("x", one), ("left", one), ("x", one)])),
        ("unknown, begun like known ones", cbor_map(&[("left", one), ("lefu", one), ("lefu", one)])),
        ("aliases", cbor_map(&[("rechts", b"\x61r"), ("left", one), ("rechts", b"\x61r")])),
        ("in what is passed over", cbor_map(&[("x", &inner), ("left", one)])),
    ];
    for (name, bytes) in cases {
        let error = decoded::<Pair>(&bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{name}: {error}");
        assert!(error.to_string().contains("stands twice in one map"), "{name}: {error}");
        // In a list and in a map too, and the place of the error is the one that a tree has.
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
fn the_same_key_in_maps_beside_and_inside_each_other_is_no_repetition() {
    let one: &[u8] = &[1];
    let pair = cbor_map(&[("left", one)]);
    let bytes = [&[0x82], &pair[..], &pair[..]].concat();
    assert_eq!(decoded::<Vec<Pair>>(&bytes).unwrap(), vec![Pair { left: 1, right: None }; 2]);
    let bytes = cbor_map(&[("x", &pair), ("left", one)]);
    assert_eq!(decoded::<Pair>(&bytes).unwrap(), Pair { left: 1, right: None });
    // An alias and the name are different keys: the later one stands, as before.
    let bytes = cbor_map(&[("rechts", b"\x61a"), ("left", one), ("right", b"\x61b")]);
    assert_eq!(decoded::<Pair>(&bytes).unwrap().right.as_deref(), Some("b"));
}
