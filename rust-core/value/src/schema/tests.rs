//! Schemas from their text: accepted and refused texts with their positions, equality,
//! compatibility.

use super::{Fingerprint, Kind, PreparedSchema, Schema, Side, Type};
use crate::codec::{Encoding, Unread, decode_into, encode};
use crate::error::{Error, ErrorKind};
use crate::histories::{Random, Seed, given_seed};
use crate::value::{Limits, Sink, Source, Timestamp, Value};

const READING: &str = concat!("\n", include_str!("../../tests/vectors/schemas/reading.toml"));

fn reading() -> Schema {
    Schema::parse(READING).unwrap()
}

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
    // Only the description of a named type is lost.
    assert_eq!(again, schema, "{text}");
    assert_eq!(again.to_toml(), text);
}

#[test]
fn canonical_form_is_read_back_and_has_one_fingerprint() {
    let schema = reading();
    let bytes = schema.to_bytes().unwrap();
    let read = Schema::from_bytes(&bytes).unwrap();
    assert_eq!(read.to_bytes().unwrap(), bytes);
    assert_eq!(read.fingerprint().unwrap(), schema.fingerprint().unwrap());
    let other = READING.replace("One reading", "A reading").replace("Where it stands", "x");
    assert_eq!(
        Schema::parse(&other).unwrap().fingerprint().unwrap(),
        schema.fingerprint().unwrap(),
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
        assert_ne!(other.fingerprint().unwrap(), schema.fingerprint().unwrap(), "{from} → {to}");
    }
}

#[test]
fn model_deeper_than_the_codec_allows_has_no_canonical_form_and_is_refused_by_options() {
    let mut schema = reading();
    for _ in 0..80 {
        let inner = std::mem::replace(&mut schema.root, Type::plain(Kind::Any));
        schema.root = Type::plain(Kind::List(Box::new(inner), None));
    }
    for error in [schema.to_bytes().map(drop), schema.fingerprint().map(drop)] {
        let error = error.unwrap_err();
        assert!(error.kind() == ErrorKind::TooLarge && error.text().contains("depth"), "{error}");
    }
    let refused = PreparedSchema::new(schema).check_size().unwrap_err();
    assert!(refused.kind() == ErrorKind::TooLarge && refused.text().contains("depth"), "{refused}");
}

#[test]
fn canonical_form_of_a_small_schema_byte_by_byte() {
    let schema = Schema::parse("name = \"t\"\n[fields.c]\ntype = \"f64\"\nunit = \"Cel\"").unwrap();
    let mut expected = b"\xa4".to_vec();
    expected.extend(b"\x64type\xa2\x64kind\x66record\x66fields\x81");
    expected.extend(b"\xa2\x64name\x61c\x64type\xa2\x64kind\x63f64\x64unit\x63Cel");
    expected.extend(b"\x66format\x01\x66schema\x61t\x67version\x01");
    assert_eq!(schema.to_bytes().unwrap(), expected);
    let fingerprint = Fingerprint({
        use sha2::Digest;
        sha2::Sha256::digest(&expected).into()
    });
    assert_eq!(schema.fingerprint().unwrap(), fingerprint);
    assert_eq!(fingerprint.to_string().len(), 64);
}

#[test]
fn bytes_that_are_not_the_canonical_form_are_refused_and_never_a_panic() {
    let bytes = reading().to_bytes().unwrap();
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
            assert_eq!(schema.to_bytes().unwrap(), hostile);
            let again = Schema::parse(&schema.to_toml());
            let again = again.unwrap_or_else(|error| panic!("{error}\n{}", schema.to_toml()));
            assert_eq!(again.to_toml(), schema.to_toml());
            assert_eq!(again, schema, "{}", schema.to_toml());
            assert_eq!(again.fingerprint().unwrap(), schema.fingerprint().unwrap());
            accepted += 1;
        }
    }
    // Names and numbers may change to other valid ones. Some accepted texts show that the loop does
    // not refuse all.
    assert!(accepted > 0);
}

