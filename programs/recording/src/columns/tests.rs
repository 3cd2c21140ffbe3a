//! Tests of the columns of tables.

use std::sync::Arc;

use bytes::Bytes;
use linkspan::{DType, Encoding, Limits, Map, NdArray, Order, Payload, Value};

use super::*;
use crate::reader::Channel;

impl Channel {
    pub(crate) fn named(topic: &str) -> Channel {
        Channel {
            id: 1,
            topic: topic.to_owned(),
            endpoint: format!("shm:{topic}"),
            incarnation: 7,
            encoding: "cbor".into(),
            source: "sensor-1".into(),
            machine: None,
            first: Some(1),
            repeated: false,
            schema: None,
            metadata: Default::default(),
        }
    }
}

fn add(columns: &mut Columns, values: impl IntoIterator<Item = Value>) {
    add_with(columns, None, values);
}

fn add_with(columns: &mut Columns, schema: Option<&str>, values: impl IntoIterator<Item = Value>) {
    let metadata = schema.map(|text| (crate::format::channel::SCHEMA.to_owned(), text.to_owned()));
    let channel = Arc::new(Channel { metadata: metadata.into_iter().collect(), ..Channel::named("lab/a") });
    for (number, value) in (1..).zip(values) {
        let body = Payload::new(&value, Encoding::Cbor, &Limits::default()).unwrap().body().clone();
        columns
            .add(&Message {
                channel: &channel,
                number,
                sent: 10 * number,
                received: 11 * number,
                body: &body,
            })
            .unwrap();
    }
}

fn table(values: impl IntoIterator<Item = Value>) -> Vec<Column> {
    let mut columns = Columns::default();
    add(&mut columns, values);
    columns.take()
}

fn one(key: &str, value: impl Into<Value>) -> Value {
    Value::Map(Map::from_iter([(key.to_owned(), value.into())]))
}

fn column(values: impl IntoIterator<Item = Value>) -> Column {
    let mut all = table(values);
    assert_eq!(all.len(), FIXED.len() + 1);
    all.pop().unwrap()
}

fn texts(column: &Column) -> Vec<String> {
    let [_, Some(Buffer::I64(ends)), Some(Buffer::Bytes(bytes))] = &column.buffers[..] else {
        panic!("{column:?}")
    };
    let text =
        |[begin, end]: &[i64; 2]| String::from_utf8(bytes[*begin as usize..*end as usize].to_vec()).unwrap();
    ends.array_windows().map(text).collect()
}

fn array(dtype: DType, shape: &[u64], data: &[u8], order: Order) -> Value {
    Value::NdArray(NdArray { dtype, order, shape: shape.to_vec(), data: Bytes::copy_from_slice(data) })
}

#[test]
fn each_row_has_what_is_known_of_its_message() {
    let all = table([one("x", 1.5), one("x", 2.5)]);
    let found: Vec<_> = all.iter().map(|column| (&*column.name, &*column.format)).collect();
    let expected = [
        ("received", "tsn:UTC"),
        ("sent", "tsn:UTC"),
        ("sequence", "L"),
        ("source", "U"),
        ("incarnation", "U"),
        ("x", "g"),
    ];
    assert_eq!(found, expected);
    assert!(matches!(&all[0].buffers[1], Some(Buffer::I64(times)) if *times == [11, 22]));
    assert!(matches!(&all[1].buffers[1], Some(Buffer::I64(times)) if *times == [10, 20]));
    assert!(matches!(&all[2].buffers[1], Some(Buffer::U64(numbers)) if *numbers == [1, 2]));
    assert_eq!(texts(&all[3]), ["sensor-1", "sensor-1"]);
    assert!(matches!(&all[5].buffers[1], Some(Buffer::F64(x)) if *x == [1.5, 2.5]));
}

