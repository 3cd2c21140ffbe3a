//! Schemas from their text: what is read, what is refused and where, what is the same, what is compatible.

use super::{Fingerprint, Kind, Range, Schema, Side};
use crate::codec::{Encoding, Unread, decode_into, encode};
use crate::error::{Error, ErrorKind};
use crate::histories::{Random, Seed, given_seed};
use crate::value::{Limits, NdArray, Order, Timestamp, Value};

const READING: &str = r#"
name = "power.reading"
version = 2
doc = "One reading of the power meter"

[fields.at]
type = "timestamp"

[fields.watts]
type = "f64"
unit = "W"
range = [0, 20000]

[fields.phase]
type = "enum"
values = ["L1", "L2", "L3"]
default = "L1"

[fields.wave]
type = "ndarray"
dtype = "f32"
shape = ["n", 3]
unit = "V"
optional = true

[fields.notes]
type = "list of text"
default = []

[fields.event]
type = "union"
optional = true
[fields.event.variants]
started = "u32"
[fields.event.variants.stopped.fields]
reason = "text"

[fields.rows]
type = "table"
optional = true
[fields.rows.columns.at]
type = "list"
of = "timestamp"
[fields.rows.columns.volts]
type = "ndarray"
dtype = "f64"
shape = ["m"]

[fields.site]
type = "place"
alias = "location"

[types.place]
doc = "Where it stands"
[types.place.fields]
latitude = { type = "f64", unit = "deg", range = [-90, 90] }
name = { type = "text", max_length = 8 }
"#;

fn reading() -> Schema {
    Schema::parse(READING).unwrap()
}

/// A value that the schema of a reading allows.
fn value() -> Value {
    Value::map([
        ("at", Value::from(Timestamp(5))),
        ("watts", 230.5.into()),
        ("site", Value::map([("latitude", Value::from(48)), ("name", "roof".into())])),
    ])
}

fn with(key: &str, value: impl Into<Value>) -> Value {
    let mut map = self::value().as_map().unwrap().clone();
    map.insert(key.to_owned(), value.into());
    Value::Map(map)
}

#[test]
fn text_written_from_a_schema_is_the_same_schema() {
    let schema = reading();
    let text = schema.to_toml();
    let again = Schema::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    // Only the description of a type that was named is gone.
    assert_eq!(again, schema, "{text}");
    assert_eq!(again.to_toml(), text);
}

#[test]
fn canonical_form_is_read_back_and_has_one_fingerprint() {
    let schema = reading();
    let bytes = schema.to_bytes();
    let read = Schema::from_bytes(&bytes).unwrap();
    assert_eq!(read.to_bytes(), bytes);
    assert_eq!(read.fingerprint(), schema.fingerprint());
    let other = READING.replace("One reading", "A reading").replace("Where it stands", "x");
    assert_eq!(
        Schema::parse(&other).unwrap().fingerprint(),
        schema.fingerprint(),
        "descriptions are not in it"
    );
    for (from, to) in [
        ("unit = \"W\"", "unit = \"kW\""),
        ("20000", "20001"),
        ("version = 2", "version = 3"),
        ("\"L3\"", "\"L4\""),
        ("alias = \"location\"", ""),
        ("default = []", "optional = true"),
        ("\"n\", 3", "\"n\", 4"),
        ("max_length = 8", "max_length = 9"),
    ] {
        assert!(READING.contains(from));
        let other = Schema::parse(&READING.replacen(from, to, 1)).unwrap();
        assert_ne!(other.fingerprint(), schema.fingerprint(), "{from} → {to}");
    }
}

#[test]
fn canonical_form_of_a_small_schema_byte_by_byte() {
    let schema = Schema::parse("name = \"t\"\n[fields.c]\ntype = \"f64\"\nunit = \"Cel\"").unwrap();
    let mut expected = b"\xa4".to_vec();
    expected.extend(b"\x64type\xa2\x64kind\x66record\x66fields\x81");
    expected.extend(b"\xa2\x64name\x61c\x64type\xa2\x64kind\x63f64\x64unit\x63Cel");
    expected.extend(b"\x66format\x01\x66schema\x61t\x67version\x01");
    assert_eq!(schema.to_bytes(), expected);
    let fingerprint = Fingerprint({
        use sha2::Digest;
        sha2::Sha256::digest(&expected).into()
    });
    assert_eq!(schema.fingerprint(), fingerprint);
    assert_eq!(fingerprint.to_string().len(), 64);
}

