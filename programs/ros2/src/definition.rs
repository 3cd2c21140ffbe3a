//! Types in `ros2msg` from schemas: their texts with all nested types, and the shapes for encoding.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use linkspan::schema::{Field, Kind, Length, Schema, Type, Width};
use linkspan::{DType, Value};

use crate::keys::key;
use crate::words;

/// The shape of a value, in the order of its type.
#[derive(Debug)]
pub enum Shape {
    Bool,
    Integer(Width),
    F32,
    F64,
    Text,
    Bytes,
    Time,
    Uuid,
    Decimal,
    /// The length, then each element. A message that consists of a list adds no bytes.
    List(Box<Shape>),
    /// A list that was empty in every message: only its length.
    Empty,
    Record(Vec<Member>),
    /// The lengths of the dimensions, then the elements.
    Array(DType),
    /// `sensor_msgs/Image`.
    Image(DType, u32),
    /// A packed record with these members, which share their length with the schema's layout.
    Packed(Box<Schema>, Vec<Member>),
}

#[derive(Debug)]
pub struct Member {
    /// Its key, then older keys.
    pub keys: Vec<String>,
    pub default: Option<Value>,
    /// Whether a boolean before it shows its presence.
    pub is_optional: bool,
    pub of: Shape,
}

/// The longest text of a type. A viewer receives it with each channel.
const MAX_TEXT: usize = 256 << 10;
/// The longest text of a type. A viewer receives it with each channel.
const SEPARATOR: &str = "================================================================================";
const TIME: (&str, &str) = ("builtin_interfaces/Time", "int32 sec\nuint32 nanosec\n");
const HEADER: (&str, &str) = ("std_msgs/Header", "builtin_interfaces/Time stamp\nstring frame_id\n");
const IMAGE: (&str, &str) = (
    "sensor_msgs/Image",
    "std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step\nuint8[] data\n",
);

#[derive(Debug)]
pub struct Defined {
    pub name: String,
    /// The text with all nested types.
    pub text: String,
    pub shape: Shape,
}

/// Returns the type of a schema in CDR; `None` if CDR has no form for it.
pub fn define(schema: &Schema) -> Option<Defined> {
    let base = words::camel(&schema.name);
    let first = Definition::of(schema, &base)?;
    if let Shape::Image(..) = first.shape {
        return Some(first.defined("sensor_msgs/msg/Image".to_owned(), IMAGE.1));
    }
    // A viewer confuses different types of one name, so the name contains a hash of the type.
    let base = format!("{base}{:08X}", hash(&first.whole(&first.body)));
    let definition = Definition::of(schema, &base)?;
    let body = definition.body.clone();
    let defined = definition.defined(words::full(&base), &body);
    (defined.text.len() <= MAX_TEXT).then_some(defined)
}

/// Returns a hash that is equal in every process: FNV-1a, with both halves combined.
fn hash(text: &str) -> u32 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash >> 32) as u32 ^ (hash & u64::from(u32::MAX)) as u32
}

/// A type under construction.
struct Definition {
    base: String,
    body: String,
    /// The nested types and their texts.
    others: Vec<(String, String)>,
    taken: HashSet<String>,
    shape: Shape,
}

impl Definition {
    fn of(schema: &Schema, base: &str) -> Option<Definition> {
        let mut made = Definition {
            base: base.to_owned(),
            body: String::new(),
            others: Vec::new(),
            taken: HashSet::from([base.to_owned()]),
            shape: Shape::Bool,
        };
        let mut body = String::new();
        if !schema.doc.is_empty() {
            // The empty line ends the comment of the whole type.
            let _ = writeln!(body, "# {}\n", words::comment(&schema.doc));
        }
        made.shape = match &schema.root.kind {
            Kind::Record(fields) | Kind::Table(fields) => {
                let members = made.record(fields, false, "", &mut body)?;
                if schema.packed {
                    Shape::Packed(Box::new(schema.clone()), members)
                } else {
                    Shape::Record(members)
                }
            }
            Kind::Union(variants) => Shape::Record(made.record(variants, true, "", &mut body)?),
            Kind::NdArray { dtype, shape, .. } => match image(*dtype, shape.as_deref()) {
                Some(channels) => {
                    made.image();
                    Shape::Image(*dtype, channels)
                }
                None => {
                    array_body(*dtype, schema.root.unit.as_deref(), &mut body);
                    Shape::Array(*dtype)
                }
            },
            // A message of one field has the bytes of this field.
            _ => {
                let (name, shape) = made.of_type(&schema.root, "value")?;
                let _ = writeln!(body, "{name} value{}", remark(&schema.root, "", "value", "value"));
                shape
            }
        };
        made.body = body;
        Some(made)
    }

