//! Apache Arrow: the columns of a table with one row per message, as an IPC schema message.
//!
//! Arrow cannot express units, ranges, limits, defaults and descriptions. They become metadata of the fields, which
//! readers may ignore.

mod column;
mod ipc;

use linkspan::schema::{Field, Kind, Length, Schema, Type, Width};
use linkspan::{DType, Error, ErrorKind, Order, Result};
use serde_json::{Value, json};

use super::notes::{Notes, unknown};
use column::{Arrow, Column};

/// Returns the schema as an encapsulated message, which can also begin a stream.
///
/// A type other than a record becomes the single field `value`.
pub(super) fn write(schema: &Schema, notes: &mut Notes) -> Result<Vec<u8>> {
    let columns = match &schema.root.kind {
        Kind::Record(of) => fields(of, notes)?,
        _ => vec![column("value", &schema.root, notes)?],
    };
    let mut metadata = vec![("name", schema.name.clone()), ("version", schema.version.to_string())];
    if !schema.doc.is_empty() {
        metadata.push(("doc", schema.doc.clone()));
    }
    Ok(ipc::message(&columns, &metadata))
}

fn fields(of: &[Field], notes: &mut Notes) -> Result<Vec<Column>> {
    of.iter().map(|each| field(each, notes)).collect()
}

fn field(field: &Field, notes: &mut Notes) -> Result<Column> {
    notes.enter(&field.name);
    let mut out = column(&field.name, &field.of, notes)?;
    out.nullable = field.optional || field.default.is_some();
    if out.nullable && !field.optional {
        notes.looser("null is accepted: it stands for a field that is left out");
    }
    notes.leave();
    if !field.doc.is_empty() {
        out.metadata.push(("doc", field.doc.clone()));
    }
    if let Some(default) = &field.default {
        let json = linkspan::codec::encode(default, linkspan::Encoding::Json)?;
        out.metadata.push(("default", String::from_utf8_lossy(&json).into_owned()));
    }
    Ok(out)
}

fn within(name: &str, of: &Type, notes: &mut Notes) -> Result<Column> {
    notes.enter("*");
    let out = column(name, of, notes)?;
    notes.leave();
    Ok(out)
}

fn plain(name: &str, of: Arrow, children: Vec<Column>) -> Column {
    Column {
        name: name.to_owned(),
        nullable: false,
        of,
        children,
        in_dictionary: false,
        metadata: Vec::new(),
    }
}

fn column(name: &str, of: &Type, notes: &mut Notes) -> Result<Column> {
    let mut out = match &of.kind {
        Kind::Any => {
            notes.looser("any text is accepted where a value in JSON belongs");
            extension(plain(name, Arrow::Utf8, Vec::new()), "arrow.json", String::new())
        }
        Kind::Bool => plain(name, Arrow::Bool, Vec::new()),
        Kind::Integer(width) => plain(name, Arrow::Integer(*width), Vec::new()),
        Kind::F32 => plain(name, Arrow::F32, Vec::new()),
        Kind::F64 => plain(name, Arrow::F64, Vec::new()),
        Kind::Text(most) => limited(plain(name, Arrow::Utf8, Vec::new()), *most, notes),
        Kind::Bytes(most) => limited(plain(name, Arrow::Binary, Vec::new()), *most, notes),
        Kind::Timestamp => {
            notes.narrower(
                "times before 1677-09-21 and after 2262-04-11 are refused: 64 bits of nanoseconds hold none",
            );
            plain(name, Arrow::Timestamp, Vec::new())
        }
        Kind::Uuid => {
            extension(plain(name, Arrow::FixedSizeBinary(16), Vec::new()), "arrow.uuid", String::new())
        }
        Kind::Decimal => {
            notes.looser("any text is accepted for a decimal number");
            let mut out = plain(name, Arrow::Utf8, Vec::new());
            out.metadata.push(("type", "decimal".to_owned()));
            out
        }
        Kind::Enum(values) => {
            notes.looser("any text is accepted for an enum");
            let mut out = plain(name, Arrow::Utf8, Vec::new());
            out.in_dictionary = true;
            out.metadata.push(("values", json!(values).to_string()));
            out
        }
        Kind::List(each, most) => {
            let item = within("item", each, notes)?;
            limited(plain(name, Arrow::List, vec![item]), *most, notes)
        }
        Kind::Map(each) => {
            notes.looser("a key is accepted more than once");
            let value = within("value", each, notes)?;
            let entries = plain("entries", Arrow::Struct, vec![plain("key", Arrow::Utf8, Vec::new()), value]);
            plain(name, Arrow::Map, vec![entries])
        }
        Kind::Record(of) => plain(name, Arrow::Struct, fields(of, notes)?),
        Kind::Table(columns) => {
            notes.looser("columns of different lengths are accepted");
            plain(name, Arrow::Struct, fields(columns, notes)?)
        }
        Kind::Union(variants) => {
            notes.looser("no variant at all, and several, are accepted");
            let mut children = fields(variants, notes)?;
            for child in &mut children {
                child.nullable = true;
            }
            plain(name, Arrow::Struct, children)
        }
        Kind::NdArray { dtype, shape, order } => array(name, *dtype, shape.as_deref(), *order, notes)?,
        _ => return Err(unknown(of, notes)),
    };
    out.metadata.extend(of.unit.as_ref().map(|unit| ("unit", unit.clone())));
    if let Some(range) = of.range {
        notes.looser("numbers outside of the range are accepted");
        out.metadata.push(("range", range.to_string()));
    }
    Ok(out)
}