#[test]
fn bytes_that_are_not_the_canonical_form_are_refused_and_never_a_panic() {
    let bytes = reading().to_bytes();
    let seed = given_seed().unwrap_or_else(|| std::process::id().into());
    let _named = Seed(seed);
    let mut random = Random::new(seed);
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut hostile = bytes.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(hostile.len());
            match random.below(3) {
                0 => hostile[at] = random.below(256) as u8,
                1 => hostile.truncate(at.max(1)),
                _ => hostile.insert(at, random.below(256) as u8),
            }
        }
        if let Ok(schema) = Schema::from_bytes(&hostile) {
            assert_eq!(schema.to_bytes(), hostile);
            let again = Schema::parse(&schema.to_toml());
            let again = again.unwrap_or_else(|error| panic!("{error}\n{}", schema.to_toml()));
            assert_eq!(again.to_toml(), schema.to_toml());
            assert_eq!(again, schema, "{}", schema.to_toml());
            assert_eq!(again.fingerprint(), schema.fingerprint());
            accepted += 1;
        }
    }
    // Names and numbers may change to others: that some are accepted shows that the loop does not refuse for one reason alone.
    assert!(accepted > 0);
}

#[test]
fn a_range_whose_zero_has_a_sign_is_not_the_canonical_form() {
    let bytes = reading().to_bytes();
    let zero = [&[0xfb][..], &0.0f64.to_be_bytes()].concat();
    let at = bytes.windows(zero.len()).position(|window| window == zero).unwrap();
    let mut signed = bytes;
    signed[at + 1] = 0x80;
    let refused = Schema::from_bytes(&signed).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Malformed, "{refused}");
}

#[test]
fn errors_name_line_column_and_remedy() {
    let cases = [
        ("name = \"x\"\n[fields.a]\ntype = \"f46\"", "schema:3:8: ", "did you mean \"f64\"?"),
        ("name = \"x\"\n[fields.a]\ntype = \"f64\"\nunits = \"W\"", "schema:4:1: ", "did you mean \"unit\"?"),
        ("name = \"x\"\n[fields.a]\ntype = \"f64\"\nunit = \"Watt\"", "schema:4:8: ", "UCUM does not know"),
        (
            "name = \"x\"\n[fields.a]\ntype = \"text\"\nunit = \"W\"",
            "schema:4:1: ",
            "a type text has no \"unit\"",
        ),
        ("name = \"x\"\n[fields.a]\ntype = \"u8\"\nrange = [0, 256]", "schema:4:13: ", "256 is no u8"),
        ("name = \"x\"\n[fields.a]\ntype = \"u8\"\nrange = [2, 1]", "schema:4:9: ", "comes first"),
        ("name = \"x\"\n[fields.a]\ntype = \"enum\"\nvalues = [\"A\", \"A\"]", "schema:4:16: ", "twice"),
        ("name = \"x\"\n[fields.a]\ntype = \"enum\"", "schema:2:", "an enum has values"),
        ("name = \"x\"\n[fields.a]\ntype = \"u8\"\ndefault = 300", "schema:4:11: ", "does not fit"),
        ("name = \"x\"\n[fields.a]\ntype = \"any\"\ndefault = 1", "schema:4:11: ", "make it optional"),
        ("name = \"x\"\n[fields.\"a b\"]\ntype = \"u8\"", "schema:2:", "is no name"),
        (
            "name = \"x\"\n[fields.a]\ntype = \"u8\"\n[fields.b]\ntype = \"u8\"\nalias = \"a\"",
            "schema:4:",
            "already",
        ),
        ("name = \"x\"\n[fields.a]\ntype = \"u8\"\n[fields.a]\ntype = \"u8\"", "schema:4:", "duplicate"),
        ("name = \"x y\"\n[fields.a]\ntype = \"u8\"", "schema:1:8: ", "is no name"),
        ("[fields.a]\ntype = \"u8\"", "schema:1:1: ", "needs a name"),
        ("name = \"x\"", "schema:1:1: ", "a type is missing"),
        ("name = \"x\"\n[fields]", "schema:2:", "at least one"),
        ("name = \"x\"\n[fields.a]\ntype = \"list\"", "schema:2:", "the type of the values is missing"),
        ("name = \"x\"\n[fields.a]\ntype = \"ndarray\"\ndtype = \"f23\"", "schema:4:9: ", "did you mean"),
        ("name = \"x\"\nfields = 3", "schema:2:10: ", "a table is expected here"),
        ("name = \"x\"\n[fields.a]\ntype = ", "schema:3:", ""),
        ("name = \"x\"\n[fields.a]\ntype = \"t\"\n[types.t.fields]\nb = \"t\"", "schema:", "contains itself"),
        (
            "name = \"x\"\n[fields.a]\ntype = \"u8\"\n[types.t.fields]\nb = \"nothing\"",
            "schema:5:5: ",
            "no type is called",
        ),
        (
            "name = \"x\"\n[fields.a]\ntype = \"table\"\n[fields.a.columns]\nb = \"f64\"",
            "schema:5:5: ",
            "a column is",
        ),
        ("name = \"x\"\ninclude = [\"y\"]\n[fields.a]\ntype = \"u8\"", "", "given as text cannot include"),
    ];
    for (text, place, says) in cases {
        let error = Schema::parse(text).unwrap_err();
        assert!(error.text().starts_with(place), "{text}\n{error}");
        assert!(error.text().contains(says), "{text}\n{error}");
    }
}

