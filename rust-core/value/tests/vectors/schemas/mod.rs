//! The law of schemas: texts and fingerprints, refused texts, matching schemas, allowed values.

mod files;
mod pairs;
mod texts;
mod values;

use linkspan::codec::encode;
use linkspan::schema::Schema;
use linkspan::{Encoding, Error, ErrorKind, Map, Value};

use crate::vectors::files::hex;
use crate::vectors::law::hold;

fn row(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Map(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map>())
}

fn json(value: &Value) -> Value {
    String::from_utf8(encode(value, Encoding::Json).unwrap()).unwrap().into()
}

fn fields_of(error: &Error) -> [(&'static str, Value); 2] {
    [("kind", error.kind().name().into()), ("code", error.kind().code().into())]
}

#[test]
fn texts_are_schemas_with_this_fingerprint_or_are_refused_at_this_place() {
    let mut rows = Vec::new();
    for (name, text) in texts::valid() {
        let schema = Schema::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let again = Schema::parse(&schema.to_toml()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            again.fingerprint().unwrap(),
            schema.fingerprint().unwrap(),
            "{name}: written and read again"
        );
        let form = schema.to_bytes().unwrap();
        assert_eq!(
            Schema::from_bytes(&form).unwrap().fingerprint().unwrap(),
            schema.fingerprint().unwrap(),
            "{name}"
        );
        rows.push(row([
            ("name", name.into()),
            ("toml", text.into()),
            ("fingerprint", schema.fingerprint().unwrap().to_string().into()),
            ("canonical", hex(&form).into()),
        ]));
    }
    let mut wrong = Vec::new();
    for (text, place, expected) in texts::INVALID {
        let Err(error) = Schema::parse(text) else {
            wrong.push(format!("{text}\nis accepted"));
            continue;
        };
        let found = error.text().strip_prefix("schema:").unwrap_or(error.text());
        if !found.starts_with(place) || !found.contains(expected) {
            wrong.push(format!("{text}\n{error}"));
        }
        rows.push(row([("toml", (*text).into())]
            .into_iter()
            .chain(fields_of(&error))
            .chain([("text", error.text().into())])));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    hold("schema_texts.json", &rows);
}

#[test]
fn pairs_fit_or_differ_in_these_words() {
    let mut rows = Vec::new();
    for pairs::Pair { name, writer, reader, fits } in pairs::all() {
        let parse =
            |text: &str| Schema::parse(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let (there, here) = (parse(&writer), parse(&reader));
        let differences: Vec<String> = here.cannot_read(&there).iter().map(ToString::to_string).collect();
        assert_eq!(differences.is_empty(), fits, "{name}: {differences:?}");
        if let Err(error) = here.check_writer(&there) {
            assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
            assert!(error.text().contains(&differences[0]), "{error}");
        }
        rows.push(row([
            ("name", name.into()),
            ("writer", writer.into()),
            ("reader", reader.into()),
            ("differences", Value::Array(differences.into_iter().map(Value::from).collect())),
        ]));
    }
    hold("schema_pairs.json", &rows);
}

#[test]
fn values_are_allowed_or_refused_with_path_expected_and_found() {
    let schema = Schema::parse(texts::READING).unwrap();
    let mut rows = Vec::new();
    for (name, value) in values::right() {
        schema.check(&value).unwrap_or_else(|error| panic!("{name}: {error}"));
        rows.push(row([("name", name.into()), ("schema", texts::READING.into()), ("json", json(&value))]));
    }
    for (value, kind, path, expected) in values::wrong() {
        let error = schema.check(&value).unwrap_err();
        assert_eq!((error.kind(), error.path().unwrap_or("")), (kind, path), "{error}");
        assert!(error.text().contains(expected), "{error}");
        let start = [("schema", texts::READING.into()), ("json", json(&value))];
        let path = [("path", path.into()), ("text", error.text().into())];
        rows.push(row(start.into_iter().chain(fields_of(&error)).chain(path)));
    }
    hold("schema_values.json", &rows);
}
