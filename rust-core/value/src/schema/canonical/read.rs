//! From the canonical form to the model.
//!
//! The bytes come from a peer or a file, so every rule of the notation's parser is checked again.

use super::write::FORMAT;
use crate::codec::{Encoding, decode};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::schema::model::{Field, Kind, Length, Range, Schema, Type, Width};
use crate::schema::source::{MAX_TEXT, is_field_name, is_schema_name};
use crate::schema::{check, packed, unit};
use crate::value::{DType, Map, NdArrayRef, Order, Value};

/// Returns the schema of these bytes.
///
/// # Errors
///
/// `TooLarge`, `VersionMismatch` or `Malformed`; `WrongType` and `Missing` for a value of another
/// shape.
pub(super) fn schema(bytes: &[u8]) -> Result<Schema> {
    // The canonical form repeats named types, so it is longer than the text. The bound limits the
    // memory for a peer's schema.
    if bytes.len() > 4 * MAX_TEXT {
        let text = format!("the canonical form has {} bytes, more than a schema may have", bytes.len());
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    let value = decode(bytes, Encoding::Cbor)?;
    let map = value.as_map()?;
    // Checked first, because another format may have other keys.
    let format = get(map, "format")?.as_i64()?;
    if format != FORMAT {
        let text = format!("the schema has the canonical form {format}; this version reads {}", FORMAT);
        return Err(Error::new(ErrorKind::VersionMismatch, text));
    }
    let name = get(map, "schema")?.as_text()?;
    if !is_schema_name(name) {
        return Err(wrong(format!("{} cannot name a schema", quoted(name))));
    }
    let version =
        u32::try_from(get(map, "version")?.as_u64()?).map_err(|_| wrong("a version has 32 bits"))?;
    let mut remaining = Schema::MAX_TYPES;
    let root = of_type(get(map, "type")?, 0, &mut remaining).map_err(|error| error.under_key("type"))?;
    let packed = match map.get("layout") {
        None => false,
        Some(layout) => {
            if layout.as_text()? != "packed" {
                return Err(wrong("a layout is packed"));
            }
            packed::lay_out(&root).map_err(wrong)?;
            true
        }
    };
    Ok(Schema { name: name.to_owned(), version, doc: String::new(), root, packed })
}

#[cold]
fn wrong(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed, text)
}

fn get<'a>(map: &'a Map, key: &str) -> Result<&'a Value> {
    map.get(key).ok_or_else(|| wrong(format!("a schema's canonical form has the key {key} here")))
}

fn of_type(value: &Value, depth: usize, remaining: &mut usize) -> Result<Type> {
    let map = value.as_map()?;
    *remaining = remaining
        .checked_sub(1)
        .ok_or_else(|| wrong(format!("a schema has at most {} types", Schema::MAX_TYPES)))?;
    // The notation counts levels slightly differently, so this accepts a few more.
    if depth > Schema::MAX_DEPTH + 8 {
        return Err(wrong("types lie too deep in each other"));
    }
    let most = || map.get("max").map(Value::as_u64).transpose();
    let name = get(map, "kind")?.as_text()?;
    let mut fields = |what| fields(get(map, "fields")?, what, depth, remaining);
    let kind = match name {
        "any" => Kind::Any,
        "bool" => Kind::Bool,
        "f32" => Kind::F32,
        "f64" => Kind::F64,
        "text" => Kind::Text(most()?),
        "bytes" => Kind::Bytes(most()?),
        "timestamp" => Kind::Timestamp,
        "uuid" => Kind::Uuid,
        "decimal" => Kind::Decimal,
        "enum" => Kind::Enum(names(get(map, "values")?)?),
        "record" => Kind::Record(fields("record")?),
        "union" => Kind::Union(fields("union")?),
        "table" => Kind::Table(fields("table")?),
        "list" => Kind::List(Box::new(of_type(get(map, "of")?, depth + 1, remaining)?), most()?),
        "map" => Kind::Map(Box::new(of_type(get(map, "of")?, depth + 1, remaining)?)),
        "ndarray" => ndarray(map)?,
        other => {
            let width = Width::ALL.into_iter().find(|width| width.name() == other);
            Kind::Integer(width.ok_or_else(|| wrong(format!("no kind is called {}", quoted(other))))?)
        }
    };
    let unit = match map.get("unit") {
        Some(unit) if kind.accepts_unit() => {
            unit::check(unit.as_text()?).map_err(wrong)?;
            Some(unit.as_text()?.to_owned())
        }
        Some(_) => return Err(wrong(format!("a type {name} has no unit"))),
        None => None,
    };
    let range = match map.get("range") {
        Some(range) if kind.accepts_range() => Some(of_range(&kind, range.as_array()?)?),
        Some(_) => return Err(wrong(format!("a type {name} has no range"))),
        None => None,
    };
    Ok(Type { kind, unit, range })
}

