//! Limits: the resources of bytes from a peer, and of encoding a value, in every encoding.

use linkspan::codec::{EncodeOptions, MAX_DEPTH, decode, decode_into, decode_shared, encode, encode_into};
use linkspan::value::{Keys, Sink, Source, ValueBuilder};
use linkspan::{Encoding, Error, ErrorKind, Limits, NdArray, Result, Value};

use crate::vectors::law::CARRIERS;

fn nested(depth: usize, wrap: impl Fn(Value) -> Value) -> Value {
    (0..depth).fold(Value::from(1), |inner, _| wrap(inner))
}

fn within(bytes: &[u8], encoding: Encoding, limits: &Limits) -> Result<Value> {
    decode_into(bytes, encoding, limits, ValueBuilder::new())?.finish()
}

#[test]
fn depth_counts_the_users_levels_and_not_those_of_escapes() {
    type Wrap = fn(Value) -> Value;
    let wraps: [Wrap; 4] = [
        |v| Value::Array(vec![v]),
        |v| Value::map([("k", v)]),
        |v| Value::map([("$k", v)]),
        |v| Value::map([("\0", v), ("b", Value::Null)]),
    ];
    for (i, wrap) in wraps.into_iter().enumerate() {
        let (fits, over) = (nested(64, wrap), nested(65, wrap));
        for encoding in CARRIERS {
            let bytes = encode(&fits, encoding).unwrap_or_else(|e| panic!("{i} {}: {e:?}", encoding.name()));
            assert_eq!(decode(&bytes, encoding).unwrap(), fits, "{i} {}", encoding.name());
            let error = encode(&over, encoding).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            assert!(error.path().is_some());
            // Written with a higher limit, read with the usual one.
            let mut how = EncodeOptions::default();
            how.limits.depth = 65;
            let mut bytes = Vec::new();
            encode_into(&over, encoding, &how, &mut bytes).unwrap();
            assert_eq!(
                decode(&bytes, encoding).unwrap_err().kind(),
                ErrorKind::TooLarge,
                "{i} {}",
                encoding.name()
            );
        }
    }
}

#[test]
fn no_depth_limit_is_so_high_that_a_stack_runs_out() {
    let mut limits = Limits::default();
    limits.depth = u32::MAX;
    let run = move || {
        let bytes = 300_000;
        let hostile: [(Encoding, Vec<u8>); 8] = [
            (Encoding::Json, vec![b'['; bytes]),
            (Encoding::Json, b"{\"$map\":".repeat(bytes)),
            (Encoding::Json, b"{\"$map\":[[\"a\",".repeat(bytes)),
            (Encoding::Cbor, vec![0x81; bytes]),
            (Encoding::Cbor, vec![0x9f; bytes]),
            (Encoding::Cbor, vec![0xd8; bytes]),
            (Encoding::Cbor, [0xd9, 0xd9, 0xf7].repeat(bytes)),
            (Encoding::Smile, [b":)\n\x01".to_vec(), vec![0xf8; bytes]].concat()),
        ];
        for (encoding, bytes) in hostile {
            let error = within(&bytes, encoding, &limits).unwrap_err();
            let kinds = [ErrorKind::TooLarge, ErrorKind::Malformed, ErrorKind::Unsupported];
            assert!(kinds.contains(&error.kind()), "{error:?}");
        }
        let deep = nested(MAX_DEPTH as usize, |v| Value::map([("$", v)]));
        for encoding in CARRIERS {
            let mut how = EncodeOptions::default();
            how.limits.depth = u32::MAX;
            let mut bytes = Vec::new();
            encode_into(&deep, encoding, &how, &mut bytes).unwrap();
            assert_eq!(within(&bytes, encoding, &limits).unwrap(), deep);
            let error = encode_into(
                &nested(MAX_DEPTH as usize + 1, |v| Value::Array(vec![v])),
                encoding,
                &how,
                &mut bytes,
            );
            assert_eq!(error.unwrap_err().kind(), ErrorKind::TooLarge);
        }
    };
    // The default stack of a Rust thread, larger than the rest of the stack of PHP's and Python's threads.
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn nodes_memory_keys_and_message_are_limited() {
    let many = Value::Array(vec![Value::Null; 100]);
    type Tighten = fn(&mut Limits);
    let tight: [(&str, Tighten); 4] = [
        ("node", |l| l.nodes = 50),
        ("memory", |l| l.memory = 1000),
        ("message", |l| l.message = 20),
        ("key", |l| l.key = 3),
    ];
    let keyed = Value::map([("long key", many.clone())]);
    for (name, tighten) in tight {
        let mut limits = Limits::default();
        tighten(&mut limits);
        for encoding in CARRIERS {
            let bytes = encode(&keyed, encoding).unwrap();
            let error = within(&bytes, encoding, &limits).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge, "{name} {}", encoding.name());
            assert!(error.text().contains(name), "{name} {}: {error:?}", encoding.name());
            let error =
                encode_into(&keyed, encoding, &EncodeOptions::within(limits), &mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge, "{name} {}", encoding.name());
        }
    }
    let block = Value::from(bytes::Bytes::from(vec![0u8; 1000]));
    let mut limits = Limits::default();
    limits.message = 900;
    for encoding in Encoding::ALL {
        let error =
            encode_into(&block, encoding, &EncodeOptions::within(limits), &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{}", encoding.name());
    }
}

struct Twice;

impl Source for Twice {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        sink.begin_map(2)?;
        for _ in 0..2 {
            sink.key("k").and_then(|()| sink.null()).map_err(|e: Error| e.under_key("k"))?;
        }
        sink.end_map()
    }
}

#[test]
fn keys_are_checked_in_encoding_if_required() {
    for encoding in CARRIERS {
        let how = EncodeOptions::default().with_keys(Keys::Check);
        let error = encode_into(&Twice, encoding, &how, &mut Vec::new()).unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Malformed, Some("k")));
    }
}

#[test]
fn long_blocks_of_binary_encodings_are_views() {
    let array = NdArray::vector(&[0.5f64; 500]);
    let value = Value::map([("a", Value::from(array)), ("b", bytes::Bytes::from(vec![7u8; 2000]).into())]);
    for encoding in [Encoding::Cbor, Encoding::Bson, Encoding::Smile] {
        let bytes = bytes::Bytes::from(encode(&value, encoding).unwrap());
        let decoded = decode_shared(&bytes, encoding, &Limits::default()).unwrap();
        assert_eq!(decoded, value);
        let inside = |block: &bytes::Bytes| bytes.as_ptr_range().contains(&block.as_ptr());
        assert!(inside(&decoded.at("a").unwrap().as_ndarray().unwrap().data), "{}", encoding.name());
        assert!(inside(decoded.at("b").unwrap().as_bytes().unwrap()), "{}", encoding.name());
    }
}
