//! What has a form in CDR, and what is in JSON: as docs/recording-format.md says.

use linkspan::{Encoding, codec};
use linkspan_ros2::Messages;

#[test]
fn page_says_which_names_and_values_are_in_json() {
    let page = include_str!("../../docs/recording-format.md");
    let (_, json) =
        page.split_once("### Values without a form in CDR").expect("the page has its list");
    let json = json.split("\n## ").next().unwrap_or_default();
    let (_, cdr) = page.split_once("| record, table |").expect("the page has a row");
    let cdr = cdr.lines().next().unwrap_or_default();
    let forms = [
        ("cdr", cdr, "`maxTemp`", r#"{"maxTemp": 1}"#),
        ("cdr", cdr, "`_a__B`", r#"{"_a__B": 1}"#),
        ("json", json, "`temp [C]`", r#"{"temp [C]": 1}"#),
        ("json", json, "`x-y`", r#"{"x-y": 1.0}"#),
        ("json", json, "`1x`", r#"{"1x": 1.5}"#),
        ("json", json, "`a.b`", r#"{"a.b": 1}"#),
        ("json", json, "`über`", r#"{"über": 1}"#),
        ("json", json, "longer than 63", &format!("{{\"{}\": 1}}", "x".repeat(64))),
        ("json", json, "a list that was empty in every message", r#"{"x": []}"#),
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
