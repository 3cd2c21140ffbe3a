//! The values of Linkspan's own vectors: the ends of every range, and common errors of codecs.

use bytes::Bytes;
use linkspan::value::NdArrayRef;
use linkspan::{BigInt, DType, Decimal, Map, NdArray, Order, Timestamp, Value};

type Named = Vec<(String, Value)>;

pub fn all() -> Named {
    let mut all = Vec::new();
    scalars(&mut all);
    numbers(&mut all);
    texts(&mut all);
    instants_and_the_like(&mut all);
    arrays_of_numbers(&mut all);
    containers(&mut all);
    escapes(&mut all);
    large(&mut all);
    all
}

fn add(all: &mut Named, name: impl Into<String>, value: impl Into<Value>) {
    all.push((name.into(), value.into()));
}

fn scalars(all: &mut Named) {
    add(all, "null", ());
    add(all, "true", true);
    add(all, "false", false);
}

fn numbers(all: &mut Named) {
    let integers = [
        0,
        1,
        -1,
        15,
        16,
        -16,
        -17,
        23,
        24,
        -24,
        -25,
        63,
        64,
        127,
        128,
        -128,
        -129,
        255,
        256,
        -256,
        -257,
        32767,
        -32769,
        65535,
        65536,
        -65536,
        -65537,
        2147483647,
        2147483648,
        -2147483648,
        -2147483649,
        4294967295,
        4294967296,
        -4294967296,
        -4294967297,
        9007199254740993,
        i64::MAX,
        i64::MIN,
    ];
    for n in integers {
        add(all, format!("int {n}"), n);
    }
    add(all, "int 2^63", 1u64 << 63);
    add(all, "int 2^64-1", u64::MAX);
    let bigs = [
        "18446744073709551616",
        "-9223372036854775809",
        "-18446744073709551616",
        "-18446744073709551617",
        "1000000000000000000000000000000",
        "-340282366920938463463374607431768211456",
    ];
    for text in bigs {
        add(all, format!("big {text}"), BigInt::parse(text).unwrap());
    }
    add(all, "big of 1 KiB", BigInt::from_parts(false, &[0xff; 1024]).unwrap());
    add(all, "big of 1 KiB below zero", BigInt::from_parts(true, &[0x80; 1024]).unwrap());
    let floats = [
        0.0,
        -0.0,
        1.0,
        7.0,
        -1.5,
        0.1,
        1.0 / 3.0,
        std::f64::consts::PI,
        1e-7,
        1e15,
        1e16,
        1e21,
        1e22,
        1e23,
        9007199254740993.0,
        65504.0,
        f64::from(f32::MAX),
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        f64::from_bits(0x000f_ffff_ffff_ffff),
        5e-324,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    for n in floats {
        add(all, format!("float {n:?}"), n);
    }
    let nans = [
        ("quiet", 0x7ff8_0000_0000_0000u64),
        ("quiet negative", 0xfff8_0000_0000_0000),
        ("signalling", 0x7ff0_0000_0000_0001),
        ("with all bits", 0x7fff_ffff_ffff_ffff),
        ("with a payload", 0xfff8_dead_beef_cafe),
    ];
    for (name, bits) in nans {
        add(all, format!("nan {name}"), f64::from_bits(bits));
    }
}

fn texts(all: &mut Named) {
    for length in [0, 1, 23, 24, 31, 32, 33, 56, 57, 63, 64, 65, 255, 256, 1000] {
        let text: String = ('a'..='z').cycle().take(length).collect();
        add(all, format!("text of {length} bytes"), text);
        if length > 1 {
            let text: String =
                std::iter::repeat_n('é', length / 2).chain((length % 2 == 1).then_some('x')).collect();
            add(all, format!("text of {length} bytes, é"), text);
        }
    }
    let odd = [
        ("quotes and backslashes", "\"\\/'`"),
        (
            "every control character",
            "\0\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\t\n\u{b}\u{c}\r\u{e}\u{f}\u{10}\u{1f}\u{7f}\u{80}\u{9f}",
        ),
        ("a NUL", "a\0b"),
        (
            "ends of Unicode's ranges",
            "\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{fffd}\u{ffff}\u{10000}\u{10ffff}",
        ),
        ("many scripts", "Übergröße ελληνικά русский 日本語 한국어 עברית عربى 😀👩‍🚀"),
        ("combining marks, not composed", "e\u{301} n\u{303}"),
        ("line separators", "\u{2028}\u{2029}\u{feff}"),
        ("an escape's name", "$bytes"),
        ("what looks like a number", "7.0"),
    ];
    for (name, text) in odd {
        add(all, format!("text with {name}"), text);
    }
    for length in [0u32, 1, 2, 3, 6, 7, 8, 23, 24, 255, 256, 600] {
        let bytes: Vec<u8> = (0..length).map(|i| (i * 7 + 250) as u8).collect();
        add(all, format!("{length} bytes"), Bytes::from(bytes));
    }
}

fn instants_and_the_like(all: &mut Named) {
    for ns in [
        0,
        1,
        -1,
        999_999_999,
        -1_000_000_000,
        1_251_082_000_250_000_000,
        951_782_400_000_001_000,
        i64::MAX,
        i64::MIN,
    ] {
        add(all, format!("timestamp {ns}"), Timestamp(ns));
    }
    add(all, "uuid nil", Value::Uuid([0; 16]));
    add(all, "uuid max", Value::Uuid([0xff; 16]));
    add(
        all,
        "uuid",
        Value::Uuid([
            0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0, 0xc0, 0x4f, 0xd4, 0x30, 0xc8,
        ]),
    );
    let decimals = [
        "0",
        "-0",
        "0.00",
        "0E+5",
        "-0E-7",
        "1.10",
        "-1.10",
        "1E-7",
        "0.000001",
        "1E+3",
        "123456789012345678",
        "18446744073709551616.5",
        "9.999999999999999999999999999999999E+6144",
        "1E-6176",
        "1E-6177",
        "1E+6112",
        "12345678901234567890123456789012345",
        "-98765432109876543210987654321098765432109876543210.987654321",
        "1E+2147483647",
        "1E-2147483648",
        "NaN",
        "Infinity",
        "-Infinity",
    ];
    for text in decimals {
        add(all, format!("decimal {text}"), text.parse::<Decimal>().unwrap());
    }
}

fn array(dtype: DType, order: Order, shape: &[u64], data: &[u8]) -> NdArray {
    NdArrayRef::new(dtype, order, shape, data).unwrap().to_owned()
}

fn elements(dtype: DType, count: usize) -> Vec<u8> {
    match dtype {
        DType::Bool => (0..count).map(|i| (i % 3 == 1) as u8).collect(),
        _ => (0..count * dtype.size()).map(|i| (i * 37 + 1) as u8).collect(),
    }
}

fn arrays_of_numbers(all: &mut Named) {
    for dtype in DType::ALL {
        let name = dtype.name();
        for order in [Order::Row, Order::Column] {
            add(
                all,
                format!("array {name} 2x3 {}", order.name()),
                array(dtype, order, &[2, 3], &elements(dtype, 6)),
            );
        }
        add(all, format!("array {name} 5"), array(dtype, Order::Row, &[5], &elements(dtype, 5)));
        add(all, format!("array {name} rank 0"), array(dtype, Order::Row, &[], &elements(dtype, 1)));
        add(all, format!("array {name} empty"), array(dtype, Order::Row, &[0], &[]));
    }
    add(all, "array i64 ends", NdArray::vector(&[i64::MIN, -1, 0, 1, i64::MAX]));
    add(all, "array u64 ends", NdArray::vector(&[0, 1, u64::MAX]));
    let floats = [
        0.0,
        -0.0,
        1.5,
        f64::MAX,
        5e-324,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        f64::from_bits(0x7ff0_0000_0000_0001),
    ];
    add(all, "array f64 odd ones", NdArray::vector(&floats));
    add(all, "array f32 odd ones", NdArray::vector(&floats.map(|n| n as f32)));
    add(all, "array c128", NdArray::vector(&[[1.0f64, -1.0], [0.5, -0.0]]));
    add(
        all,
        "array of rank 15",
        array(
            DType::I16,
            Order::Column,
            &[1, 2, 1, 1, 1, 1, 1, 3, 1, 1, 1, 1, 1, 1, 1],
            &elements(DType::I16, 6),
        ),
    );
    for shape in [&[0u64, 3][..], &[3, 0, 2], &[u64::MAX, 0], &[0, 1 << 63]] {
        add(all, format!("array f32 of shape {shape:?}"), array(DType::F32, Order::Column, shape, &[]));
    }
    add(all, "array f64 25x40", array(DType::F64, Order::Row, &[25, 40], &elements(DType::F64, 1000)));
    for pad in 0..9 {
        let value = Value::map([("p".repeat(pad), NdArray::vector(&[1.0f64, 2.0]))]);
        add(all, format!("array f64 behind a key of {pad} bytes"), value);
    }
}

fn nested(depth: usize, wrap: impl Fn(Value) -> Value) -> Value {
    (0..depth).fold(Value::Null, |inner, _| wrap(inner))
}

fn containers(all: &mut Named) {
    add(all, "array empty", Value::Array(vec![]));
    add(all, "map empty", Value::Map(Map::new()));
    add(
        all,
        "array of empty ones",
        Value::Array(vec![Value::Array(vec![]), Value::Map(Map::new()), Value::from(""), Value::Null]),
    );
    for length in [1, 15, 23, 24, 255, 256] {
        add(all, format!("array of {length}"), (0..length).map(|i| i - 100).collect::<Vec<i64>>());
    }
    for length in [2, 16, 17, 23, 24, 300] {
        add(all, format!("map of {length}"), Value::map((0..length).map(|i| (format!("key {i}"), i))));
    }
    add(all, "map whose order is not the alphabet's", Value::map([("z", 1), ("a", 2), ("m", 3), ("", 4)]));
    add(
        all,
        "map with odd keys",
        Value::map([
            ("", 1),
            ("a/b", 2),
            ("a~b", 3),
            ("~1", 4),
            ("a.b", 5),
            ("é😀", 6),
            ("\"\\\n", 7),
            ("0", 8),
            ("$", 9),
            ("__proto__", 10),
        ]),
    );
    for length in [1, 56, 57, 64, 65, 300] {
        add(all, format!("map with a key of {length} bytes"), Value::map([("k".repeat(length), 1)]));
        let key: String = std::iter::repeat_n('é', length.div_ceil(2)).collect();
        add(all, format!("map with a key of {} bytes, é", key.len()), Value::map([(key, 1)]));
    }
    let mixed = Value::map([
        ("sensor", Value::from("t0")),
        ("at", Timestamp(1_251_082_000_250_000_000).into()),
        ("values", vec![Value::from(1), 1.0.into(), ().into(), true.into(), "x".into()].into()),
        ("trace", NdArray::vector(&[1i32, -2, 3]).into()),
        (
            "more",
            Value::map([
                ("raw", Value::from(Bytes::from_static(b"\0\xff"))),
                ("price", "1.10".parse::<Decimal>().unwrap().into()),
            ]),
        ),
    ]);
    add(all, "map of everything", mixed.clone());
    add(all, "array of maps with the same keys", vec![mixed.clone(), mixed]);
    add(all, "arrays 64 deep", nested(64, |v| Value::Array(vec![v])));
    add(all, "maps 64 deep", nested(64, |v| Value::map([("k", v)])));
    add(all, "maps of two 64 deep", nested(64, |v| Value::map([("k", v), ("l", Value::from(1))])));
    add(
        all,
        "an array of numbers 64 deep",
        nested(64, |v| Value::Array(vec![if v == Value::Null { NdArray::vector(&[1u8]).into() } else { v }])),
    );
}

fn escapes(all: &mut Named) {
    for key in [
        "$", "$bytes", "$int", "$float", "$time", "$uuid", "$decimal", "$ndarray", "$map", "$value",
        "$other", "$é",
    ] {
        add(all, format!("map with the one key {key}"), Value::map([(key, "x")]));
    }
    add(all, "map with two keys that begin with $", Value::map([("$map", 1), ("$bytes", 2)]));
    add(
        all,
        "escapes inside escapes",
        Value::map([("$map", Value::map([("$map", Value::map([("$bytes", "AA==")]))]))]),
    );
    add(
        all,
        "escapes in an array",
        vec![Value::map([("$a", 1)]), Value::map([("$map", Vec::<Value>::new())]), Value::map([("a", 1)])],
    );
    add(all, "escapes 64 deep", nested(64, |v| Value::map([("$k", v)])));
    add(all, "map with a NUL in its one key", Value::map([("a\0b", 1)]));
    add(all, "map with a NUL in its one key, $", Value::map([("$a\0b", 1)]));
    let late = Value::map([
        ("first", Value::from(vec![Value::from(1), Value::map([("x", Value::from("y"))])])),
        ("second", Timestamp(5).into()),
        ("nul\0", Value::map([("also\0", 1.5)])),
        ("third", 1.5.into()),
        ("\0", "text".into()),
        ("", ().into()),
    ]);
    add(all, "map with a NUL in a later key", late.clone());
    add(all, "map with a NUL, deeper", Value::map([("a", late), ("b", Value::from(2))]));
    add(all, "keys with NUL 64 deep", nested(64, |v| Value::map([("\0", v)])));
}

fn large(all: &mut Named) {
    let rows: Vec<Value> =
        (0..1000i64).map(|i| Value::map([("i", Value::from(i)), ("v", (i as f64 / 8.0).into())])).collect();
    add(all, "table of 1000 rows", rows);
    // More names than Smile's table holds, which clears it; all twice, to get references.
    let names = Value::map((0..1100i64).map(|i| (format!("name{i}"), i)));
    add(all, "1100 keys, twice", vec![names.clone(), names]);
}