#[test]
fn integers_become_wider_where_no_digit_is_lost_and_json_where_one_would_be() {
    let floats = column([one("x", 1), one("x", 2.5), one("x", -3)]);
    assert!(matches!(&floats.buffers[1], Some(Buffer::F64(x)) if *x == [1.0, 2.5, -3.0]));
    let unsigned = column([one("x", 1), one("x", u64::MAX)]);
    assert!(matches!(&unsigned.buffers[1], Some(Buffer::U64(x)) if *x == [1, u64::MAX]));
    let exact = 9_007_199_254_740_993i64;
    for values in [
        vec![one("x", exact), one("x", 0.5)],
        vec![one("x", 0.5), one("x", exact)],
        vec![one("x", -1), one("x", u64::MAX)],
        vec![one("x", 0.5), one("x", u64::MAX)],
        vec![one("x", "a"), one("x", 3)],
        vec![one("x", true), one("x", Value::Array(vec![1.into(), "b".into()]))],
    ] {
        let expected: Vec<_> = values
            .iter()
            .map(|value| {
                let body = Payload::new(value.at("x").unwrap(), Encoding::Json, &Limits::default()).unwrap();
                String::from_utf8(body.body().to_vec()).unwrap()
            })
            .collect();
        let found = column(values);
        assert_eq!((found.fact("encoding"), texts(&found)), (Some("json"), expected));
    }
}

#[test]
fn missing_fields_are_null_before_between_and_after() {
    let all = table([one("a", 1), one("b", "x"), one("a", 2), one("c", true)]);
    let facts: Vec<_> =
        all[FIXED.len()..].iter().map(|column| (&*column.name, column.nulls, column.length)).collect();
    assert_eq!(facts, [("a", 2, 4), ("b", 3, 4), ("c", 3, 4)]);
    let bits = |column: &Column| match &column.buffers[0] {
        Some(Buffer::Bytes(bits)) => bits[0],
        other => panic!("{other:?}"),
    };
    assert_eq!([bits(&all[5]), bits(&all[6]), bits(&all[7])], [0b0101, 0b0010, 0b1000]);
    // Null belongs to every type.
    let nulls = column([one("x", Value::Null), one("x", 2), one("x", Value::Null)]);
    assert_eq!((nulls.nulls, &*nulls.format), (2, "l"));
    assert_eq!(column([one("x", Value::Null)]).format, "n");
}

/// Returns the rows of a column as JSON; `None` for null.
fn rows(column: &Column) -> Vec<Option<String>> {
    let is_set = |buffer: &Option<Buffer>, row: usize| match buffer {
        Some(Buffer::Bytes(bits)) => bits[row / 8] >> (row % 8) & 1 == 1,
        _ => true,
    };
    let value = |row: usize| -> Value {
        match (&*column.format, &column.buffers[1..]) {
            ("b", [bits]) => is_set(bits, row).into(),
            ("l", [Some(Buffer::I64(words))]) => words[row].into(),
            ("L", [Some(Buffer::U64(words))]) => words[row].into(),
            ("g", [Some(Buffer::F64(words))]) => words[row].into(),
            ("tsn:UTC", [Some(Buffer::I64(words))]) => Value::Timestamp(linkspan::Timestamp(words[row])),
            (_, [Some(Buffer::I64(ends)), Some(Buffer::Bytes(bytes))]) => {
                let bytes = &bytes[ends[row] as usize..ends[row + 1] as usize];
                match (&*column.format, column.fact("encoding")) {
                    ("Z", _) => Value::Bytes(Bytes::copy_from_slice(bytes)),
                    (_, Some("json")) => linkspan::codec::decode(bytes, Encoding::Json).unwrap(),
                    _ => String::from_utf8(bytes.to_vec()).unwrap().into(),
                }
            }
            (_, others) => {
                let items = column.items.as_ref().unwrap();
                let Some(Buffer::Bytes(bytes)) = &items.buffers[1] else { panic!("{items:?}") };
                let (begin, end) = match others {
                    [Some(Buffer::I64(ends))] => (ends[row] as usize, ends[row + 1] as usize),
                    _ => (row * items.length / column.length, (row + 1) * items.length / column.length),
                };
                let number = |word: &[u8; 8]| match &*items.format {
                    "l" => Value::from(i64::from_le_bytes(*word)),
                    _ => Value::from(f64::from_le_bytes(*word)),
                };
                Value::Array(bytes.as_chunks::<8>().0[begin..end].iter().map(number).collect())
            }
        }
    };
    let is_there = |row: usize| column.format != "n" && is_set(&column.buffers[0], row);
    (0..column.length).map(|row| is_there(row).then(|| text(&value(row)))).collect()
}