fn names(value: &Value) -> Result<Vec<String>> {
    let names: Vec<String> = value
        .as_array()?
        .iter()
        .map(|name| {
            let name = name.as_text()?;
            if is_field_name(name) {
                Ok(name.to_owned())
            } else {
                Err(wrong(format!("{} is not a valid name", quoted(name))))
            }
        })
        .collect::<Result<_>>()?;
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    // Sorted, to find repeated names.
    sorted.dedup();
    if names.is_empty() || sorted.len() != names.len() {
        return Err(wrong("names here differ, and there is at least one"));
    }
    Ok(names)
}

fn ndarray(map: &Map) -> Result<Kind> {
    let name = get(map, "dtype")?.as_text()?;
    let dtype =
        DType::from_name(name).ok_or_else(|| wrong(format!("no dtype is called {}", quoted(name))))?;
    let shape = match map.get("shape") {
        None => None,
        Some(shape) if shape.as_array()?.len() > NdArrayRef::MAX_RANK => {
            return Err(wrong("too many dimensions"));
        }
        Some(shape) => Some(shape.as_array()?.iter().map(length).collect::<Result<_>>()?),
    };
    let order = match map.get("order") {
        None => None,
        Some(order) => Some(Order::from_name(order.as_text()?).ok_or_else(|| wrong("no such order"))?),
    };
    Ok(Kind::NdArray { dtype, shape, order })
}

fn length(value: &Value) -> Result<Length> {
    match value {
        Value::Text(name) if name == "*" => Ok(Length::Any),
        Value::Text(name) if is_field_name(name) => Ok(Length::Named(name.clone())),
        Value::Text(name) => Err(wrong(format!("{} is not a valid name of a length", quoted(name)))),
        number => Ok(Length::Fixed(number.as_u64()?)),
    }
}

fn of_range(kind: &Kind, ends: &[Value]) -> Result<Range> {
    let [low, high] = ends else { return Err(wrong("a range has two ends")) };
    let number = |value: &Value| match value {
        Value::Int(number) => Ok(i128::from(*number)),
        other => other.as_u64().map(i128::from),
    };
    let range = match kind {
        Kind::Integer(width) => {
            let (least, greatest) = width.bounds();
            let (low, high) = (number(low)?, number(high)?);
            if low < least || high > greatest {
                return Err(wrong("a range reaches beyond its integers"));
            }
            Range::Integer(low, high)
        }
        _ => match (low, high) {
            // As in the notation, zeros have one sign: otherwise equal ranges would have two
            // fingerprints. The canonical form writes both ends of a range of floats as floats,
            // even whole numbers.
            (Value::Float(low), Value::Float(high)) => Range::Float(*low + 0.0, *high + 0.0),
            _ => return Err(wrong("a range of floats has floats as its ends")),
        },
    };
    let ordered = match range {
        Range::Integer(low, high) => low <= high,
        Range::Float(low, high) => low <= high,
    };
    if ordered { Ok(range) } else { Err(wrong("a range begins above its end")) }
}

fn fields(value: &Value, what: &str, depth: usize, remaining: &mut usize) -> Result<Vec<Field>> {
    let items = value.as_array()?;
    let mut fields: Vec<Field> = Vec::new();
    let mut taken = std::collections::HashSet::new();
    for (position, item) in items.iter().enumerate() {
        let field = field(item, what, depth, remaining).map_err(|error| error.under_index(position))?;
        // Names and aliases share one space: a key must lead to one field.
        for name in [&field.name].into_iter().chain(&field.aliases) {
            if !taken.insert(name.clone()) {
                return Err(wrong(format!("{} names two fields", quoted(name))));
            }
        }
        fields.push(field);
    }
    if fields.is_empty() { Err(wrong(format!("a {what} has at least one field"))) } else { Ok(fields) }
}

fn field(item: &Value, what: &str, depth: usize, remaining: &mut usize) -> Result<Field> {
    let map = item.as_map()?;
    let name = get(map, "name")?.as_text()?;
    if !is_field_name(name) {
        return Err(wrong(format!("{} is not a valid name of a field", quoted(name))));
    }
    let of = of_type(get(map, "type")?, depth + 1, remaining).map_err(|error| error.under_key(name))?;
    let aliases = map.get("alias").map_or(Ok(Vec::new()), names)?;
    let optional = map.get("optional").map_or(Ok(false), Value::as_bool)?;
    let default = map.get("default").cloned();
    // As in the notation, variants and columns are always present.
    if what != "record" && (optional || default.is_some() || !aliases.is_empty()) {
        return Err(wrong(format!("a part of a {what} is not optional, and has no default and no alias")));
    }
    if optional && default.is_some() {
        return Err(wrong("a field is optional or has a default"));
    }
    if let Some(default) = &default {
        check::value(&of, default)?;
    }
    if what == "table" && !of.is_column() {
        return Err(wrong("a column is a list or a vector"));
    }
    Ok(Field { name: name.to_owned(), aliases, doc: String::new(), optional, default, of })
}
