//! Imports real files of other notations. Wrong and inexpressible files are refused, and the error has the place.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

#[path = "../../../../rust-core/value/tests/vectors/random.rs"]
mod random;
mod support;

use std::path::{Path, PathBuf};

use linkspan::ErrorKind;
use linkspan::schema::Schema;
use linkspan_schema_convert::import::{Notation, Options, import};
use support::{fields, message};

fn vendored(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/vectors/schemas/imports").join(name)
}

fn refused(notation: Notation, name: &str, text: &str) -> linkspan::Error {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    let error =
        import(notation, &file, &Options::default()).err().unwrap_or_else(|| panic!("accepted:\n{text}"));
    assert!(error.to_string().contains(name), "{error}");
    error
}

#[test]
fn addressbook_of_protobuf() {
    let imported = import(Notation::Proto, &vendored("proto/addressbook.proto"), &message("Person")).unwrap();
    assert_eq!(imported.schema.name, "tutorial.Person");
    assert_eq!(
        fields(&imported.schema),
        [
            "name: text",
            "id: i32",
            "email: text",
            "phones: list of record of number, type",
            "last_updated?: timestamp"
        ]
    );
    let person = linkspan::Value::map([("name", "A"), ("email", "a@b")]);
    imported.schema.check(&person).unwrap();
    let several =
        import(Notation::Proto, &vendored("proto/addressbook.proto"), &Options::default()).unwrap_err();
    assert!(
        several
            .text()
            .contains("--message: tutorial.Person, tutorial.Person.PhoneNumber, tutorial.AddressBook")
    );
    let any = import(Notation::Proto, &vendored("proto/api.proto"), &message("Api")).unwrap_err();
    assert!(
        any.kind() == ErrorKind::Unsupported && any.text().contains("google.protobuf.Any cannot"),
        "{any}"
    );
}

#[test]
fn messages_of_ros_with_what_they_name() {
    let imported =
        import(Notation::Ros, &vendored("ros/sensor_msgs/msg/Imu.msg"), &Options::default()).unwrap();
    assert_eq!(imported.schema.name, "sensor_msgs.Imu");
    assert_eq!(
        fields(&imported.schema),
        [
            "header: record of stamp, frame_id",
            "orientation: record of x, y, z, w",
            "orientation_covariance: ndarray of f64 [9]",
            "angular_velocity: record of x, y, z",
            "angular_velocity_covariance: ndarray of f64 [9]",
            "linear_acceleration: record of x, y, z",
            "linear_acceleration_covariance: ndarray of f64 [9]",
        ]
    );
    assert!(imported.schema.to_toml().contains("[fields.header.fields.stamp]\ntype = \"timestamp\"\n"));
    let image =
        import(Notation::Ros, &vendored("ros/sensor_msgs/msg/Image.msg"), &Options::default()).unwrap();
    assert!(fields(&image.schema).contains(&"data: bytes".to_owned()));
    let battery =
        import(Notation::Ros, &vendored("ros/sensor_msgs/msg/BatteryState.msg"), &Options::default())
            .unwrap();
    assert!(battery.remarks[0].place.ends_with("BatteryState.msg:8:1"), "{:?}", battery.remarks);
    assert!(battery.remarks[0].text.contains("POWER_SUPPLY_STATUS_UNKNOWN, POWER_SUPPLY_STATUS_CHARGING"));
}

#[test]
fn definitions_behind_each_other_are_read_from_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Pose.msg");
    let rule = "=".repeat(80);
    let text = format!(
        "Header header\nmy/Point[] at\nstring<=5 name \"x\"\n{rule}\nMSG: my/Point\nfloat32 x\n{rule}\nMSG: std_msgs/Header\nuint32 seq\ntime stamp\nstring frame_id\n"
    );
    std::fs::write(&file, &text).unwrap();
    let imported = import(Notation::Ros, &file, &Options::default()).unwrap();
    assert_eq!(
        fields(&imported.schema),
        [
            "header: record of seq, stamp, frame_id",
            "at: list of record of x",
            "name: text of at most 5 bytes"
        ]
    );
    std::fs::write(&file, text.replace("float32 x", "float23 x")).unwrap();
    let error = import(Notation::Ros, &file, &Options::default()).unwrap_err();
    assert!(error.text().contains("Pose.msg:6:1: no file defines \"my/float23\""), "{error}");
}

#[test]
fn proto_features_without_a_schema_form_are_refused_with_their_place() {
    for (text, place, why) in [
        ("message A {\n  A a = 1;\n}", "3:3", "contains itself"),
        ("message A {\n  map<int32, string> m = 1;\n}", "3:3", "keys are text"),
        ("message A {\n  int32 a = 1;\n  int32 a = 2;\n}", "4:9", "conflicts with field 'a'"),
        ("message A {\n  Unknown a = 1;\n}", "3:3", "Unknown"),
        ("message A {\n  int32 a = ;\n}", "3:13", "expected"),
        ("import \"none.proto\";\nmessage A { int32 a = 1; }", "2:1", "--include"),
        ("message A {}", "2:1", "no fields"),
    ] {
        let error = refused(Notation::Proto, "bad.proto", &format!("syntax = \"proto3\";\n{text}\n"));
        assert!(error.text().contains(&format!("bad.proto:{place}: ")), "{place}: {error}");
        assert!(error.text().contains(why), "{why}: {error}");
    }
    let group = "syntax = \"proto2\";\nmessage A {\n  optional group G = 1 { optional int32 a = 2; }\n}\n";
    assert!(refused(Notation::Proto, "group.proto", group).text().contains("group.proto:3:"));
}