/// Whole floats as integers: a column of both has floats.
fn text(value: &Value) -> String {
    let whole = |value: &Value| match value {
        Value::Float(x) if x.fract() == 0.0 => Value::Int(*x as i64),
        other => other.clone(),
    };
    let value = match value {
        Value::Array(items) => Value::Array(items.iter().map(whole).collect()),
        other => whole(other),
    };
    let body = Payload::new(&value, Encoding::Json, &Limits::default()).unwrap();
    String::from_utf8(body.body().to_vec()).unwrap()
}

#[test]
fn values_and_nulls_are_kept_in_every_order_of_types() {
    let list = |items: &[Value]| Value::Array(items.to_vec());
    let kinds = [
        Value::Null,
        true.into(),
        Value::Int(20),
        Value::Int(-7),
        Value::Int((1 << 53) + 1),
        Value::Uint(u64::MAX),
        Value::Float(21.5),
        Value::Timestamp(linkspan::Timestamp(1_700_000_000_000_000_001)),
        "text".into(),
        Value::Bytes(vec![1, 2].into()),
        list(&[1.into(), 2.into()]),
        list(&[0.5.into()]),
        list(&["a".into()]),
    ];
    let schema = |of: &str| format!("name = \"s\"\n\n[fields]\nx = \"{of}\"\n");
    let schemas = [None, Some(schema("u64")), Some(schema("f64"))];
    let count = kinds.len();
    for order in 0..count.pow(3) {
        let at = [order, order / count, order / count.pow(2)];
        let values = at.map(|at| &kinds[at % count]);
        // The second pass has the types of the first one.
        for schema in &schemas {
            let mut columns = Columns::default();
            for _ in 0..2 {
                add_with(&mut columns, schema.as_deref(), values.map(|value| one("x", value.clone())));
                let column = columns.take().pop().unwrap();
                let expected = values.map(|value| (*value != Value::Null).then(|| text(value)));
                assert_eq!(rows(&column), expected, "{values:?} with {schema:?}");
                assert_eq!(column.nulls, expected.iter().filter(|text| text.is_none()).count());
                // Without a validity, NumPy sees null as NaN.
                if let ("g", [_, Some(Buffer::F64(words))]) = (&*column.format, &column.buffers[..]) {
                    let are_nan = expected.each_ref().map(Option::is_none);
                    assert!(words.iter().map(|x| x.is_nan()).eq(are_nan), "{values:?}: {words:?}");
                }
            }
        }
    }
}

#[test]
fn maps_are_flattened_and_names_stay_apart() {
    let inner = Value::Map(Map::from_iter([("p".to_owned(), 1.into()), ("a/b~".to_owned(), 2.into())]));
    let all =
        table([Value::Map(Map::from_iter([("in".to_owned(), inner), ("sent".to_owned(), "x".into())]))]);
    let names: Vec<_> = all[FIXED.len()..].iter().map(|column| &*column.name).collect();
    assert_eq!(names, ["in/p", "in/a~1b~0", "value/sent"]);
    assert_eq!(table([Value::from(3)])[5].name, "value");
}