fn limited(mut of: Column, most: Option<u64>, notes: &mut Notes) -> Column {
    if let Some(most) = most {
        notes.looser("any length is accepted");
        of.metadata.push(("max_length", most.to_string()));
    }
    of
}

/// Returns a canonical extension type of Arrow; `of` has its storage type.
fn extension(mut of: Column, name: &str, metadata: String) -> Column {
    of.metadata.push(("ARROW:extension:name", name.to_owned()));
    of.metadata.push(("ARROW:extension:metadata", metadata));
    of
}

/// Returns an array: a tensor, or lists of elements and lengths for an open number of dimensions.
///
/// Arrow lacks complex numbers, so they become a last dimension of two floats. Elements are in row order. For column
/// order, the dimensions are reversed and a permutation states it.
fn array(
    name: &str,
    dtype: DType,
    shape: Option<&[Length]>,
    order: Option<Order>,
    notes: &mut Notes,
) -> Result<Column> {
    let (of, is_complex) = element(dtype);
    let item = plain("item", of, Vec::new());
    if order.is_none() {
        notes.narrower("arrays in column order are refused: put their elements into row order");
    }
    let Some(shape) = shape else {
        notes.looser("data of any length is accepted");
        if order == Some(Order::Column) {
            notes.looser("arrays in row order are accepted");
        }
        let lengths =
            plain("shape", Arrow::List, vec![plain("item", Arrow::Integer(Width::U64), Vec::new())]);
        let mut out = plain(name, Arrow::Struct, vec![plain("data", Arrow::List, vec![item]), lengths]);
        out.metadata.push(("dtype", dtype.name().to_owned()));
        out.metadata.extend(order.map(|order| ("order", order.name().to_owned())));
        return Ok(out);
    };
    let mut lengths: Vec<Option<i32>> = Vec::new();
    for length in shape {
        lengths.push(match length {
            Length::Fixed(length) => Some(i32::try_from(*length).map_err(|_| too_large(notes))?),
            _ => None,
        });
    }
    let mut permutation: Vec<usize> = (0..shape.len()).collect();
    if order == Some(Order::Column) {
        lengths.reverse();
        permutation.reverse();
    }
    if is_complex {
        lengths.push(Some(2));
        permutation.push(shape.len());
    }
    let mut metadata = serde_json::Map::new();
    let fixed: Option<Vec<i32>> = lengths.iter().copied().collect();
    let mut out = if let Some(fixed) = fixed {
        metadata.insert("shape".into(), json!(fixed));
        let count = fixed.iter().try_fold(1_i32, |count, length| count.checked_mul(*length));
        plain(name, Arrow::FixedSizeList(count.ok_or_else(|| too_large(notes))?), vec![item])
    } else {
        notes.looser("data of any length is accepted");
        notes.looser("any lengths of dimensions are accepted");
        metadata.insert("uniform_shape".into(), json!(lengths));
        let dimensions = i32::try_from(lengths.len()).map_err(|_| too_large(notes))?;
        let length = plain("item", Arrow::Integer(Width::I32), Vec::new());
        let children = vec![
            plain("data", Arrow::List, vec![item]),
            plain("shape", Arrow::FixedSizeList(dimensions), vec![length]),
        ];
        plain(name, Arrow::Struct, children)
    };
    if order == Some(Order::Column) {
        metadata.insert("permutation".into(), json!(permutation));
    }
    out.metadata.push(("dtype", dtype.name().to_owned()));
    let is_fixed = matches!(out.of, Arrow::FixedSizeList(_));
    let tensor = if is_fixed { "arrow.fixed_shape_tensor" } else { "arrow.variable_shape_tensor" };
    Ok(extension(out, tensor, Value::Object(metadata).to_string()))
}

/// Returns the element's type, and whether each number takes two elements.
fn element(dtype: DType) -> (Arrow, bool) {
    match dtype {
        DType::Bool => (Arrow::Bool, false),
        DType::I8 => (Arrow::Integer(Width::I8), false),
        DType::I16 => (Arrow::Integer(Width::I16), false),
        DType::I32 => (Arrow::Integer(Width::I32), false),
        DType::I64 => (Arrow::Integer(Width::I64), false),
        DType::U8 => (Arrow::Integer(Width::U8), false),
        DType::U16 => (Arrow::Integer(Width::U16), false),
        DType::U32 => (Arrow::Integer(Width::U32), false),
        DType::U64 => (Arrow::Integer(Width::U64), false),
        DType::F32 => (Arrow::F32, false),
        DType::F64 => (Arrow::F64, false),
        DType::C64 => (Arrow::F32, true),
        DType::C128 => (Arrow::F64, true),
    }
}

fn too_large(notes: &Notes) -> Error {
    let text = format!(
        "{}: an array of more than {} elements cannot be exported to Arrow: let one of its lengths be any",
        notes.at(),
        i32::MAX
    );
    Error::new(ErrorKind::Unsupported, text)
}