#[test]
fn schemas_that_would_grow_without_end_are_refused() {
    let deep = format!("name = \"x\"\n[fields.a]\ntype = \"{}u8\"", "list of ".repeat(10_000));
    let mut wide = "name = \"x\"\n[fields.a]\ntype = \"t0\"\n".to_owned();
    for i in 0..40 {
        wide += &format!("[types.t{i}.fields]\na = \"t{}\"\nb = \"t{}\"\n", i + 1, i + 1);
    }
    wide += "[types.t40.fields]\na = \"u8\"\n";
    let mut doubling = "name = \"x\"\n[fields.a]\ntype = \"t0\"\n".to_owned();
    for i in 0..14 {
        doubling += &format!("[types.t{i}.fields]\na = \"t{}\"\nb = \"t{}\"\n", i + 1, i + 1);
    }
    doubling += "[types.t14.fields]\na = \"u8\"\n";
    let inline = format!(
        "name = \"x\"\nfields.a = {}{}",
        "{type=\"list\",of=".repeat(70),
        "\"u8\"".to_owned() + &"}".repeat(70)
    );
    let records = format!("name = \"x\"\n{}", "[fields.a]\ntype = \"u8\"\n".repeat(10 << 20 >> 5));
    for text in [deep, wide, doubling, inline, records] {
        let error = Schema::parse(&text).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::TooLarge), "{error}");
    }
}

