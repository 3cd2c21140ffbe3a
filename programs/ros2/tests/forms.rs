//! Values in CDR and in JSON, as docs/recording-format.md describes them.

use linkspan::{Encoding, codec};
use linkspan_ros2::Messages;

#[test]
fn page_says_which_names_and_values_are_in_json() {
    let page = include_str!("../../../docs/recording-format.md");
    let (_, json) = page.split_once("### Values without a form in CDR").expect("the page has its list");
    let json = json.split("\n## ").next().unwrap_or_default();
    let (_, cdr) = page.split_once("| record, table |").expect("the page has a row");
    let cdr = cdr.split("### Values without").next().unwrap_or_default();
    let forms = [
        ("cdr", cdr, "`maxTemp`", r#"{"maxTemp": 1}"#),
        ("cdr", cdr, "`_a__B`", r#"{"_a__B": 1}"#),
        ("cdr", cdr, "`temp [C]`", r#"{"temp [C]": 1}"#),
        ("cdr", cdr, "`x-y`", r#"{"x-y": 1.0}"#),
        ("cdr", cdr, "`1x`", r#"{"1x": 1.5}"#),
        ("cdr", cdr, "`a.b`", r#"{"a.b": 1}"#),
        ("cdr", cdr, "`über`", r#"{"über": 1}"#),
        ("cdr", cdr, "longer than 63", &format!("{{\"{}\": 1}}", "x".repeat(64))),
        ("cdr", cdr, "A list that was empty in every message", r#"{"x": []}"#),
        ("json", json, "a field that was null in every message", r#"{"x": null}"#),
        ("json", json, "a map that was empty in every message", r#"{"x": {}}"#),
    ];
    for (encoding, said, example, value) in forms {
        let value = codec::decode(value.as_bytes(), Encoding::Json).expect("a value");
        let mut messages = Messages::new("lab/a", None);
        messages.look(&value, 0);
        let (encoder, _) = messages.encode(&value, 0).expect("a form");
        assert_eq!(encoder.encoding, encoding, "{example}");
        assert!(said.contains(example), "the page does not say {example}");
    }
}

/// Returns the text of the first type, and the encodings of the messages.
fn written(messages: &[&str]) -> (String, Vec<&'static str>) {
    let values: Vec<_> = messages
        .iter()
        .map(|text| codec::decode(text.as_bytes(), Encoding::Json).expect("a value"))
        .collect();
    let mut all = Messages::new("lab/a", None);
    values.iter().for_each(|value| all.look(value, 0));
    let written: Vec<_> = values.iter().map(|value| all.encode(value, 0).expect("a form").0).collect();
    (written[0].text.clone(), written.iter().map(|encoder| encoder.encoding).collect())
}

#[test]
fn key_that_no_field_can_have_is_changed_and_stands_in_the_comment() {
    let (text, encodings) =
        written(&[r#"{"temp [C]": 1.5, "temp_c": 2}"#, r#"{"temp [C]": 2.5, "in": [{"a b": "x"}]}"#]);
    assert_eq!(encodings, ["cdr", "cdr"]);
    assert!(text.contains("float64 temp_c # temp (C)."), "{text}");
    assert!(text.contains("string a_b # a b."), "{text}");
    assert!(!text.contains("linkspan_key"), "{text}");
}

#[test]
fn list_that_stays_empty_keeps_the_channel_in_cdr_until_an_element_comes() {
    let (text, encodings) = written(&[r#"{"x": [], "y": 1.5}"#, r#"{"x": [], "y": 2.5}"#]);
    assert_eq!(encodings, ["cdr", "cdr"]);
    assert!(text.contains("float64[] x # empty in every message so far"), "{text}");
    let mut live = Messages::new("lab/a", None);
    for (value, expected) in [
        (r#"{"x": []}"#, "float64[] x #"),
        (r#"{"x": ["a"]}"#, "string[] x\n"),
        (r#"{"x": []}"#, "string[] x\n"),
    ] {
        let value = codec::decode(value.as_bytes(), Encoding::Json).expect("a value");
        let (encoder, _) = live.encode_next(&value, 0).expect("a form");
        assert!(encoder.is_cdr() && encoder.text.contains(expected), "{}", encoder.text);
    }
    // Mixed lists lack a type, and so an empty one lacks it as well.
    let (_, encodings) = written(&[r#"{"x": [1, "a"]}"#, r#"{"x": []}"#]);
    assert_eq!(encodings, ["json", "json"]);
}

#[test]
fn message_beyond_the_bound_is_an_error_in_each_form_and_the_next_one_is_written() {
    use linkspan::{ErrorKind, Value};
    let long: Value = Value::map([("a b", Value::Array(vec![Value::Int(7); 1_000]))]);
    // Two kinds in a list require JSON.
    let mixed = |items: usize| {
        let list = (0..items).map(|at| if at % 2 == 0 { Value::from("a") } else { Value::Int(1) }).collect();
        Value::map([("x", Value::Array(list))])
    };
    for (long, short, encoding) in [
        (long, Value::map([("a b", Value::Array(vec![Value::Int(7)]))]), "cdr"),
        (mixed(1_000), mixed(2), "json"),
    ] {
        let mut messages = Messages::new("lab/a", None).within(1_000);
        for value in [&short, &long] {
            messages.look(value, 0);
        }
        assert_eq!(messages.encode(&long, 0).expect_err("it is too long").kind(), ErrorKind::TooLarge);
        assert_eq!(messages.encode(&short, 0).expect("it has a form").0.encoding, encoding);
        let mut live = Messages::new("lab/a", None).within(1_000);
        let before = live.encode_next(&short, 0).expect("it has a form").0;
        assert_eq!(live.encode_next(&long, 0).expect_err("it is too long").kind(), ErrorKind::TooLarge);
        let after = live.encode_next(&short, 0).expect("it has a form").0;
        assert!(std::sync::Arc::ptr_eq(&before, &after), "the type stays");
    }
}

#[test]
fn json_is_what_a_tree_of_it_would_be() {
    let texts = [
        r#"{"a b": [1, -2, 1.5, "x\"\n\u0000é", true, null, {}, []], "n": {"$ndarray": {"dtype": "u8", "shape": [2, 2], "data": "AQID/w=="}}}"#,
        r#"[1, {"a": 1e300}, 18446744073709551615]"#,
    ];
    for (text, expected) in texts.into_iter().zip([
        r#"{"a b":[1,-2,1.5,"x\"\n\u0000é",true,null,{},[]],"n":{"shape":[2,2],"data":[1,2,3,255]}}"#,
        r#"{"value":[1,{"a":1e+300},18446744073709551615]}"#,
    ]) {
        let value = codec::decode(text.as_bytes(), Encoding::Json).expect("a value");
        let bytes = linkspan_ros2::Encoder::json(None, "a").encode(&value, 0, 1 << 20).expect("a form");
        assert_eq!(String::from_utf8(bytes).expect("text"), expected);
    }
}
