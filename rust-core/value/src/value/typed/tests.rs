//! Tests of typed builders: order of keys, aliases, absent fields, paths of errors.

use std::collections::BTreeMap;

use super::*;
use crate::value::{Limits, NdArray, Order, Source, Value};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pair {
    pub left: i32,
    pub right: Option<String>,
}

#[derive(Default)]
pub(crate) struct PairBuilder {
    fields: Fields,
    left: Slot<i32>,
    right: Maybe<Slot<String>, true>,
}

impl Build for PairBuilder {
    type Output = Pair;
    fn event(&mut self, event: Event<'_>) -> Result<bool> {
        let complete = match self.fields.step(&event, &["left", "right"], &[("rechts", 1)])? {
            Step::Into(0) => self.left.event(event)?,
            Step::Into(_) => self.right.event(event)?,
            Step::Taken => return Ok(false),
            Step::Complete => return Ok(true),
        };
        self.fields.after(complete);
        Ok(false)
    }
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.fields.known_key(key, &["left", "right"])? == Step::Complete)
    }
    fn finish(self) -> Result<Pair> {
        self.fields.finish()?;
        Ok(Pair { left: finish_field(self.left, "left")?, right: finish_field(self.right, "right")? })
    }
}

impl Decode for Pair {
    type Builder = PairBuilder;
}

fn typed<T: Decode>(value: &Value) -> Result<T> {
    let mut sink = crate::value::Meter::new(Typed::<T>::new(), Limits::default(), crate::value::Keys::Check);
    value.walk(&mut sink)?;
    sink.into_inner().finish()
}

#[test]
fn records_take_fields_in_any_order_and_skip_unknown_ones() {
    let unknown = Value::Array(vec![Value::map([("left", Value::Array(vec![Value::Null]))]), Value::Null]);
    let value =
        Value::map([("new", unknown), ("rechts", "r".into()), ("x", Value::Null), ("left", 7.into())]);
    let pair = Pair { left: 7, right: Some("r".into()) };
    assert_eq!(typed::<Pair>(&value).unwrap(), pair);
    let value = Value::map([("list", Value::Array(vec![value.clone(), Value::map([("left", 1)])]))]);
    let pairs: BTreeMap<String, Vec<Pair>> = typed(&value).unwrap();
    assert_eq!(pairs["list"], [pair, Pair { left: 1, right: None }]);
}

#[test]
fn null_is_an_optional_field_left_out_and_nothing_else() {
    let value = Value::map([("right", Value::Null), ("left", 1.into())]);
    assert_eq!(typed::<Pair>(&value).unwrap(), Pair { left: 1, right: None });
    let error = typed::<Pair>(&Value::map([("left", Value::Null)])).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::WrongType, Some("left")));
}

#[test]
fn errors_name_the_path() {
    let left_out = Value::Array(vec![Value::map([("left", 1)]), Value::map([("right", "x")])]);
    let error = typed::<Vec<Pair>>(&left_out).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Missing, Some("1/left")), "{error}");
    let too_large = Value::map([("left", i64::from(i32::MAX) + 1)]);
    let error = typed::<Pair>(&too_large).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::OutOfRange, Some("left")), "{error}");
}

#[test]
fn numbers_are_taken_where_they_fit() {
    assert_eq!(typed::<i64>(&i64::MIN.into()).unwrap(), i64::MIN);
    assert_eq!(typed::<u64>(&u64::MAX.into()).unwrap(), u64::MAX);
    assert_eq!(typed::<i64>(&u64::MAX.into()).unwrap_err().kind(), ErrorKind::OutOfRange);
    assert_eq!(typed::<u64>(&(-1).into()).unwrap_err().kind(), ErrorKind::OutOfRange);
    assert_eq!(typed::<f64>(&7.into()).unwrap(), 7.0);
    assert_eq!(typed::<f64>(&((1i64 << 53) + 1).into()).unwrap_err().kind(), ErrorKind::OutOfRange);
    assert_eq!(typed::<f32>(&f64::MAX.into()).unwrap_err().kind(), ErrorKind::OutOfRange);
    assert_eq!(typed::<f32>(&f64::INFINITY.into()).unwrap(), f32::INFINITY);
    assert_eq!(typed::<i32>(&7.0.into()).unwrap_err().kind(), ErrorKind::WrongType);
}

#[test]
fn any_value_is_kept_as_it_is() {
    let array = NdArray::from_slice(&[1.5f32, 2.0, 3.0, 4.0], &[2, 2], Order::Column).unwrap();
    let value = Value::map([("a", Value::Array(vec![array.into(), Value::Null])), ("b", u64::MAX.into())]);
    assert_eq!(typed::<Value>(&value).unwrap(), value);
    assert_eq!(typed::<Vec<Value>>(&vec![value.clone(), Value::Null].into()).unwrap(), [value, Value::Null]);
}

#[test]
fn long_arrays_are_views_of_the_message() {
    let array = NdArray::vector(&[1.0f64; 200]);
    let bytes = bytes::Bytes::from([b"before", &array.data[..]].concat());
    let mut sink = Typed::<NdArray>::sharing(bytes.clone());
    let elements = &bytes[bytes.len() - 1600..];
    sink.ndarray(NdArrayRef { data: elements, ..array.as_ref() }).unwrap();
    let shared = sink.finish().unwrap();
    assert_eq!((shared.data.as_ptr(), &shared), (elements.as_ptr(), &array));
}

#[test]
fn record_tracks_its_first_64_keys_only() {
    let names: Vec<String> = (0..70).map(|i| format!("k{i}")).collect();
    let keys: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut fields = Fields::default();
    assert_eq!(fields.step(&Event::BeginMap(71), &keys, &[]).unwrap(), Step::Taken);
    for (at, key) in keys.iter().enumerate() {
        let expected = if at < 64 { Step::Complete } else { Step::Taken };
        assert_eq!(fields.known_key(key.as_bytes(), &keys).unwrap(), expected, "{key}");
        if at >= 64 {
            assert_eq!(fields.step(&Event::Key(key), &keys, &[]).unwrap(), Step::Taken);
        }
        assert_eq!(fields.step(&Event::Null, &keys, &[]).unwrap(), Step::Into(at));
        fields.after(true);
    }
    assert_eq!(fields.known_key(b"k63", &keys).unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(fields.known_key(b"other", &keys).unwrap(), Step::Taken);
}

#[test]
fn key_is_known_only_if_all_its_bytes_match() {
    for length in 0..40 {
        let name = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN"[..length].to_owned();
        let known = |key: &[u8]| {
            let mut fields = Fields::default();
            fields.step(&Event::BeginMap(1), &[&name], &[]).unwrap();
            fields.known_key(key, &[&name]).unwrap()
        };
        assert_eq!(known(name.as_bytes()), Step::Complete, "{name}");
        assert_eq!(known(&[name.as_bytes(), b"x"].concat()), Step::Taken, "{name}");
        for at in 0..length {
            let mut key = name.clone().into_bytes();
            key[at] ^= 0x80;
            assert_eq!(known(&key), Step::Taken, "{name} at {at}");
        }
        assert!(length == 0 || known(&name.as_bytes()[1..]) == Step::Taken, "{name}");
    }
}