#[test]
fn map_without_keys_is_no_null() {
    let empty = || Value::Map(Map::default());
    let value = column([empty(), Value::Null, empty()]);
    assert_eq!((&*value.name, value.nulls, value.fact("encoding")), ("value", 1, Some("json")));
    assert_eq!(texts(&value), ["{}", "", "{}"]);
    // With other keys, and below a key.
    let all = table([one("a", 1), empty(), one("a", empty()), one("a", Value::Null)]);
    let facts: Vec<_> = all[FIXED.len()..].iter().map(|column| (&*column.name, column.nulls)).collect();
    assert_eq!(facts, [("a", 2), ("value", 3)]);
    assert_eq!(texts(&all[5]), ["1", "", "{}", ""]);
}

#[test]
fn arrays_of_one_shape_have_a_length_and_others_have_ends() {
    let same = column((0..3).map(|i| one("x", array(DType::I16, &[2, 3], &[i; 12], Order::Column))));
    assert_eq!(
        (&*same.format, same.fact("shape"), same.fact("order")),
        ("+w:6", Some("[2,3]"), Some("column"))
    );
    assert_eq!(same.items.as_ref().map(|items| items.length), Some(18));
    let several =
        column([1, 2].map(|n| one("x", array(DType::C64, &[n], &vec![1; 8 * n as usize], Order::Row))));
    assert_eq!((&*several.format, several.fact("shape")), ("+L", None));
    assert!(matches!(&several.buffers[1], Some(Buffer::I64(ends)) if *ends == [0, 1, 3]));
    let pairs = several.items.unwrap();
    assert_eq!((&*pairs.format, pairs.length), ("+w:2", 3));
    let with_null = column([one("x", array(DType::U8, &[2], &[1, 2], Order::Row)), one("x", Value::Null)]);
    assert_eq!((&*with_null.format, with_null.nulls), ("+L", 1));
}

fn integers(column: &Column) -> Vec<Option<Vec<i64>>> {
    let [_, Some(Buffer::I64(ends))] = &column.buffers[..] else { panic!("{column:?}") };
    let Some(Buffer::Bytes(bytes)) = &column.items.as_ref().unwrap().buffers[1] else { panic!() };
    let words: Vec<_> = bytes.as_chunks::<8>().0.iter().map(|word| i64::from_le_bytes(*word)).collect();
    let is_there = |row: usize| match &column.buffers[0] {
        Some(Buffer::Bytes(bits)) => bits[row / 8] >> (row % 8) & 1 == 1,
        _ => true,
    };
    let list = |(row, [begin, end]): (usize, &[i64; 2])| {
        is_there(row).then(|| words[*begin as usize..*end as usize].to_vec())
    };
    ends.array_windows().enumerate().map(list).collect()
}

