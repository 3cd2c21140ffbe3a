//! Round trips of values: kinds with a form are kept, kinds without a form are refused with their
//! path.

#![allow(unused_imports, reason = "each feature uses some of them")]

use crate::{BigInt, Decimal, ErrorKind, NdArray, Order, Timestamp, Value};

#[cfg(any(feature = "serde_json", feature = "ciborium", feature = "bson"))]
fn kinds() -> Value {
    Value::map([
        ("null", Value::Null),
        ("whole", Value::from(u64::MAX >> 1)),
        ("float", Value::Float(0.1 + 0.2)),
        ("bytes", Value::Bytes(bytes::Bytes::from_static(b"\0\xff"))),
        ("at", Value::Timestamp(Timestamp(1_700_000_000_123_000_000))),
        ("id", Value::Uuid([7; 16])),
        ("price", Value::Decimal("1.10".parse().unwrap())),
        ("trace", NdArray::from_slice(&[1.5f32, 2.5, 3.5, 4.5], &[2, 2], Order::Column).unwrap().into()),
        ("$time", Value::map([("$time", 1)])),
        ("list", Value::Array(vec![Value::from("x"), true.into()])),
    ])
}

#[cfg(feature = "serde_json")]
#[test]
fn json_values_keep_each_kind() {
    let json = serde_json::Value::try_from(&kinds()).unwrap();
    assert_eq!(json["price"], serde_json::json!({"$decimal": "1.10"}));
    // The crate orders keys in its own way.
    let (back, given) = (Value::try_from(&json).unwrap(), kinds());
    let (Value::Map(back), Value::Map(given)) = (&back, &given) else { panic!("{back:?}") };
    assert_eq!(back.len(), given.len());
    given.iter().for_each(|(key, value)| assert_eq!(back.get(key), Some(value), "{key}"));
    let wrong = serde_json::json!({"a": [{"$time": "yesterday"}]});
    let error = Value::try_from(&wrong).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Malformed, Some("a/0/$time")), "{error}");
}

#[cfg(feature = "ciborium")]
#[test]
fn cbor_values_keep_each_kind() {
    use ciborium::Value as Cbor;
    let cbor = Cbor::try_from(&kinds()).unwrap();
    assert_eq!(Value::try_from(&cbor).unwrap(), kinds());
    let tagged = |tag, content| {
        Cbor::Map(vec![(Cbor::Text("a".into()), Cbor::Array(vec![Cbor::Tag(tag, Box::new(content))]))])
    };
    let text = Cbor::Text("2026-01-02T03:04:05Z".into());
    let at = Value::try_from(&tagged(0, text)).unwrap();
    assert_eq!(at.at("a/0").unwrap().to_owned(), Value::Timestamp("2026-01-02T03:04:05Z".parse().unwrap()));
    let refused = Value::try_from(&tagged(32, Cbor::Text("http://x".into()))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
}

#[cfg(feature = "bson")]
#[test]
fn bson_documents_keep_each_kind() {
    let document = bson::Document::try_from(&kinds()).unwrap();
    assert_eq!(Value::try_from(&document).unwrap(), kinds());
    let document = bson::doc! {"a": [{"b": bson::oid::ObjectId::from_bytes([7; 12])}]};
    let refused = Value::try_from(&document).unwrap_err();
    assert_eq!((refused.kind(), refused.path()), (ErrorKind::Unsupported, Some("a/0/b")), "{refused}");
}

#[cfg(feature = "ndarray")]
#[test]
fn arrays_keep_shape_and_order() {
    use ndarray::{Array2, ArrayD, Axis, array};
    let rows = array![[1i32, 2, 3], [4, 5, 6]];
    let ours = NdArray::from(&rows);
    assert_eq!((ours.shape.clone(), ours.order), (vec![2, 3], Order::Row));
    assert_eq!(ArrayD::<i32>::try_from(&ours).unwrap(), rows.clone().into_dyn());
    let columns = NdArray::from(&rows.t());
    assert_eq!((columns.shape.clone(), columns.order), (vec![3, 2], Order::Column));
    assert_eq!(ArrayD::<i32>::try_from(&columns).unwrap(), rows.t().to_owned().into_dyn());
    // Every second column is in neither order.
    let apart = NdArray::from(&rows.slice(ndarray::s![.., ..;2]));
    assert_eq!(apart.elements::<i32>().unwrap()[..], [1, 3, 4, 6]);
    let error = ArrayD::<f64>::try_from(&ours).unwrap_err();
    assert!(
        error.kind() == ErrorKind::WrongType && error.text().contains("f64") && error.text().contains("i32"),
        "{error}"
    );
}
