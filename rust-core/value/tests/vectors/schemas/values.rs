//! Values that a schema allows, and values that it refuses, with the path and the reason.

use linkspan::{ErrorKind, NdArray, Order, Timestamp, Value};

fn reading() -> Value {
    Value::map([
        ("at", Value::from(Timestamp(5))),
        ("watts", 230.5.into()),
        ("site", Value::map([("latitude", Value::from(48)), ("name", "roof".into())])),
    ])
}

fn with(key: &str, value: impl Into<Value>) -> Value {
    let mut map = reading().as_map().unwrap().clone();
    map.insert(key.to_owned(), value.into());
    Value::Map(map)
}

fn table(n: usize) -> Value {
    let at = Value::Array(vec![Timestamp(1).into(); n]);
    Value::map([("at", at), ("volts", NdArray::vector(&[1.0, 2.0]).into())])
}

fn site(latitude: f64, name: &str) -> Value {
    with("site", Value::map([("latitude", Value::from(latitude)), ("name", name.into())]))
}

pub fn right() -> Vec<(&'static str, Value)> {
    vec![
        ("a reading", reading()),
        ("a wave of two rows", with("wave", NdArray::from_slice(&[0f32; 6], &[2, 3], Order::Row).unwrap())),
        ("a wave of no rows", with("wave", NdArray::from_slice(&[0f32; 0], &[0, 3], Order::Row).unwrap())),
        ("no wave", with("wave", Value::Null)),
        ("one variant", with("event", Value::map([("started", 3)]))),
        ("another variant", with("event", Value::map([("stopped", Value::map([("reason", "x")]))]))),
        ("a table", with("rows", table(2))),
        ("the least number", with("watts", 0)),
        ("the greatest number", with("watts", 20000)),
        ("the greatest latitude", site(90.0, "")),
        ("the longest name", site(0.0, "eightbyt")),
        ("a list", with("notes", vec!["", "Ω"])),
    ]
}

/// Returns refused values: the fault, the value, its kind of error, the path, and a part of the error.
pub fn wrong() -> Vec<(Value, ErrorKind, &'static str, &'static str)> {
    vec![
        (
            with("watts", "much"),
            ErrorKind::WrongType,
            "watts",
            "f64 in W, [0.0, 20000.0] is expected, text was found",
        ),
        (with("watts", 20001), ErrorKind::OutOfRange, "watts", "20001 was found"),
        (with("watts", f64::NAN), ErrorKind::OutOfRange, "watts", "NaN was found"),
        (with("at", "2026-01-01T00:00:00Z"), ErrorKind::WrongType, "at", "send a timestamp"),
        (
            with("phase", "L4"),
            ErrorKind::WrongType,
            "phase",
            "enum of L1, L2, L3 is expected, \"L4\" was found",
        ),
        (
            with("wave", NdArray::from_slice(&[0f32; 4], &[2, 2], Order::Row).unwrap()),
            ErrorKind::WrongType,
            "wave",
            "[2, 2]",
        ),
        (
            with("wave", NdArray::from_slice(&[0f64; 6], &[2, 3], Order::Row).unwrap()),
            ErrorKind::WrongType,
            "wave",
            "of f64",
        ),
        (with("wave", vec![1.0]), ErrorKind::WrongType, "wave", "not a list of values"),
        (with("notes", vec![1]), ErrorKind::WrongType, "notes/0", "text is expected, an integer was found"),
        (with("event", Value::map([("ended", 3)])), ErrorKind::WrongType, "event/ended", "no variant"),
        (
            with("event", Value::map([("started", 1), ("stopped", 1)])),
            ErrorKind::WrongType,
            "event",
            "2 entries",
        ),
        (
            with("rows", table(3)),
            ErrorKind::WrongType,
            "rows/volts",
            "one length: 3 values are in one, 2 in this",
        ),
        (
            with("rows", Value::map([("at", Value::Array(vec![]))])),
            ErrorKind::Missing,
            "rows",
            "\"volts\" is missing",
        ),
        (with("wats", 1.0), ErrorKind::WrongType, "wats", "did you mean \"watts\"?"),
        (with("location", 1.0), ErrorKind::WrongType, "location", "twice"),
        (with("site", Value::map([("latitude", 91.0)])), ErrorKind::OutOfRange, "site/latitude", "91.0"),
        (with("site", Value::map([("latitude", 1.0)])), ErrorKind::Missing, "site", "\"name\" is missing"),
        (
            with("site", Value::map([("latitude", Value::from(1.0)), ("name", "a long name".into())])),
            ErrorKind::TooLarge,
            "site/name",
            "11 bytes were found",
        ),
        (Value::from(7), ErrorKind::WrongType, "", "record of at, watts"),
    ]
}