    /// Returns the text with all nested types.
    fn whole(&self, body: &str) -> String {
        let mut text = body.to_owned();
        for (name, body) in &self.others {
            let _ = write!(text, "{SEPARATOR}\nMSG: {name}\n{body}");
        }
        text
    }

    fn defined(self, name: String, body: &str) -> Defined {
        let text = self.whole(body);
        Defined { name, text, shape: self.shape }
    }

    fn standard(&mut self, (name, body): (&str, &str)) -> String {
        if self.taken.insert(name.to_owned()) {
            self.others.push((name.to_owned(), body.to_owned()));
        }
        name.to_owned()
    }

    fn image(&mut self) -> String {
        self.standard(HEADER);
        self.standard(TIME);
        IMAGE.0.to_owned()
    }

    /// Adds a type of our package; returns its name in references.
    fn other(&mut self, path: &str, body: String) -> String {
        let name = words::unique(&format!("{}{}", self.base, words::camel(path)), &mut self.taken);
        let name = words::reference(&name);
        self.others.push((name.clone(), body));
        name
    }

    /// Returns the name of a type, followed by `[]` for a list, and its shape.
    fn of_type(&mut self, of: &Type, path: &str) -> Option<(String, Shape)> {
        let plain = |name: &str, shape| Some((name.to_owned(), shape));
        match &of.kind {
            Kind::Bool => plain("bool", Shape::Bool),
            Kind::Integer(width) => plain(integer(*width), Shape::Integer(*width)),
            Kind::F32 => plain("float32", Shape::F32),
            Kind::F64 => plain("float64", Shape::F64),
            Kind::Text(_) | Kind::Enum(_) => plain("string", Shape::Text),
            Kind::Bytes(_) => plain("uint8[]", Shape::Bytes),
            Kind::Timestamp => Some((self.standard(TIME), Shape::Time)),
            Kind::Uuid => plain("string", Shape::Uuid),
            Kind::Decimal => plain("string", Shape::Decimal),
            // The element type is unknown. A first element changes the type of the messages.
            Kind::List(of, Some(0)) if of.kind == Kind::Any => plain("float64[]", Shape::Empty),
            Kind::List(of, _) => {
                let (name, shape) = self.of_type(of, path)?;
                let name = if name.ends_with("[]") {
                    let remark = remark(of, "", "items", "items");
                    self.other(&format!("{path}_items"), format!("{name} items{remark}\n"))
                } else {
                    name
                };
                Some((format!("{name}[]"), Shape::List(Box::new(shape))))
            }
            Kind::Record(fields) | Kind::Table(fields) => self.named(fields, false, path),
            Kind::Union(variants) => self.named(variants, true, path),
            Kind::NdArray { dtype, shape, .. } => match image(*dtype, shape.as_deref()) {
                Some(channels) => {
                    self.image();
                    Some((self.standard(IMAGE), Shape::Image(*dtype, channels)))
                }
                None => {
                    let mut body = String::new();
                    array_body(*dtype, None, &mut body);
                    let name = words::reference(&format!("Array{}", words::camel(dtype.name())));
                    Some((self.standard((&name, &body)), Shape::Array(*dtype)))
                }
            },
            // Maps with any keys, and values of any type, lack a type here.
            _ => None,
        }
    }

    fn named(&mut self, fields: &[Field], are_variants: bool, path: &str) -> Option<(String, Shape)> {
        let mut body = String::new();
        let members = self.record(fields, are_variants, path, &mut body)?;
        Some((self.other(path, body), Shape::Record(members)))
    }

    /// Writes the fields of a record. Variants of a union are all optional.
    fn record(
        &mut self,
        fields: &[Field],
        are_variants: bool,
        path: &str,
        body: &mut String,
    ) -> Option<Vec<Member>> {
        if fields.is_empty() {
            // IDL does not support empty structures.
            body.push_str("uint8 structure_needs_at_least_one_member\n");
        }
        let mut taken = HashSet::new();
        let mut members = Vec::with_capacity(fields.len());
        for field in fields {
            let given = key(field);
            let path = if path.is_empty() { given.to_owned() } else { format!("{path}_{given}") };
            let name = words::field(given, &mut taken);
            let (of, shape) = self.of_type(&field.of, &path)?;
            let is_optional = field.optional || are_variants;
            if is_optional {
                let flag = words::unique(&format!("has_{name}"), &mut taken);
                let _ = writeln!(body, "bool {flag} # whether {name} is there");
            }
            let _ = writeln!(body, "{of} {name}{}", remark(&field.of, &field.doc, given, &name));
            let keys = std::iter::once(&field.name).chain(&field.aliases).cloned().collect();
            members.push(Member { keys, default: field.default.clone(), is_optional, of: shape });
        }
        Some(members)
    }
}