#[test]
fn included_files_are_read_once_and_cycles_are_refused() {
    let files = |file: &str| {
        Ok(match file {
            "lab/a.toml" => "name = \"a\"\ninclude = [\"geo/b.toml\", \"./geo/../geo/b.toml\"]\n[fields]\nx = \"b\"\ny = \"b\"",
            "lab/geo/b.toml" => "name = \"b\"\n[fields]\nu = \"f64\"\n",
            "loop.toml" => "name = \"l\"\ninclude = [\"pool.toml\"]\n[fields]\nx = \"p\"",
            "pool.toml" => "name = \"p\"\ninclude = [\"loop.toml\"]\n[fields]\nx = \"l\"",
            "bad.toml" => "name = \"z\"\ninclude = [\"worse.toml\"]\n[fields]\nx = \"w\"",
            "worse.toml" => "name = \"w\"\n[fields]\nx = \"nothing\"",
            other => return Err(Error::new(ErrorKind::NotFound, format!("{other}: no such file"))),
        }
        .to_owned())
    };
    let mut read = Vec::new();
    let schema = Schema::load("lab/a.toml", &mut |file| {
        read.push(file.to_owned());
        files(file)
    });
    let Kind::Record(fields) = &schema.unwrap().root.kind else { panic!("no record") };
    assert_eq!(fields[0].of, fields[1].of);
    assert_eq!(read, ["lab/a.toml", "lab/geo/b.toml"]);
    let error = Schema::load("loop.toml", &mut |file| files(file)).unwrap_err();
    assert!(error.text().contains("contains itself"), "{error}");
    let error = Schema::load("bad.toml", &mut |file| files(file)).unwrap_err();
    assert!(error.text().starts_with("worse.toml:3:5: "), "{error}");
    assert_eq!(Schema::load("none.toml", &mut |file| files(file)).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn values_are_checked_with_path_expected_and_found() {
    let schema = reading();
    schema.check(&value()).unwrap();
    schema.check(&with("wave", NdArray::from_slice(&[0f32; 6], &[2, 3], Order::Row).unwrap())).unwrap();
    schema.check(&with("wave", Value::Null)).unwrap();
    schema.check(&with("event", Value::map([("started", 3)]))).unwrap();
    schema.check(&with("event", Value::map([("stopped", Value::map([("reason", "x")]))]))).unwrap();
    let table = |n: usize| {
        let at = Value::Array(vec![Timestamp(1).into(); n]);
        Value::map([("at", at), ("volts", NdArray::vector(&[1.0, 2.0]).into())])
    };
    schema.check(&with("rows", table(2))).unwrap();
    let wrong = [
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
        (Value::from(7), ErrorKind::WrongType, "", "a map"),
    ];
    for (value, kind, path, says) in wrong {
        let error = schema.check(&value).unwrap_err();
        assert_eq!((error.kind(), error.path().unwrap_or("")), (kind, path), "{error}");
        assert!(says == "a map" || error.text().contains(says), "{error}");
    }
}

#[test]
fn decoding_checks_on_the_way_in_every_encoding() {
    let schema = reading();
    for encoding in [Encoding::Cbor, Encoding::Json, Encoding::Bson, Encoding::Smile] {
        let read = |value: &Value| {
            let bytes = encode(value, encoding).unwrap();
            decode_into(&bytes, encoding, &Limits::default(), schema.checker(Side::Reader, Unread))
                .map(|_| ())
        };
        read(&value()).unwrap();
        // A newer writer may send more, and an older one the old name.
        read(&with("more", vec![1])).unwrap();
        read(&with("phase", "L9")).unwrap();
        let mut old = value().as_map().unwrap().clone();
        let site = old.shift_remove("site").unwrap();
        old.insert("location".into(), site);
        read(&Value::Map(old)).unwrap();
        let error = read(&with("watts", -1)).unwrap_err();
        assert_eq!(
            (error.kind(), error.path()),
            (ErrorKind::OutOfRange, Some("watts")),
            "{encoding:?} {error}"
        );
    }
}

#[test]
fn changes_are_compatible_in_the_directions_that_the_rules_say() {
    // Each change, whether the new program reads what the old one writes, and whether the old one reads what the new one writes.
    let changes = [
        ("unit = \"W\"", "unit = \"J/s\"", true, true),
        ("unit = \"W\"", "unit = \"kW\"", false, false),
        ("unit = \"W\"\n", "", false, false),
        ("[0, 20000]", "[0, 30000]", true, false),
        ("range = [0, 20000]", "", true, false),
        ("\"L3\"]", "\"L3\", \"N\"]", true, true),
        ("\"L3\"]\ndefault = \"L1\"", "\"L3\", \"N\"]\ndefault = \"L1\"", true, true),
        ("\"list of text\"\ndefault = []", "\"list of text\"\noptional = true", true, true),
        ("\"list of text\"\ndefault = []", "\"list of text\"", false, true),
        ("[fields.notes]", "[fields.note]", true, true),
        ("started = \"u32\"", "started = \"u64\"", true, false),
        ("started = \"u32\"", "started = \"u32\"\nother = \"u8\"", true, false),
        ("\"n\", 3", "\"*\", 3", true, true),
        ("\"n\", 3", "\"n\", 4", false, false),
        ("dtype = \"f32\"", "dtype = \"f64\"", false, false),
        ("type = \"place\"\nalias = \"location\"", "type = \"place\"", true, true),
        (
            "[fields.site]\ntype = \"place\"\nalias = \"location\"",
            "[fields.spot]\ntype = \"place\"\nalias = \"site\"",
            true,
            false,
        ),
        ("max_length = 8", "max_length = 9", true, false),
        (
            "[fields.at]\ntype = \"timestamp\"",
            "[fields.at]\ntype = \"timestamp\"\n[fields.more]\ntype = \"u8\"",
            false,
            true,
        ),
        (
            "[fields.at]\ntype = \"timestamp\"",
            "[fields.at]\ntype = \"timestamp\"\n[fields.more]\ntype = \"u8\"\ndefault = 1",
            true,
            true,
        ),
        ("[fields.at]\ntype = \"timestamp\"", "[fields.at]\ntype = \"any\"", true, false),
        ("name = \"power.reading\"", "name = \"power.other\"", false, false),
        ("version = 2", "version = 3", true, true),
    ];
    let old = reading();
    for (from, to, backward, forward) in changes {
        assert!(READING.contains(from), "{from}");
        let text = READING.replacen(from, to, 1);
        let new = Schema::parse(&text).unwrap_or_else(|error| panic!("{from} → {to}: {error}"));
        let (reads_old, read_by_old) = (new.cannot_read(&old), old.cannot_read(&new));
        assert_eq!(
            (reads_old.is_empty(), read_by_old.is_empty()),
            (backward, forward),
            "{from} → {to}: {reads_old:?} {read_by_old:?}"
        );
    }
    let error = Schema::parse(&READING.replace("\"W\"", "\"kW\"")).unwrap().check_writer(&old).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(error.text().contains("watts: the unit is W there and kW here: 1 W is 0.001 kW"), "{error}");
}

#[test]
fn numbers_widen_only_where_every_number_fits() {
    let parse = |of: &str| Schema::parse(&format!("name = \"n\"\ntype = \"{of}\"")).unwrap();
    for (there, here, fits) in [
        ("i8", "i16", true),
        ("u8", "i16", true),
        ("i8", "u16", false),
        ("u32", "i64", true),
        ("i64", "i32", false),
        ("u64", "i64", false),
        ("i32", "f64", true),
        ("i64", "f64", false),
        ("i16", "f32", true),
        ("i32", "f32", false),
        ("f32", "f64", true),
        ("f64", "f32", false),
        ("f64", "i64", false),
        ("text", "bytes", false),
        ("u8", "any", true),
        ("any", "u8", false),
    ] {
        assert_eq!(parse(here).cannot_read(&parse(there)).is_empty(), fits, "{there} read as {here}");
    }
    let ranged = Schema::parse("name = \"n\"\ntype = \"i32\"\nrange = [0, 255]").unwrap();
    assert_eq!(ranged.root.range, Some(Range::Integer(0, 255)));
    assert!(ranged.cannot_read(&parse("u8")).is_empty());
    assert!(!ranged.cannot_read(&parse("u16")).is_empty());
}

#[test]
fn document_shows_a_schema_that_is_read_and_the_bytes_that_are_written() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema.md");
    let document = std::fs::read_to_string(path).unwrap();
    let block = |word: &str| {
        let (_, rest) = document.split_once(&format!("```{word}\n")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let schema = Schema::parse(&block("toml")).unwrap();
    schema.check(&Value::map([("at", Value::from(Timestamp(1))), ("watts", 3.5.into())])).unwrap();
    let mut bytes = Vec::new();
    for line in block("text").lines() {
        // The digits stand in front of the explanation, which begins behind three blanks.
        let digits: String = line.trim_start().split("   ").next().unwrap().split_whitespace().collect();
        let pairs = digits.as_bytes().chunks(2);
        bytes.extend(pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()));
    }
    let small = Schema::parse("name = \"t\"\n[fields.c]\ntype = \"f64\"\nunit = \"Cel\"").unwrap();
    assert_eq!(bytes, small.to_bytes());
}
