//! CBOR's own examples: RFC 8949 appendices A and F, and the typed arrays of RFC 8746.

use linkspan::codec::{decode, encode};
use linkspan::{DType, Encoding, ErrorKind, NdArray, Order, Value};

use crate::vectors::files::{cases, exact_cases, text, unhex};

#[test]
fn appendix_a() {
    let mut unsupported = Vec::new();
    for (case, exact) in cases("cbor/appendix_a.json").iter().zip(exact_cases("cbor/appendix_a.json")) {
        let (hex, diagnostic) = (text(case, "hex"), text(case, "diagnostic"));
        let bytes = unhex(hex);
        match decode(&bytes, Encoding::Cbor) {
            Ok(value) => {
                if let Ok(expected) = exact.at("decoded") {
                    assert_eq!(value, *expected, "{diagnostic}");
                }
                let again = encode(&value, Encoding::Cbor).unwrap();
                assert_eq!(decode(&again, Encoding::Cbor).unwrap(), value, "{diagnostic}");
                // Equal bytes if the RFC requires them, except for floats, which always have 64 bits here.
                let plain = !matches!(value, Value::Float(_) | Value::Timestamp(_));
                if case["roundtrip"] == true && plain && !diagnostic.contains("1.1") {
                    assert_eq!(again, bytes, "{diagnostic}");
                }
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{diagnostic}: {error:?}");
                unsupported.push(diagnostic.to_owned());
            }
        }
    }
    let expected =
        ["undefined", "simple(16)", "24(h'6449455446')", "32(\"http://www.example.com\")", "{1: 2, 3: 4}"];
    assert_eq!(unsupported, expected);
}

#[test]
fn malformed_input_is_refused() {
    for case in cases("cbor/malformed.json") {
        let bytes = unhex(text(&case, "hex"));
        let error = decode(&bytes, Encoding::Cbor).expect_err(text(&case, "hex"));
        // A malformed item inside an item without a form here is refused for either reason.
        let kind = error.kind();
        assert!(
            matches!(kind, ErrorKind::Malformed | ErrorKind::Unsupported | ErrorKind::TooLarge),
            "{case}: {error:?}"
        );
        assert!(error.offset().is_some_and(|offset| offset <= bytes.len() as u64), "{case}: {error:?}");
    }
}

fn leaf(value: &Value, float: bool) -> String {
    match value {
        Value::Float(n) => format!("{n:?}"),
        Value::Int(n) if float => format!("{:?}", *n as f64),
        Value::Int(n) => n.to_string(),
        Value::Text(text) => text.replace("Infinity", "inf"),
        other => panic!("{other:?}"),
    }
}

fn element(array: &NdArray, place: usize) -> String {
    let size = array.dtype.size();
    let bytes = &array.data[place * size..][..size];
    let mut wide = [0; 8];
    wide[..size].copy_from_slice(bytes);
    let bits = u64::from_le_bytes(wide);
    let shift = 64 - 8 * size;
    match array.dtype {
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => bits.to_string(),
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => (((bits << shift) as i64) >> shift).to_string(),
        DType::F32 => format!("{:?}", f64::from(f32::from_bits(bits as u32))),
        DType::F64 => format!("{:?}", f64::from_bits(bits)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn typed_arrays() {
    let mut refused = 0;
    for (case, exact) in cases("cbor/typed_arrays.json").iter().zip(exact_cases("cbor/typed_arrays.json")) {
        let name = text(case, "name");
        let found = decode(&unhex(text(case, "hex")), Encoding::Cbor);
        if case["dtype"] == "float128" {
            assert_eq!(found.expect_err(name).kind(), ErrorKind::Unsupported, "{name}");
            refused += 1;
            continue;
        }
        let value = found.unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let Value::NdArray(array) = &value else { panic!("{name}: {value:?}") };
        let shape: Vec<u64> = case["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        assert_eq!(array.shape, shape, "{name}");
        let order = if case["order"] == "column" { Order::Column } else { Order::Row };
        assert_eq!(array.order, order.for_shape(&shape), "{name}");
        let dtype = match case["dtype"].as_str() {
            None => array.dtype,
            Some("uint8_clamped") => DType::U8,
            Some("float16") => DType::F32,
            Some(name) => {
                let short = name.replace("uint", "u").replace("int", "i").replace("float", "f");
                DType::from_name(&short).unwrap_or_else(|| panic!("{name}"))
            }
        };
        assert_eq!(array.dtype, dtype, "{name}");
        let count: u64 = shape.iter().product();
        for n in 0..count {
            let mut rest = n;
            let mut indices = vec![0; shape.len()];
            for (index, length) in indices.iter_mut().zip(&shape).rev() {
                *index = rest % length;
                rest /= length;
            }
            let path = indices.iter().fold("values".to_owned(), |path, i| format!("{path}/{i}"));
            let expected = exact.at(&path).unwrap();
            let axes: Vec<usize> = match order {
                Order::Row => (0..shape.len()).collect(),
                Order::Column => (0..shape.len()).rev().collect(),
            };
            let place = axes.iter().fold(0, |place, axis| place * shape[*axis] + indices[*axis]);
            let float = matches!(dtype, DType::F32 | DType::F64);
            assert_eq!(element(array, place as usize), leaf(expected, float), "{name} {indices:?}");
        }
        assert_eq!(
            decode(&encode(&value, Encoding::Cbor).unwrap(), Encoding::Cbor).unwrap(),
            value,
            "{name}"
        );
    }
    assert!(refused > 0);
}
