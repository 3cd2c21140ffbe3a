//! The memory of decoding: hostile messages of each encoding, the greatest memory held, and the limit.

use crate::counting::peak;
use bytes::Bytes;
use linkspan::codec::{decode_shared, encode};
use linkspan::{Encoding, ErrorKind, Limits, Value};

const SIZE: usize = 256 << 10;

const AROUND: usize = 32 << 10;

/// Returns the front, the repeated part and the end, together up to `SIZE` bytes.
fn filled(front: &[u8], part: &[u8], behind: &[u8]) -> Vec<u8> {
    let times = (SIZE - front.len() - behind.len()) / part.len();
    [front, &part.repeat(times), behind].concat()
}

fn head(major: u8, n: usize) -> Vec<u8> {
    let mut head = vec![major << 5 | 26];
    head.extend((n as u32).to_be_bytes());
    head
}

fn cbor_array(before: &[u8], part: &[u8]) -> Vec<u8> {
    let count = (SIZE - before.len() - 5) / part.len();
    [before, &head(4, count), &part.repeat(count)].concat()
}

/// A map of as many entries with different keys as fit, in any encoding.
fn keys(encoding: Encoding, length: usize) -> Vec<u8> {
    let count = SIZE / (length + 12);
    let entries = (0..count).map(|i| (format!("{i:0length$}"), 0));
    encode(&Value::map(entries), encoding).unwrap_or_else(|e| panic!("{count} keys: {e}"))
}

fn cbor() -> Vec<(&'static str, Vec<u8>)> {
    let nested_claims = {
        let mut bytes: Vec<u8> = (0..60).flat_map(|_| head(4, SIZE / 2)).collect();
        bytes.resize(SIZE, 0xf6);
        bytes
    };
    let claims_after = |claims: Vec<u8>| [claims, vec![0xf6; SIZE / 2]].concat();
    let chunks = |open: u8, chunk: &[u8]| filled(&[open], chunk, &[0xff]);
    vec![
        ("array of small integers", cbor_array(&[], &[0])),
        ("arrays that all claim the rest", nested_claims),
        ("maps that all claim the rest", claims_after((0..60).flat_map(|_| head(5, SIZE / 8)).collect())),
        ("array of empty arrays", cbor_array(&[], &[0x80])),
        ("array of empty maps", cbor_array(&[], &[0xa0])),
        ("array of maps of one", cbor_array(&[], &[0xa1, 0x61, b'a', 0])),
        ("array of maps of eight", {
            let entries: Vec<u8> = (b'a'..b'i').flat_map(|key| [0x61, key, 0xf6]).collect();
            cbor_array(&[], &[&[0xa8], &entries[..]].concat())
        }),
        ("indefinite array of integers", filled(&[0x9f], &[0], &[0xff])),
        ("indefinite arrays", filled(&[0x9f], &[0x9f, 0xff], &[0xff])),
        ("definite array of indefinite arrays", cbor_array(&[], &[0x9f, 0xff])),
        ("a block and indefinite arrays behind it", {
            let block = [&[0x9f][..], &head(2, SIZE / 2), &vec![0; SIZE / 2]].concat();
            filled(&block, &[0x9f, 0xff], &[0xff])
        }),
        ("homogeneous array of integers", cbor_array(&[0xd8, 41], &[0])),
        ("homogeneous array of half floats", cbor_array(&[0xd8, 41], &[0xf9, 0, 0])),
        ("homogeneous array of bools", cbor_array(&[0xd8, 41], &[0xf4])),
        (
            "homogeneous array that ends in text",
            [cbor_array(&[0xd8, 41], &[0])[..SIZE / 2].to_vec(), vec![0x60]].concat(),
        ),
        ("indefinite homogeneous array", filled(&[0xd8, 41, 0x9f], &[0], &[0xff])),
        ("shaped array of integers", cbor_array(&[0xd8, 40, 0x82, 0x81, 0x1a, 0, 0x0f, 0, 0], &[0])),
        ("half floats", [&[0xd8, 84][..], &head(2, SIZE - 10), &vec![0; SIZE - 10]].concat()),
        ("big-endian floats", [&[0xd8, 82][..], &head(2, SIZE - 16), &vec![0; SIZE - 16]].concat()),
        ("one block", [head(2, SIZE - 5), vec![0; SIZE - 5]].concat()),
        ("one text", [head(3, SIZE - 5), vec![b'a'; SIZE - 5]].concat()),
        ("block in chunks of one", chunks(0x5f, &[0x41, 0])),
        ("text in chunks of one", chunks(0x7f, &[0x61, b'a'])),
        ("text in empty chunks", chunks(0x7f, &[0x60])),
        (
            "chunked half floats",
            [&[0xd8, 84][..], &chunks(0x5f, &[0x42, 0, 0])[..SIZE - 3], &[0xff]].concat(),
        ),
        ("integers beyond 64 bits", cbor_array(&[], &[0xc2, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0])),
        ("integer of the whole message", [&[0xc3][..], &head(2, SIZE - 6), &vec![1; SIZE - 6]].concat()),
        ("decimal object of the whole message", {
            [&[0xd8, 27, 0x82, 0x67][..], b"decimal", &head(3, SIZE - 16), &vec![b'1'; SIZE - 16]].concat()
        }),
        ("time of the whole message", [&[0xc0][..], &head(3, SIZE - 6), &vec![1; SIZE - 6]].concat()),
        ("keys of 4 bytes", keys(Encoding::Cbor, 100)),
        ("keys of 60 KiB", keys(Encoding::Cbor, 60 << 10)),
        ("key of the whole message", [&[0xa1][..], &head(3, SIZE - 7), &vec![b'a'; SIZE - 7], &[0]].concat()),
        ("repeated key of 60 KiB", {
            let key = [head(3, 60 << 10), vec![b'"'; 60 << 10], vec![0]].concat();
            [&[0xa2][..], &key, &key].concat()
        }),
        ("2^64 - 1 items claimed", vec![0x9b, 255, 255, 255, 255, 255, 255, 255, 255]),
        ("2^63 bytes claimed", vec![0x5b, 128, 0, 0, 0, 0, 0, 0, 0]),
    ]
}