#[test]
fn ros_features_without_a_schema_form_are_refused_with_their_place() {
    for (text, place, why) in [
        ("float64 x\nBad b\n", "2:1", "no file defines"),
        ("float64 x\n  float32 x\n", "2:3", "defined twice"),
        ("float64\n", "1:1", "a type and a name are expected"),
        ("float64[x] y\n", "1:1", "not a length of an array"),
        ("Bad2 b\n", "1:1", "contains itself"),
        ("float64 a-b\n", "1:1", "cannot name a field"),
        ("int32 a oops\n", "1:1", "the default \"oops\" cannot be expressed for i32"),
        ("# nothing\n", "1:1", "has no fields"),
    ] {
        let error = refused(Notation::Ros, "Bad2.msg", text);
        assert!(error.text().contains(&format!("Bad2.msg:{place}: ")), "{place}: {error}");
        assert!(error.text().contains(why), "{why}: {error}");
    }
}

#[test]
fn files_that_would_take_memory_are_refused() {
    let deep = format!("syntax = \"proto3\";\n{}{}\n", "message A { ".repeat(50_000), "}".repeat(50_000));
    assert_eq!(refused(Notation::Proto, "deep.proto", &deep).kind(), ErrorKind::TooLarge);
    // Each message refers to the next one twice: a few lines would expand to more types than the memory holds.
    let doubling: String = (0..30)
        .map(|i| format!("message M{i} {{ M{} a = 1; M{} b = 2; }}\n", i + 1, i + 1))
        .collect::<String>();
    let doubling = format!("syntax = \"proto3\";\n{doubling}message M30 {{ int32 x = 1; }}\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("doubling.proto");
    std::fs::write(&file, doubling).unwrap();
    let error = import(Notation::Proto, &file, &message("M0")).unwrap_err();
    assert!(error.kind() == ErrorKind::TooLarge && error.text().contains("doubling.proto:"), "{error}");
    let long = "float64 x\n".repeat(1 << 20);
    assert_eq!(refused(Notation::Ros, "long.msg", &long).kind(), ErrorKind::TooLarge);
    let wide: String = (0..5_000).map(|i| format!("float64 x{i}\n")).collect();
    assert!(refused(Notation::Ros, "wide.msg", &wide).text().contains("wide.msg:"));
}

#[test]
fn changed_files_are_imported_or_refused_with_a_place() {
    let mut random = random::Random(random::seed() | 1);
    let folder = tempfile::tempdir().unwrap();
    let files = [
        (Notation::Proto, "proto/addressbook.proto", "x.proto", message("tutorial.Person")),
        (Notation::Ros, "ros/sensor_msgs/msg/BatteryState.msg", "x.msg", Options::default()),
        (Notation::JsonSchema, "json_schema/openweather.current.json", "x.json", Options::default()),
    ];
    for (notation, name, own, mut options) in files {
        options.include.push(vendored("ros"));
        let text = std::fs::read_to_string(vendored(name)).unwrap();
        for _ in 0..500 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..1 + random.next(4) {
                let at = random.next(bytes.len());
                match random.next(3) {
                    0 if bytes.len() > 1 => drop(bytes.remove(at)),
                    1 => bytes.insert(at, b"{}[]()=;<>#\"0aZ \n"[random.next(17)]),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            let file = folder.path().join(own);
            std::fs::write(&file, &bytes).unwrap();
            if let Err(error) = import(notation, &file, &options) {
                assert!(error.to_string().contains(own), "{error}");
            }
        }
    }
}

#[test]
fn json_schemas_that_are_exported_are_imported_again() {
    use linkspan_schema_export::{Notation as To, export};
    let text = "name = \"a\"\n[fields]\nx = { type = \"f64\", unit = \"V\", range = [0, 5], doc = \"X\" }\nn = \"u16\"\n\
                s = { type = \"enum\", values = [\"A\", \"B\"], default = \"A\" }\nt = \"timestamp\"\nb = \"bytes\"\ni = \"uuid\"\n\
                v = { type = \"f64\", unit = \"A\", optional = true }\nh = { type = \"f64\", range = [0, inf], optional = true }\n\
                d = \"decimal\"\nl = { type = \"list\", of = \"i32\", max_length = 4, optional = true }\nm = \"map of f64\"\n\
                u = { type = \"union\", variants = { p = \"bool\", q = \"text\" } }\n\
                r = { type = \"record\", fields = { y = \"f64\" } }\nw = { type = \"ndarray\", dtype = \"f32\", shape = [\"*\", 3] }\n";
    let schema = Schema::parse(text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    for form in [To::JsonSchema, To::ViewerSchema] {
        std::fs::write(&file, export(&schema, form).unwrap().bytes).unwrap();
        let back = import(Notation::JsonSchema, &file, &Options::default()).unwrap().schema;
        assert_eq!(back.to_toml(), schema.to_toml(), "{form:?}");
    }
}

#[test]
fn json_schema_of_the_store() {
    let weather = vendored("json_schema/openweather.current.json");
    let imported = import(Notation::JsonSchema, &weather, &Options::default()).unwrap();
    let all = fields(&imported.schema);
    for expected in
        ["coord: record of lat, lon", "weather: list of record of id, main, description, icon", "base: text"]
    {
        assert!(all.contains(&expected.to_owned()), "{expected} is not in {all:?}");
    }
    let shown = imported.schema.to_toml();
    assert!(shown.contains("[fields.main.fields.temp]\ntype = \"f64\"\noptional = true\n"), "{shown}");
    let contributors = vendored("json_schema/all-contributors.json");
    let error = import(Notation::JsonSchema, &contributors, &Options::default()).unwrap_err();
    assert!(
        error.text().contains("all-contributors.json:156:24: anyOf of several schemas cannot"),
        "{error}"
    );
}

#[test]
fn json_schema_features_without_a_schema_form_are_refused_with_their_place() {
    for (text, place, why) in [
        ("{\"properties\": {\"a\": {\"$ref\": \"#\"}}}", "1:31", "contains itself"),
        ("{\"properties\": {\"a\": {\"$ref\": \"other.json\"}}}", "1:31", "another file"),
        ("{\"properties\": {\"a\": true,\n \"a\": true}}", "2:2", "defined twice"),
        ("{\"properties\": {\n  \"a b\": true}}", "2:3", "cannot name a field"),
        ("{\"properties\": {\"a\": {\"type\": \"txt\"}}}", "1:22", "\"txt\" cannot be expressed"),
        (
            "{\"properties\": {\"a\": {\"type\": \"number\",\n\"x-unit\": \"Watt\"}}}",
            "2:11",
            "UCUM does not know",
        ),
        ("{\"allOf\": []}", "1:2", "allOf cannot be expressed"),
        ("{\"properties\": {\"a\": {\"type\": [\"string\", \"number\"]}}}", "1:32", "one type"),
        ("{\"properties\": {\"a\": {\"enum\": [1, 2]}}}", "1:32", "a value of an enum"),
        ("{\"type\": \"object\",\n}", "1:18", "Trailing commas"),
        ("{\"properties\": {\"a\": {\"anyOf\": [{}, {}]}}}", "1:32", "anyOf of several"),
        ("[]", "1:1", "a schema is an object"),
    ] {
        let error = refused(Notation::JsonSchema, "bad.json", text);
        assert!(error.text().contains(why), "{why}: {error}");
        assert!(error.text().contains(&format!("bad.json:{place}: ")), "{place}: {error}");
    }
    let deep = "{\"properties\": {\"a\": ".repeat(50_000);
    assert_eq!(refused(Notation::JsonSchema, "deep.json", &deep).kind(), ErrorKind::TooLarge);
    // Each definition refers to the next one twice.
    let doubling: String = (0..30)
        .map(|i| format!("\"d{i}\": {{\"properties\": {{\"a\": {{\"$ref\": \"#/$defs/d{0}\"}}, \"b\": {{\"$ref\": \"#/$defs/d{0}\"}}}}}}, ", i + 1))
        .collect();
    let doubling = format!("{{\"$ref\": \"#/$defs/d0\", \"$defs\": {{{doubling}\"d31\": true}}}}");
    assert_eq!(refused(Notation::JsonSchema, "doubling.json", &doubling).kind(), ErrorKind::TooLarge);
}

#[test]
fn reference_of_json_schema_is_read_as_the_fragment_of_a_uri() {
    let text = r##"{"title": "t", "type": "object", "required": ["a", "b", "c", "d", "e"], "properties": {
        "a": {"$ref": "#/$defs/two%20words"}, "b": {"$ref": "#/$defs/a~1b"}, "c": {"$ref": "#/%24defs/a%7E1b"},
        "d": {"$ref": "#/$defs/100%25"}, "e": {"$ref": "#/$defs/%C3%A4~0"}},
        "$defs": {"two words": {"type": "string"}, "a/b": {"type": "number"}, "100%": {"type": "boolean"},
            "ä~": {"type": "string"}}}"##;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.json");
    std::fs::write(&file, text).unwrap();
    let imported = import(Notation::JsonSchema, &file, &Options::default()).unwrap();
    assert_eq!(fields(&imported.schema), ["a: text", "b: f64", "c: f64", "d: bool", "e: text"]);
    let error = refused(
        Notation::JsonSchema,
        "none.json",
        r##"{"properties": {"a": {"$ref": "#/$defs/%2"}}, "$defs": {"x": true}}"##,
    );
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}