fn elements(column: &Column) -> &[u8] {
    match &column.items.as_ref().unwrap().buffers[1] {
        Some(Buffer::Bytes(bytes)) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn image_that_is_missing_once_keeps_the_shape_of_the_others() {
    let image = |i| one("x", array(DType::U8, &[2, 3], &[i; 6], Order::Row));
    for values in [vec![image(1), one("x", Value::Null), image(2)], vec![one("y", 1), image(1), image(2)]] {
        let all = table(values);
        let found = all.iter().find(|column| column.name == "x").unwrap();
        assert_eq!((&*found.format, found.nulls, found.length), ("+L", 1, 3));
        assert_eq!((found.fact("shape"), found.fact("order")), (Some("[2,3]"), Some("row")));
        assert_eq!(elements(found), [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
    }
    // An array without elements keeps its shape.
    let empty = column([one("x", array(DType::U8, &[1 << 20, 1 << 20, 0], &[], Order::Row))]);
    assert_eq!(empty.fact("shape"), Some("[1048576,1048576,0]"));
}

#[test]
fn arrays_of_several_shapes_have_their_shapes_beside_them() {
    let wide = one("x", array(DType::U8, &[1, 2], &[1, 2], Order::Row));
    let line = one("x", array(DType::U8, &[2], &[9, 8], Order::Row));
    let turned = one("x", array(DType::U8, &[2, 3], &[1, 4, 2, 5, 3, 6], Order::Column));
    let values = [wide, one("x", Value::Null), line, turned];
    let (mut whole, mut parts) = (Columns::default(), Columns::default());
    add(&mut whole, values.clone());
    let all = whole.take();
    let [arrays, shapes] = &all[FIXED.len()..] else { panic!("{all:?}") };
    assert_eq!((&*arrays.name, &*arrays.format, arrays.nulls), ("x", "+L", 1));
    assert_eq!((&*shapes.name, shapes.fact("beside")), ("x~shape", Some("x")));
    assert_eq!(integers(shapes), [Some(vec![1, 2]), None, Some(vec![2]), Some(vec![2, 3])]);
    assert_eq!(elements(arrays), [1, 2, 9, 8, 1, 2, 3, 4, 5, 6]);
    // With batches, the first batch already has the column of shapes.
    values.iter().for_each(|value| {
        add(&mut parts, [value.clone()]);
        parts.take();
    });
    for value in values {
        add(&mut parts, [value]);
        let names: Vec<_> = parts.take().drain(FIXED.len()..).map(|column| column.name).collect();
        assert_eq!(names, ["x", "x~shape"]);
    }
}

#[test]
fn arrays_of_one_shape_and_both_orders_are_row_major() {
    let rows = one("x", array(DType::U8, &[2, 3], &[1, 2, 3, 4, 5, 6], Order::Row));
    let columns = one("x", array(DType::U8, &[2, 3], &[1, 4, 2, 5, 3, 6], Order::Column));
    for values in [[rows.clone(), columns.clone()], [columns, rows]] {
        let found = column(values);
        assert_eq!((&*found.format, found.fact("order")), ("+w:6", Some("row")));
        assert_eq!(elements(&found), [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
    }
}

#[test]
fn two_fields_are_never_one_column() {
    let map = |pairs: &[(&str, Value)]| {
        Value::Map(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    };
    let names = |values: Vec<Value>| {
        let all = table(values);
        let mut names: Vec<_> = all[FIXED.len()..].iter().map(|column| column.name.clone()).collect();
        let found = names.clone();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), found.len(), "{found:?}");
        assert!(
            all[FIXED.len()..]
                .iter()
                .all(|column| column.length == all[0].length && !column.name.contains('\0'))
        );
        found
    };
    assert_eq!(names(vec![Value::from(21.4), one("value", 3)]), ["~value", "value"]);
    assert_eq!(names(vec![Value::from(21.4), one("other", 3)]), ["value", "other"]);
    let nested = one("value", one("sent", 1));
    assert_eq!(names(vec![map(&[("sent", 2.into())]), nested]), ["~sent", "value/sent"]);
    let keys = ["a/b", "a~b", "a~1b", "a\0b", "a\0c", "a~2b", "", "~", ".", "..", "a"];
    let mut pairs: Vec<_> = keys.iter().map(|key| (*key, Value::from(1))).collect();
    pairs.push(("in", map(&keys.map(|key| (key, Value::from(2))))));
    assert_eq!(names(vec![map(&pairs), Value::from(1), one("", one("a", 1))]).len(), 2 * keys.len() + 2);
    // An empty map is not null.
    assert_eq!(names(vec![one("a", map(&[])), one("a", one("b", 1)), map(&[])]), ["a", "a/b", "value"]);
}

#[test]
fn tables_of_several_names_say_of_which_each_message_is() {
    let mut columns = Columns::of_several_names();
    add(&mut columns, [one("name", "x"), one("y", 2)]);
    let all = columns.take();
    let names: Vec<_> = all.iter().map(|column| &*column.name).collect();
    assert_eq!(names, ["name", "received", "sent", "sequence", "source", "incarnation", "value/name", "y"]);
    assert_eq!(texts(&all[0]), ["lab/a", "lab/a"]);
}

#[test]
fn types_that_values_do_not_say_are_those_of_the_schema() {
    let schema = "name = \"count\"\n\n[fields]\nn = \"u64\"\nx = \"f64\"\n";
    Schema::parse(schema).unwrap();
    let formats = |values: Vec<Value>| {
        let mut columns = Columns::default();
        add_with(&mut columns, Some(schema), values);
        columns.take()[FIXED.len()..].iter().map(|column| column.format.clone()).collect::<Vec<_>>()
    };
    let row = |n: Value, x: Value| Value::Map(Map::from_iter([("n".to_owned(), n), ("x".to_owned(), x)]));
    assert_eq!(formats(vec![row(1.into(), 1.into())]), ["L", "g"]);
    assert_eq!(formats(vec![row(Value::Null, Value::Null)]), ["L", "g"]);
    // Values that violate the schema are kept.
    assert_eq!(formats(vec![row((-1).into(), "x".into()), row(2.into(), "y".into())]), ["l", "U"]);
}

#[test]
fn lists_of_numbers_are_arrays_and_others_are_json() {
    let list = |items: &[f64]| one("x", Value::Array(items.iter().map(|x| Value::from(*x)).collect()));
    let whole = one("x", Value::Array(vec![1.into(), 2.into()]));
    let found = column([whole.clone(), list(&[0.5])]);
    assert_eq!((&*found.format, found.items.map(|items| items.format)), ("+L", Some("g".to_owned())));
    let found = column([whole.clone(), one("x", Value::Array(vec!["a".into()]))]);
    assert_eq!(texts(&found), ["[1,2]", "[\"a\"]"]);
}

#[test]
fn batches_have_the_types_that_the_first_pass_found() {
    let values = || [one("x", 1), one("x", 2), one("x", 0.5), one("y", "late")];
    let mut columns = Columns::default();
    for value in values() {
        add(&mut columns, [value]);
        columns.take();
    }
    for value in values() {
        add(&mut columns, [value]);
        let found: Vec<_> =
            columns.take()[FIXED.len()..].iter().map(|column| column.format.clone()).collect();
        assert_eq!(found, ["g", "U"]);
    }
}

#[test]
fn paths_are_bounded_each_and_together() {
    let long = |length: usize| Value::Map(Map::from_iter([("k".repeat(length), Value::Int(1))]));
    let mut paths = Paths::default();
    let mut add =
        |value: &Value| flatten(value, &mut String::new(), &mut |path, _| paths.add(path).map(drop));
    let inside = Value::Map(Map::from_iter([("k".repeat(40_000), long(40_000))]));
    for wrong in [&long(70_000), &inside] {
        let error = add(wrong).unwrap_err();
        assert!(error.kind() == ErrorKind::TooLarge && error.text().contains("65536 bytes"), "{error}");
    }
    let error = (0..2_000).find_map(|length| add(&long(length)).err()).unwrap();
    assert!(error.text().contains("1048576 bytes together"), "{error}");
}

#[test]
fn table_holds_what_there_is_room_for_and_is_refused_before_it_holds_more() {
    let room = Room { held: 1 << 20, blank: 1_000 };
    let mut columns = Columns::default().within(room);
    add(&mut columns, (0..2_000).map(|i| one("x", i)));
    assert!(columns.held() < room.held);
    // Each field of a message with many fields becomes null in earlier rows.
    let wide = Value::Map((0..200).map(|i| (format!("k{i}"), Value::Int(i))).collect());
    let body = Payload::new(&wide, Encoding::Cbor, &Limits::default()).unwrap().body().clone();
    let channel = Arc::new(Channel::named("lab/a"));
    let message = Message { channel: &channel, number: 1, sent: 1, received: 1, body: &body };
    let error = columns.add(&message).unwrap_err();
    assert!(error.kind() == ErrorKind::TooLarge && error.text().contains("1048576 bytes"), "{error}");
    // Empty cells of all batches count.
    let mut columns = Columns::default();
    for _ in 0..10 {
        add(&mut columns, [one("x", 1), one("y", 2)]);
        columns.take();
    }
    columns.check_blank(Room { blank: 20, ..room }).unwrap();
    let error = columns.check_blank(Room { blank: 19, ..room }).unwrap_err();
    assert!(error.text().contains("20 cells without a value, and 19"), "{error}");
}

#[test]
fn schemas_that_take_turns_are_read_once() {
    let channel = |id: u16, unit: &str| {
        let text = format!("name = \"s\"\n\n[fields]\nx = {{ type = \"f64\", unit = \"{unit}\" }}\n");
        let metadata = [(crate::format::channel::SCHEMA.to_owned(), text)];
        Arc::new(Channel { id, metadata: metadata.into(), ..Channel::named("lab/a") })
    };
    let channels = [channel(1, "m"), channel(2, "s")];
    let (mut schemas, mut made) = (ByNotation::default(), 0);
    for at in 0..10 {
        let found = schemas.of(&channels[at % 2], |text| {
            made += 1;
            text.len()
        });
        assert!(found.is_some());
    }
    assert!(made == 2 && schemas.of(&Arc::new(Channel::named("lab/b")), str::len).is_none());
}

fn buffers(column: &Column) -> u64 {
    let own = column.buffers.iter().flatten().map(|buffer| buffer.len() as u64).sum::<u64>();
    own + column.items.as_deref().map_or(0, buffers)
}

#[test]
fn what_is_held_is_what_columns_take_and_not_what_messages_had() {
    let many = |of: Value| Value::Array(vec![of; 10_000]);
    let lists = [
        many(Value::Null),
        many(Value::Map(Map::default())),
        many(Value::Array(Vec::new())),
        many(Value::Text(String::new())),
        many(Value::Int(1)),
        many(Value::Float(0.5)),
        many(Value::Float(-1e-300)),
        Value::Array(vec![Value::Text("\u{1}".repeat(10_000))]),
        Value::Text("x".repeat(10_000)),
        Value::Bytes(vec![0; 10_000].into()),
    ];
    for first in &lists {
        for second in &lists {
            for count in 1..6 {
                let mut columns = Columns::default();
                let values = [first, first, second, second, first].into_iter().take(count);
                add(&mut columns, values.map(|value| one("x", value.clone())));
                let held = columns.held();
                // Fixed columns and ends need some bytes.
                let taken: u64 = columns.take().iter().map(buffers).sum();
                assert!(held < taken + 1_000 && held + 100 >= taken, "{held} and {taken} of {count} rows");
            }
        }
    }
}

#[test]
fn value_whose_json_is_too_long_is_refused_with_its_message() {
    let text = "\u{1}".repeat(12 << 20);
    let body = Payload::new(&Value::Array(vec![text.into()]), Encoding::Cbor, &Limits::default()).unwrap();
    let channel = Arc::new(Channel::named("lab/a"));
    let message = Message { channel: &channel, number: 7, sent: 1, received: 1, body: body.body() };
    let error = Columns::default().add(&message).unwrap_err();
    assert!(error.kind() == ErrorKind::TooLarge && error.text().contains("message 7 of lab/a"), "{error}");
}

/// Adds a value that must be rejected.
fn refuse(columns: &mut Columns, value: &Value) -> Error {
    let body = Payload::new(value, Encoding::Cbor, &Limits::for_message(1 << 30)).unwrap();
    let channel = Arc::new(Channel::named("lab/a-name-of-another-length"));
    let message = Message { channel: &channel, number: 9, sent: 1, received: 1, body: body.body() };
    columns.add(&message).unwrap_err()
}

/// Returns a small value whose JSON exceeds the longest message.
fn too_long_as_json() -> Value {
    Value::Array(vec![Value::Text("\u{1}".repeat(12 << 20))])
}

#[test]
fn refused_message_leaves_columns_as_they_were() {
    let line = |shape: u64| array(DType::U8, &[shape], &vec![7; shape as usize], Order::Row);
    let square = |side: u64| array(DType::U8, &[side, side], &vec![7; (side * side) as usize], Order::Column);
    let list = |items: &[Value]| Value::Array(items.to_vec());
    let kinds = [
        Value::Null,
        true.into(),
        Value::Int(-3),
        Value::Uint(u64::MAX),
        Value::Float(0.5),
        Value::Timestamp(linkspan::Timestamp(7)),
        Value::Text("text".into()),
        Value::Bytes(vec![1, 2].into()),
        line(3),
        line(4),
        square(2),
        square(3),
        list(&[Value::Int(1), Value::Int(2)]),
        list(&[Value::Float(0.5)]),
        list(&[Value::Null]),
        Value::Map(Map::new()),
    ];
    let of = |a: &Value, last: Value| {
        let fields = [("a", a.clone()), ("new", Value::Int(1)), ("z", last)];
        Value::Map(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    };
    let schema = "name = \"s\"\n\n[fields]\na = \"f64\"\n";
    for (schema, first) in [None, Some(schema)].into_iter().flat_map(|of| kinds.each_ref().map(|a| (of, a))) {
        let rows = || [one("a", first.clone()), one("b", 1), one("a", first.clone()), one("b", Value::Null)];
        let (mut expected, mut columns) = (Columns::of_several_names(), Columns::of_several_names());
        add_with(&mut expected, schema, rows());
        add_with(&mut columns, schema, rows());
        let held = columns.held();
        for second in &kinds {
            // The last field fails, after a changed type and a new field.
            let deep = "k".repeat(MAX_PATH);
            let fields = |last: Value| of(second, last);
            let error = refuse(&mut columns, &fields(one("x", one(&deep, 1))));
            assert!(error.text().contains("message 9") || error.text().contains("path"), "{error}");
            assert_eq!((columns.rows(), columns.held()), (4, held), "{first:?} and {second:?}");
        }
        add_with(&mut expected, schema, rows());
        add_with(&mut columns, schema, rows());
        assert_eq!(format!("{:?}", columns.take()), format!("{:?}", expected.take()), "{first:?}");
    }
}

#[test]
fn refused_value_leaves_its_own_column_as_it_was() {
    for rows in [vec![], vec![one("a", 1)], vec![one("a", Value::Array(vec![Value::Null]))]] {
        let (mut expected, mut columns) = (Columns::default(), Columns::default());
        add(&mut expected, rows.clone());
        add(&mut columns, rows.clone());
        for _ in 0..2 {
            let error = refuse(&mut columns, &one("a", too_long_as_json()));
            assert!(error.kind() == ErrorKind::TooLarge && error.text().contains("JSON"), "{error}");
            assert_eq!((columns.rows(), columns.held()), (rows.len(), expected.held()));
        }
        add(&mut expected, [one("c", 2), one("a", 3)]);
        add(&mut columns, [one("c", 2), one("a", 3)]);
        assert_eq!(format!("{:?}", columns.take()), format!("{:?}", expected.take()));
    }
}

#[test]
fn table_takes_messages_as_long_as_its_reader_does() {
    let body = Payload::new(&one("x", "y".repeat(65 << 20)), Encoding::Cbor, &Limits::for_message(1 << 30));
    let (body, channel) = (body.unwrap(), Arc::new(Channel::named("lab/a")));
    let message = Message { channel: &channel, number: 1, sent: 1, received: 1, body: body.body() };
    assert_eq!(Columns::default().add(&message).unwrap_err().kind(), ErrorKind::TooLarge);
    let mut columns = Columns::default().of_messages(Limits::for_message(70 << 20));
    columns.add(&message).unwrap();
    // Another type converts it to JSON, which may have this length.
    add(&mut columns, [one("x", 1)]);
    assert_eq!(columns.rows(), 2);
}