fn json() -> Vec<(&'static str, Vec<u8>)> {
    let escape =
        |name: &str, part: &str| filled(format!("{{\"{name}\":\"").as_bytes(), part.as_bytes(), b"\"}");
    let array = |data: &str| format!(r#"{{"$ndarray":{{{data}}}}}"#).into_bytes();
    vec![
        ("integers", filled(b"[", b"0,", b"0]")),
        ("empty arrays", filled(b"[", b"[],", b"0]")),
        ("empty objects", filled(b"[", b"{},", b"0]")),
        ("objects of one", filled(b"[", br#"{"a":0},"#, b"0]")),
        ("unclosed arrays", filled(b"", b"[", b"")),
        (
            "arrays up to the deepest",
            filled(b"[", &[&b"["[..].repeat(60)[..], &b"]"[..].repeat(60), b","].concat(), b"0]"),
        ),
        ("text", filled(b"\"", b"a", b"\"")),
        ("text of escapes", filled(b"\"", b"\\n", b"\"")),
        ("texts of escapes", filled(b"[", br#""\n","#, b"0]")),
        ("text of escapes without an end", filled(b"\"", b"\\n", b"")),
        ("key of the whole message", filled(b"{\"", b"a", b"\":0}")),
        ("key of escapes of the whole message", filled(b"{\"", b"\\n", b"\":0}")),
        ("$bytes", escape("$bytes", "AAAA")),
        ("$bytes many", filled(b"[", br#"{"$bytes":"AA=="},"#, b"0]")),
        ("$decimal that is none", escape("$decimal", "x\u{7f}")),
        ("$decimal of digits", escape("$decimal", "1")),
        ("$time that is none", escape("$time", "\u{7f}")),
        ("$uuid that is none", escape("$uuid", "\u{7f}")),
        ("$float that is none", escape("$float", "\u{7f}")),
        ("$int of digits", escape("$int", "1")),
        ("an escape of no such name", filled(b"{\"$", "\u{7f}".as_bytes(), b"\":0}")),
        ("$ndarray of a long type", { array(&format!(r#""dtype":"{}""#, "\u{7f}".repeat(SIZE - 40))) }),
        ("$ndarray of a long order", array(&format!(r#""order":"{}""#, "\u{7f}".repeat(SIZE - 40)))),
        ("$ndarray of a long field", array(&format!(r#""{}":0"#, "\u{7f}".repeat(SIZE - 40)))),
        ("$ndarray whose data comes first", {
            let data = "AAAA".repeat((SIZE - 100) / 4);
            let length = data.len() / 4 * 3;
            array(&format!(r#""data":"{data}","dtype":"u8","shape":[{length}]"#))
        }),
        ("$ndarray", {
            let data = "AAAA".repeat((SIZE - 100) / 4);
            let length = data.len() / 4 * 3;
            array(&format!(r#""dtype":"u8","shape":[{length}],"order":"row","data":"{data}""#))
        }),
        ("$ndarrays", {
            let one = array(r#""dtype":"u8","shape":[],"data":"AA==""#);
            filled(b"[", &[&one[..], b","].concat(), b"0]")
        }),
        ("$map of pairs", filled(br#"{"$map":["#, br#"["a",0],"#, br#"["b",0]]}"#)),
        ("$maps of one pair", filled(b"[", br#"{"$map":[["a",0]]},"#, b"0]")),
        ("number of digits", filled(b"", b"1", b"")),
        ("float of digits", filled(b"0.", b"1", b"")),
        ("float too large", filled(b"", b"1", b"e99999")),
        ("keys", keys(Encoding::Json, 100)),
        ("keys of 60 KiB", keys(Encoding::Json, 60 << 10)),
        ("not UTF-8 behind", filled(b"[", b"[],", b"\xff]")),
    ]
}

fn document(elements: &[u8]) -> Vec<u8> {
    let length = (elements.len() + 5) as u32;
    [&length.to_le_bytes()[..], elements, &[0]].concat()
}

fn bson() -> Vec<(&'static str, Vec<u8>)> {
    let array_of = |element: &[u8]| {
        let elements = element.repeat((SIZE - 40) / element.len());
        document(&[&[4, b'a', 0][..], &document(&elements)].concat())
    };
    let empty = document(&[]);
    vec![
        ("nulls", array_of(&[0x0a, b'0', 0])),
        ("empty arrays", array_of(&[&[4, b'0', 0][..], &empty].concat())),
        ("empty documents", array_of(&[&[3, b'0', 0][..], &empty].concat())),
        ("documents of one", array_of(&[&[3, b'0', 0][..], &document(&[0x0a, b'a', 0])].concat())),
        ("array keys of the whole message", array_of(&[&[0x0a][..], &vec![b'9'; SIZE / 2], &[0]].concat())),
        ("key of the whole message", document(&[&[0x0a][..], &vec![b'k'; SIZE - 10], &[0]].concat())),
        ("decimals", array_of(&[&[0x13, b'0', 0][..], &[0; 16]].concat())),
        ("2 GiB of text claimed", document(&[2, b'a', 0, 0xff, 0xff, 0xff, 0x7f, b'x', 0])),
        ("2 GiB of bytes claimed", document(&[5, b'a', 0, 0xff, 0xff, 0xff, 0x7f, 0, b'x'])),
        ("keys", keys(Encoding::Bson, 100)),
        ("keys of 60 KiB", keys(Encoding::Bson, 60 << 10)),
        ("$ndarray whose data comes first", {
            let bytes = vec![0; SIZE - 200];
            let length = (bytes.len() as u32).to_le_bytes();
            let data = [&[5][..], b"data\0", &length, &[0], &bytes].concat();
            let shape = [&[4][..], b"shape\0", &document(&[&[0x10, b'0', 0][..], &length].concat())].concat();
            let dtype = [&[2][..], b"dtype\0", &3u32.to_le_bytes(), b"u8\0"].concat();
            let fields = document(&[data, dtype, shape].concat());
            document(
                &[&[3][..], b"$value\0", &document(&[&[3][..], b"$ndarray\0", &fields].concat())].concat(),
            )
        }),
    ]
}

fn vint(n: usize) -> Vec<u8> {
    let mut bytes = vec![0x80 | (n & 0x3f) as u8];
    let mut rest = n >> 6;
    while rest > 0 {
        bytes.insert(0, (rest & 0x7f) as u8);
        rest >>= 7;
    }
    bytes
}

fn smile() -> Vec<(&'static str, Vec<u8>)> {
    const MAGIC: &[u8] = b":)\n\x07";
    let array = |front: &[u8], part: &[u8]| filled(&[MAGIC, &[0xf8], front].concat(), part, &[0xf9]);
    let safe = |token: &[u8]| {
        let length = (SIZE - 20) / 8 * 7;
        [MAGIC, token, &vint(length), &vec![0x55; length / 7 * 8]].concat()
    };
    vec![
        ("integers", array(&[], &[0xc0])),
        ("empty arrays", array(&[], &[0xf8, 0xf9])),
        ("objects of one", array(&[], &[0xfa, 0x80, b'a', 0x21, 0xfb])),
        ("references to a name of 60 KiB", {
            let first = [&[0xfa, 0x34][..], &vec![b'k'; 60 << 10], &[0xfc, 0x21, 0xfb]].concat();
            array(&first, &[0xfa, 0x40, 0x21, 0xfb])
        }),
        ("references to a value of 64 bytes", { array(&[&[0x7f][..], &[b'v'; 64]].concat(), &[0x01]) }),
        ("7-bit binary", safe(&[0xe8])),
        ("7-bit binary claimed", [MAGIC, &[0xe8], &vint(1 << 40)].concat()),
        ("raw binary claimed", [MAGIC, &[0xfd], &vint(1 << 40)].concat()),
        ("integer of the whole message", safe(&[0x26])),
        ("decimal of the whole message", safe(&[0x2a, 0x80])),
        ("integers beyond 64 bits", { array(&[], &[&[0x26][..], &vint(14), &[0x11; 16]].concat()) }),
        ("text", [MAGIC, &[0xe0], &vec![b'a'; SIZE - 10], &[0xfc]].concat()),
        ("text without an end", [MAGIC, &[0xe0], &vec![b'a'; SIZE - 10]].concat()),
        ("keys", keys(Encoding::Smile, 100)),
        ("keys of 60 KiB", keys(Encoding::Smile, 60 << 10)),
    ]
}

fn messages() -> impl Iterator<Item = (Encoding, &'static str, Bytes)> {
    let of = |encoding, messages: Vec<_>| {
        messages.into_iter().map(move |(name, bytes): (_, Vec<u8>)| {
            assert!(bytes.len() <= SIZE, "{name}: {} bytes", bytes.len());
            (encoding, name, Bytes::from(bytes))
        })
    };
    of(Encoding::Cbor, cbor())
        .chain(of(Encoding::Json, json()))
        .chain(of(Encoding::Bson, bson()))
        .chain(of(Encoding::Smile, smile()))
}

/// The counted memory is never below the held memory, so a limit just below the need is refused.
#[test]
fn decoding_messages_within_any_limit_is_refused_before_the_limit_is_passed() {
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for (encoding, name, message) in messages() {
        let mut limits = Limits::for_message(SIZE as u64);
        (limits.memory, limits.nodes) = (128 << 20, 1 << 40);
        let (done, cost) = peak(|| decode_shared(&message, encoding, &limits).is_ok());
        if !done || cost < 4 * AROUND {
            continue;
        }
        looked_at += 1;
        limits.memory = (cost - AROUND) as u64;
        let (refused, second) = peak(|| decode_shared(&message, encoding, &limits).is_err());
        println!("{} {name}: {cost} bytes, then {second}", encoding.name());
        if !refused {
            wrong.push(format!("{} {name}: {cost} bytes held, {} counted", encoding.name(), limits.memory));
        }
        if second > limits.memory as usize + AROUND {
            wrong.push(format!("{} {name}: {second} bytes held, {} allowed", encoding.name(), limits.memory));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(looked_at > 40, "{looked_at} messages were looked at");
}

#[test]
fn decoding_hostile_messages_holds_no_more_memory_than_the_limit() {
    let limits = Limits::for_message(SIZE as u64);
    let mut wrong = Vec::new();
    let mut taken = 0;
    for (encoding, name, message) in messages() {
        let which = encoding.name();
        let (done, cost) = peak(|| decode_shared(&message, encoding, &limits));
        let outcome = match &done {
            Ok(_) => "a value".to_owned(),
            Err(e) => e.to_string(),
        };
        taken += usize::from(done.is_ok());
        println!("{which:6}{cost:9} bytes  {name}: {}", &outcome[..outcome.len().min(90)]);
        if cost > limits.memory as usize + AROUND {
            wrong.push(format!("{which} {name}: {cost} bytes held, {} allowed", limits.memory));
        }
        if outcome.len() > 1000 {
            wrong.push(format!("{which} {name}: an error text of {} bytes", outcome.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Refusing everything would pass the checks above.
    assert!(taken > 25, "{taken} messages were taken");
}

#[test]
fn whatever_size_the_message_limit_allows_can_be_decoded() {
    let limits = Limits::for_message(8 << 20);
    for value in [
        Value::from("x".repeat((8 << 20) - 16)),
        Value::Bytes(vec![7; (8 << 20) - 64].into()),
        linkspan::NdArray::vector(&vec![1.5f64; (1 << 20) - 32]).into(),
        Value::from((0..100_000).collect::<Vec<i64>>()),
    ] {
        let bytes = Bytes::from(encode(&value, Encoding::Cbor).unwrap());
        assert_eq!(decode_shared(&bytes, Encoding::Cbor, &limits).unwrap(), value);
    }
    let small = Limits::for_message(64 << 10);
    let rows = vec![Value::map((0..5).map(|i| (format!("field {i}"), 1.5))); 900];
    let bytes = Bytes::from(encode(&Value::Array(rows), Encoding::Cbor).unwrap());
    let error = decode_shared(&bytes, Encoding::Cbor, &small).map(drop);
    assert!(
        bytes.len() > 64 << 10 && error.unwrap_err().kind() == ErrorKind::TooLarge,
        "{} bytes",
        bytes.len()
    );
    let rows = vec![Value::map((0..5).map(|i| (format!("field {i}"), 1.5))); 700];
    let bytes = Bytes::from(encode(&Value::Array(rows), Encoding::Cbor).unwrap());
    decode_shared(&bytes, Encoding::Cbor, &small).unwrap();
}