#[test]
fn range_whose_zero_has_a_sign_is_not_the_canonical_form() {
    let bytes = reading().to_bytes().unwrap();
    let zero = [&[0xfb][..], &0.0f64.to_be_bytes()].concat();
    let at = bytes.windows(zero.len()).position(|window| window == zero).unwrap();
    let mut signed = bytes;
    signed[at + 1] = 0x80;
    let refused = Schema::from_bytes(&signed).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Malformed, "{refused}");
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
fn decoding_checks_on_the_way_in_every_encoding() {
    let schema = reading();
    for encoding in [Encoding::Cbor, Encoding::Json, Encoding::Bson, Encoding::Smile] {
        let read = |value: &Value| {
            let bytes = encode(value, encoding).unwrap();
            decode_into(&bytes, encoding, &Limits::default(), schema.checker(Side::Reader, Unread))
                .map(|_| ())
        };
        read(&value()).unwrap();
        // A newer writer may send more fields, an older writer the old name.
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
fn document_shows_a_schema_that_is_read_and_the_bytes_that_are_written() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema.md");
    let document = std::fs::read_to_string(path).unwrap();
    let block = |word: &str| {
        let (_, rest) = document.split_once(&format!("```{word}\n")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let schema = Schema::parse(&block("toml")).unwrap();
    schema.check(&Value::map([("at", Value::from(Timestamp(1))), ("watts", 3.5.into())])).unwrap();
    let mut bytes = Vec::new();
    for line in block("text").lines() {
        let digits: String = line.trim_start().split("   ").next().unwrap().split_whitespace().collect();
        let pairs = digits.as_bytes().chunks(2);
        bytes.extend(pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()));
    }
    let small = Schema::parse("name = \"t\"\n[fields.c]\ntype = \"f64\"\nunit = \"Cel\"").unwrap();
    assert_eq!(bytes, small.to_bytes().unwrap());
}

#[test]
fn documented_examples_of_changes_are_compatible_as_their_rows_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (_, section) = document.split_once("\n## Evolution\n").unwrap();
    let section = section.split_once("\n## ").unwrap().0;
    let schema = |cell: &str| {
        let field = cell.trim().trim_matches('`');
        let text = format!("name = \"e\"\n[fields]\na = \"u8\"\n{field}\n");
        Schema::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    let mut rows = 0;
    for line in section.lines().filter(|line| line.starts_with('|') && line.contains('→')) {
        let [_, change, backward, forward, example, _] = line.split('|').collect::<Vec<_>>()[..] else {
            panic!("a row has four cells: {line}")
        };
        let (old, new) = example.split_once('→').unwrap();
        let (old, new) = (schema(old), schema(new));
        let marked = |cell: &str| match cell.trim().get(..2) {
            Some("no") => false,
            Some("ye") => true,
            _ => panic!("yes or no: {line}"),
        };
        assert_eq!(new.cannot_read(&old).is_empty(), marked(backward), "backward: {change}");
        assert_eq!(old.cannot_read(&new).is_empty(), marked(forward), "forward: {change}");
        rows += 1;
    }
    assert_eq!(rows, 14);
}

/// A map of a faulty writer: a key may be repeated.
struct Entries<'a>(&'a [(&'a str, Value)]);

impl Source for Entries<'_> {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> crate::Result<()> {
        sink.begin_map(self.0.len())?;
        for (key, value) in self.0 {
            sink.key(key)?;
            value.walk(sink)?;
        }
        sink.end_map()
    }
}

fn pair() -> Schema {
    let text = "name = \"t\"\n[fields.left]\ntype = \"i32\"\nalias = \"links\"\n[fields.right]\ntype = \"text\"\noptional = true";
    Schema::parse(text).unwrap()
}

/// Returns the results of three sinks after a checker of [`pair`].
///
/// One refuses repeated keys, one has keys of its own, one does neither.
fn three_sinks(bytes: &[u8], encoding: Encoding) -> [crate::Result<()>; 3] {
    use crate::value::ValueBuilder;
    use crate::value::typed::{Typed, tests::Pair};
    let (schema, limits) = (pair(), Limits::default());
    let tree = schema.checker(Side::Reader, ValueBuilder::new());
    let typed = schema.checker(Side::Reader, Typed::<Pair>::new());
    let unread = schema.checker(Side::Reader, Unread);
    [
        decode_into(bytes, encoding, &limits, tree).map(drop),
        decode_into(bytes, encoding, &limits, typed).map(drop),
        decode_into(bytes, encoding, &limits, unread).map(drop),
    ]
}

/// The decoded map, and the expected error with a word of its text.
type Refused<'a> = (&'a [(&'a str, Value)], ErrorKind, &'a str);

#[test]
fn repeated_key_is_malformed_with_any_sink_behind_the_checker() {
    let (one, r) = (Value::from(1), Value::from("r"));
    let (left, right, links, x) =
        (("left", one.clone()), ("right", r), ("links", one.clone()), ("x", one.clone()));
    let cases: [Refused<'_>; 10] = [
        (&[left.clone(), left.clone()], ErrorKind::Malformed, "occurs twice"),
        (&[right.clone(), left.clone(), right.clone()], ErrorKind::Malformed, "occurs twice"),
        (&[left.clone(), right.clone(), left.clone()], ErrorKind::Malformed, "occurs twice"),
        (&[links.clone(), links.clone()], ErrorKind::Malformed, "occurs twice"),
        (&[x.clone(), left.clone(), x.clone()], ErrorKind::Malformed, "occurs twice"),
        (&[left.clone(), links.clone()], ErrorKind::WrongType, "under a name and an alias"),
        (&[links.clone(), left.clone()], ErrorKind::WrongType, "under a name and an alias"),
        (&[links, right.clone(), left], ErrorKind::WrongType, "under a name and an alias"),
        (&[("left", "1".into())], ErrorKind::WrongType, "i32"),
        (&[right, x], ErrorKind::Missing, "left"),
    ];
    for (entries, kind, expected) in cases {
        for encoding in [Encoding::Json, Encoding::Cbor] {
            let bytes = encode(&Entries(entries), encoding).unwrap();
            for result in three_sinks(&bytes, encoding) {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), kind, "{entries:?}: {error}");
                assert!(error.to_string().contains(expected), "{entries:?}: {error}");
            }
        }
    }
}

#[test]
fn key_in_chunks_is_the_same_key() {
    // {"left": 1, (_ "le", "ft"): 1}, also after "right", and with the chunks first.
    let whole = b"\x64left\x01";
    let chunks = b"\x7f\x62le\x62ft\xff\x01";
    let right = b"\x65right\x61r";
    for parts in [[&whole[..], chunks], [&chunks[..], whole], [&chunks[..], chunks]] {
        for more in [&[][..], right] {
            let bytes = [&[if more.is_empty() { 0xa2 } else { 0xa3 }], more, parts[0], parts[1]].concat();
            for result in three_sinks(&bytes, Encoding::Cbor) {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Malformed, "{bytes:x?}: {error}");
                assert!(error.to_string().contains("occurs twice"), "{bytes:x?}: {error}");
            }
        }
        for result in three_sinks(&[&[0xa1][..], parts[0]].concat(), Encoding::Cbor) {
            result.unwrap();
        }
    }
}
