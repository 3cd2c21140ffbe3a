//! Reads our exported `.proto` back with our own import, and tests refusals.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

use linkspan::schema::Schema;
use linkspan_schema_convert::import::{self, import};
use linkspan_schema_export::{self as export, export};

fn proto(schema: &str) -> linkspan::Result<String> {
    let exported = export(&Schema::parse(schema).unwrap(), export::Notation::Proto)?;
    Ok(String::from_utf8(exported.bytes).unwrap())
}

#[test]
fn fields_keep_their_types_through_export_and_import() {
    let text = proto(
        "name = \"lab.reading\"\n[fields]\nx = { type = \"f64\", optional = true }\nn = { type = \"u64\", optional = true }\n\
         at = { type = \"timestamp\", optional = true }\nm = \"map of text\"\nl = \"list of i32\"\nb = { type = \"bytes\", default = \"\" }\n",
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reading.proto");
    std::fs::write(&file, &text).unwrap();
    let back = import(import::Notation::Proto, &file, &import::Options::default()).unwrap().schema;
    assert_eq!(back.name, "lab.Reading");
    let shown = back.to_toml();
    for expected in [
        "[fields.x]\ntype = \"f64\"\noptional = true\n",
        "[fields.n]\ntype = \"u64\"\noptional = true\n",
        "[fields.at]\ntype = \"timestamp\"\noptional = true\n",
        "[fields.m]\ntype = \"map\"\nof = \"text\"\n",
        "[fields.l]\ntype = \"list\"\nof = \"i32\"\n",
        "[fields.b]\ntype = \"bytes\"\noptional = true\n",
    ] {
        assert!(shown.contains(expected), "{expected}\nis not in\n{shown}");
    }
}

#[test]
fn numbers_follow_the_order_and_names_of_types_stay_apart() {
    let text = proto(
        "name = \"a\"\n[fields]\nState = { type = \"enum\", values = [\"ON\"] }\nb_c = \"bool\"\n\
         rows = { type = \"list\", of = \"list of f64\" }\n",
    )
    .unwrap();
    for expected in [
        "message A {\n",
        "  enum StateType {\n    STATE_TYPE_UNSPECIFIED = 0;\n    STATE_TYPE_ON = 1;\n  }\n  StateType State = 1;\n",
        "  bool b_c = 2;\n",
        "  message Rows {\n    repeated double value = 1;\n  }\n  repeated Rows rows = 3;\n",
    ] {
        assert!(text.contains(expected), "{expected}\nis not in\n{text}");
    }
}

#[test]
fn fields_that_are_one_in_protobuf_are_refused_by_name() {
    let error = proto("name = \"a\"\n[fields]\na_b = \"bool\"\naB = \"bool\"\n").unwrap_err();
    assert!(error.text().contains("the field aB has the name of another one in protobuf"), "{error}");
}