/// Returns the comment after a field: its original name if it changed, its meaning, its unit.
fn remark(of: &Type, doc: &str, given: &str, name: &str) -> String {
    let mut parts = Vec::new();
    if given != name {
        parts.push(format!("{}.", words::comment(given)));
    }
    if !doc.is_empty() {
        parts.push(words::comment(doc));
    }
    if let Kind::Enum(values) = &of.kind {
        parts.push(format!("one of {}", words::comment(&values.join(", "))));
    }
    if matches!(&of.kind, Kind::List(of, Some(0)) if of.kind == Kind::Any) {
        parts.push("empty in every message so far".to_owned());
    }
    if let Some(unit) = unit(of) {
        parts.push(format!("[{}]", unit.replace(|c: char| c.is_control(), "")));
    }
    if parts.is_empty() { String::new() } else { format!(" # {}", parts.join(" ")) }
}

/// Returns the unit of a type or of a list's elements.
fn unit(of: &Type) -> Option<&str> {
    match &of.kind {
        Kind::List(of, _) => unit(of),
        _ => of.unit.as_deref(),
    }
}

pub fn units(root: &Type) -> BTreeMap<String, String> {
    fn collect(of: &Type, path: &str, units: &mut BTreeMap<String, String>) {
        if let Some(unit) = unit(of) {
            units.insert(path.to_owned(), unit.to_owned());
        }
        match &of.kind {
            Kind::List(of, _) | Kind::Map(of) => collect(of, path, units),
            Kind::Record(fields) | Kind::Union(fields) | Kind::Table(fields) => {
                for field in fields {
                    let path = if path.is_empty() {
                        key(field).to_owned()
                    } else {
                        format!("{path}.{}", key(field))
                    };
                    collect(&field.of, &path, units);
                }
            }
            _ => {}
        }
    }
    let mut units = BTreeMap::new();
    collect(root, "", &mut units);
    units
}

/// Returns the number of channels if such arrays are pictures.
fn image(dtype: DType, shape: Option<&[Length]>) -> Option<u32> {
    if !matches!(dtype, DType::U8 | DType::U16) {
        return None;
    }
    match shape? {
        [_, _] => Some(1),
        [_, _, Length::Fixed(3)] => Some(3),
        [_, _, Length::Fixed(4)] if dtype == DType::U8 => Some(4),
        _ => None,
    }
}

/// Returns the encoding of a picture, named as in sensor_msgs/image_encodings.hpp.
pub fn image_encoding(dtype: DType, channels: u32) -> &'static str {
    match (dtype, channels) {
        (DType::U16, 1) => "mono16",
        (DType::U16, _) => "rgb16",
        (_, 1) => "mono8",
        (_, 3) => "rgb8",
        _ => "rgba8",
    }
}

fn array_body(dtype: DType, unit: Option<&str>, body: &mut String) {
    let (name, remark) = match dtype {
        DType::Bool => ("bool", ""),
        DType::I8 => ("int8", ""),
        DType::I16 => ("int16", ""),
        DType::I32 => ("int32", ""),
        DType::I64 => ("int64", ""),
        DType::U8 => ("uint8", ""),
        DType::U16 => ("uint16", ""),
        DType::U32 => ("uint32", ""),
        DType::U64 => ("uint64", ""),
        DType::F32 => ("float32", ""),
        DType::F64 => ("float64", ""),
        DType::C64 => ("float32", " real and imaginary part of each"),
        DType::C128 => ("float64", " real and imaginary part of each"),
    };
    let unit = unit.map(|unit| format!(" [{unit}]")).unwrap_or_default();
    let comment =
        if unit.is_empty() && remark.is_empty() { String::new() } else { format!(" #{remark}{unit}") };
    let _ = writeln!(
        body,
        "uint32[] shape # the lengths of the dimensions, of which the last varies fastest\n{name}[] data{comment}"
    );
}

fn integer(width: Width) -> &'static str {
    match width {
        Width::I8 => "int8",
        Width::I16 => "int16",
        Width::I32 => "int32",
        Width::I64 => "int64",
        Width::U8 => "uint8",
        Width::U16 => "uint16",
        Width::U32 => "uint32",
        _ => "uint64",
    }
}
