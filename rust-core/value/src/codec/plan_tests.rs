//! Tests of decoding with a plan: the values that it passes on, and the values that end the
//! decoding.

use std::collections::HashMap;
use std::sync::Arc;

use super::Encoding;
use crate::Value;
use crate::error::Result;
use crate::value::plan::{Absent, Field, Fit, Handles, Instances, Record, Shape};
use crate::value::{BigInt, Decimal, Limits, NdArrayRef, Sink, Timestamp, Value as Tree, ValueBuilder};

#[derive(Debug)]
struct Named;

impl Handles for Named {
    type Class = &'static str;
    type Field = Value;
    type Member = &'static str;
}

/// Builds trees. An instance is a map with the name of its class, a member a list of its name.
#[derive(Default)]
struct Trees(ValueBuilder);

macro_rules! passed_on {
    ($($name:ident($($value:ident: $of:ty)?);)*) => {
        $(fn $name(&mut self $(, $value: $of)?) -> Result<()> { self.0.$name($($value)?) })*
    };
}

impl Sink for Trees {
    passed_on! {
        null(); bool(value: bool); int(value: i64); uint(value: u64); big_int(value: &BigInt); float(value: f64);
        text(value: &str); bytes(value: &[u8]); timestamp(value: Timestamp); uuid(value: [u8; 16]);
        decimal(value: &Decimal); ndarray(value: NdArrayRef<'_>); begin_array(len: usize); end_array();
        begin_map(len: usize); key(key: &str); end_map();
    }
}

impl Instances<'_, Named> for Trees {
    fn begin_record(&mut self, record: &Record<Named>) -> Result<()> {
        self.begin_map(record.fields.len() + 1)?;
        self.key("class")?;
        self.text(record.class)
    }
    fn field(&mut self, field: &Field<Named>, at: usize) -> Result<()> {
        self.key(&format!("{at} {}", field.keys[0]))
    }
    fn absent(&mut self, field: &Field<Named>, at: usize) -> Result<()> {
        self.field(field, at)?;
        crate::value::Source::walk(&field.handle, &mut self.0)
    }
    fn end_record(&mut self, _: &Record<Named>) -> Result<()> {
        self.end_map()
    }
    fn member(&mut self, member: &&'static str) -> Result<()> {
        self.begin_array(1)?;
        self.text(member)?;
        self.end_array()
    }
}

fn field(keys: &[&str], of: Shape<Named>, absent: Absent) -> Field<Named> {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    let handle = if absent == Absent::Default { Value::Int(7) } else { Value::Null };
    Field { keys, of: Arc::new(of), absent, handle }
}

fn plan() -> Shape<Named> {
    let variant = |class, of| Record { class, fields: vec![field(&[class], of, Absent::Refused)] };
    let members = HashMap::from([("ON".to_owned(), "on"), ("OFF".to_owned(), "off")]);
    Shape::Record(Record {
        class: "root",
        fields: vec![
            field(&["small", "tiny"], Shape::Integer(-128, 127), Absent::Refused),
            field(&["ratio"], Shape::F64, Absent::Default),
            field(&["single"], Shape::F32, Absent::Null),
            field(&["mode"], Shape::Enum { members, default: None }, Absent::Null),
            field(&["list"], Shape::List(Arc::new(Shape::Bool)), Absent::Null),
            field(&["map"], Shape::Map(Arc::new(Shape::Text)), Absent::Null),
            field(
                &["union"],
                Shape::Union(vec![variant("a", Shape::Text), variant("b", Shape::Any)]),
                Absent::Null,
            ),
        ],
    })
}

/// Returns the tree of a JSON value that fits, as JSON; `None` for a misfit.
fn fitted(json: &str) -> Option<String> {
    let plan = plan();
    let bytes = json.as_bytes();
    let fit =
        super::decode_into(bytes, Encoding::Json, &Limits::default(), Fit::new(&plan, Trees::default()));
    let made: Tree = fit.ok()?.into_inner().0.finish().unwrap();
    let text = super::encode(&made, Encoding::Json).unwrap();
    Some(String::from_utf8(text).unwrap())
}

#[test]
fn value_that_fits_is_passed_on_in_the_types_of_its_plan() {
    let rest = r#","2 single":null,"3 mode":null,"4 list":null,"5 map":null,"6 union":null}"#;
    for (given, expected) in [
        // A default, an older key, an integer for a float, a key unknown to the class.
        (r#"{"small":1}"#, format!(r#"{{"class":"root","0 small":1,"1 ratio":7{rest}"#)),
        (r#"{"tiny":-128}"#, format!(r#"{{"class":"root","0 small":-128,"1 ratio":7{rest}"#)),
        (
            r#"{"other":[{"small":"x"},[1]],"small":1,"ratio":2}"#,
            format!(r#"{{"class":"root","0 small":1,"1 ratio":2.0{rest}"#),
        ),
    ] {
        assert_eq!(fitted(given).as_deref(), Some(&*expected), "{given}");
    }
    let all = r#"{"union":{"b":{"a":[1,{"small":2}]}},"map":{"ratio":"x"},"list":[true],"mode":"OFF","single":1,"ratio":0.5,"small":1}"#;
    let expected = concat!(
        r#"{"class":"root","6 union":{"class":"b","0 b":{"a":[1,{"small":2}]}},"5 map":{"ratio":"x"},"4 list":[true],"#,
        r#""3 mode":["off"],"2 single":1.0,"1 ratio":0.5,"0 small":1}"#
    );
    assert_eq!(fitted(all).as_deref(), Some(expected));
}

#[test]
fn value_that_does_not_fit_ends_the_decoding() {
    for given in [
        r#"{"ratio":1}"#,
        r#"{"small":128}"#,
        r#"{"small":1.0}"#,
        r#"{"small":null}"#,
        r#"{"small":1,"tiny":1}"#,
        r#"{"small":1,"ratio":9007199254740993}"#,
        r#"{"small":1,"ratio":null}"#,
        r#"{"small":1,"single":1e300}"#,
        r#"{"small":1,"single":16777217}"#,
        r#"{"small":1,"mode":"UNKNOWN"}"#,
        r#"{"small":1,"list":[1]}"#,
        r#"{"small":1,"list":{}}"#,
        r#"{"small":1,"map":{"k":1}}"#,
        r#"{"small":1,"union":{}}"#,
        r#"{"small":1,"union":{"c":1}}"#,
        r#"{"small":1,"union":{"a":"x","b":1}}"#,
        r#"{"small":1,"union":{"a":1}}"#,
        "[]",
        "1",
    ] {
        assert_eq!(fitted(given), None, "{given}");
    }
}
