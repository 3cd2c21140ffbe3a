//! The attributes of a type and of a field: units, ranges, lengths, defaults.
//!
//! Each kind accepts a list of keys. Another key is an error that proposes the nearest one.

use base64::Engine as _;
use toml::de::DeValue;

use super::Resolver;
use crate::error::{Error, Result, quoted};
use crate::schema::model::{Field, Kind, Length, Range, Type, Width};
use crate::schema::source::{is_field_name, proposal};
use crate::schema::table::{Item, Table};
use crate::schema::unit;
use crate::value::{DType, Map, NdArrayRef, Order, Value};

const FIELD_KEYS: [&str; 4] = ["doc", "optional", "default", "alias"];

impl<'a> Resolver<'a> {
    /// Returns a type of this kind with the attributes in this table.
    ///
    /// `beside` are keys of the table that do not belong to the type, such as a field's own keys.
    pub(super) fn of_kind(
        &mut self,
        kind: &str,
        file: usize,
        table: &Table<'a>,
        beside: &[&str],
    ) -> Result<Type> {
        let own: &[&str] = match kind {
            "text" | "bytes" => &["max_length"],
            "enum" => &["values"],
            "list" => &["of", "max_length"],
            "map" => &["of"],
            "record" => &["fields"],
            "union" => &["variants"],
            "table" => &["columns"],
            "ndarray" => &["dtype", "shape", "order", "unit"],
            "decimal" => &["unit"],
            "any" | "bool" | "timestamp" | "uuid" => &[],
            _ => &["unit", "range"],
        };
        table.only(&format!("a type {kind}"), &[&["type"], own, beside].concat())?;
        // The limit is bytes for text and bytes, values for lists.
        let most = table.get("max_length").map(|item| item.count()).transpose()?;
        let kind = match kind {
            "text" => Kind::Text(most),
            "bytes" => Kind::Bytes(most),
            "enum" => Kind::Enum(values(table)?),
            "list" => Kind::List(Box::new(self.of(file, table)?), most),
            "map" => Kind::Map(Box::new(self.of(file, table)?)),
            "record" => Kind::Record(self.fields(file, table, "fields", "record")?),
            "union" => Kind::Union(self.fields(file, table, "variants", "union")?),
            "table" => Kind::Table(self.fields(file, table, "columns", "table")?),
            "ndarray" => ndarray(table)?,
            name => super::plain(name).ok_or_else(|| table.source.error(&table.span, "no such kind"))?,
        };
        let unit = match table.get("unit") {
            None => None,
            Some(item) => {
                let text = item.text()?;
                unit::check(text).map_err(|why| item.error(why))?;
                Some(text.to_owned())
            }
        };
        let range = table.get("range").map(|item| range(&kind, &item)).transpose()?;
        Ok(Type { kind, unit, range })
    }

    fn of(&mut self, file: usize, table: &Table<'a>) -> Result<Type> {
        let Some(item) = table.get("of") else {
            let text = "the type of the values is missing, such as of = \"f64\"";
            return Err(table.source.error(&table.span, text));
        };
        match item.value {
            // A table defines the type in place; a text names it.
            DeValue::Table(_) => self.ty(file, &item.table()?, &[]),
            _ => self.written(file, &item),
        }
    }

    /// Returns a field, a variant or a column, from a table or from the text that names its type.
    ///
    /// # Errors
    ///
    /// `Malformed` at the position of the value that breaks a rule.
    pub(super) fn field(&mut self, file: usize, name: &str, item: &Item<'a>, what: &str) -> Result<Field> {
        let mut field = Field::new(name, Type::plain(Kind::Any));
        if matches!(item.value, DeValue::String(_)) {
            field.of = self.written(file, item)?;
        } else {
            let table = item.table()?;
            field.of = self.ty(file, &table, if what == "record" { &FIELD_KEYS } else { &["doc"] })?;
            field.doc = table.text_or_empty("doc")?;
            field.optional = table.get("optional").map_or(Ok(false), |item| item.bool())?;
            field.aliases = table.get("alias").map_or(Ok(Vec::new()), |item| aliases(&item))?;
            if let Some(item) = table.get("default") {
                // With both, an absent field would be ambiguous.
                if field.optional {
                    let text =
                        "a field has a default or is optional, not both: with a default it may be left out";
                    return Err(item.error(text));
                }
                field.default = Some(default(&field.of, &item)?);
            }
        }
        // Columns have one length, so a column must be a sequence.
        if what == "table" && !field.of.is_column() {
            return Err(item.error("a column is a list, or an ndarray with a shape of one dimension"));
        }
        Ok(field)
    }
}

fn values(table: &Table<'_>) -> Result<Vec<String>> {
    let Some(item) = table.get("values") else {
        let text = "an enum has values, such as values = [\"OFF\", \"ON\"]";
        return Err(table.source.error(&table.span, text));
    };
    let mut values: Vec<String> = Vec::new();
    for item in item.list()? {
        let value = item.text()?;
        if !is_field_name(value) {
            return Err(item
                .error(format!("{} is not a valid name of letters, digits and underscores", quoted(value))));
        }
        // Values are compared as text, so equal texts would be one value.
        if values.iter().any(|other| other == value) {
            return Err(item.error(format!("{} stands here twice", quoted(value))));
        }
        values.push(value.to_owned());
    }
    if values.is_empty() { Err(item.error("an enum has at least one value")) } else { Ok(values) }
}

fn aliases(item: &Item<'_>) -> Result<Vec<String>> {
    let items = if item.value.as_str().is_some() { vec![item.clone()] } else { item.list()? };
    let mut names = Vec::new();
    for item in items {
        let name = item.text()?;
        if !is_field_name(name) {
            return Err(item
                .error(format!("{} is not a valid name of letters, digits and underscores", quoted(name))));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn ndarray(table: &Table<'_>) -> Result<Kind> {
    let Some(item) = table.get("dtype") else {
        return Err(table.source.error(&table.span, "an ndarray has a dtype, such as dtype = \"f32\""));
    };
    let name = item.text()?;
    let dtype = DType::from_name(name).ok_or_else(|| {
        let known = DType::ALL.into_iter().map(DType::name);
        item.error(format!("no dtype is called {}: {}", quoted(name), proposal(name, known)))
    })?;
    let shape = table.get("shape").map(|item| shape(&item)).transpose()?;
    let order = match table.get("order") {
        None => None,
        Some(item) => Some(
            Order::from_name(item.text()?).ok_or_else(|| item.error("an order is \"row\" or \"column\""))?,
        ),
    };
    Ok(Kind::NdArray { dtype, shape, order })
}

fn shape(item: &Item<'_>) -> Result<Vec<Length>> {
    let items = item.list()?;
    if items.len() > NdArrayRef::MAX_RANK {
        return Err(item.error(format!("an ndarray has at most {} dimensions", NdArrayRef::MAX_RANK)));
    }
    let length = |item: &Item<'_>| match item.value {
        DeValue::String(name) if name == "*" => Ok(Length::Any),
        DeValue::String(name) if is_field_name(name) => Ok(Length::Named(name.to_string())),
        DeValue::Integer(_) => Ok(Length::Fixed(item.count()?)),
        _ => Err(item.error("a length is a number, a name that stands for one, or \"*\"")),
    };
    items.iter().map(length).collect()
}

fn range(kind: &Kind, item: &Item<'_>) -> Result<Range> {
    let ends = item.list()?;
    let [low, high] = ends.as_slice() else {
        return Err(item.error("a range is [least, greatest]"));
    };
    let range = match kind {
        Kind::Integer(width) => {
            // Each end must be a number of the type itself.
            let (least, greatest) = width.bounds();
            for end in [low, high] {
                let number = end.integer()?;
                if !(least..=greatest).contains(&number) {
                    return Err(end.error(format!("{number} is no {}", width.name())));
                }
            }
            Range::Integer(low.integer()?, high.integer()?)
        }
        // Zeros have one sign, because equal ranges must have one canonical form.
        _ => Range::Float(low.float()? + 0.0, high.float()? + 0.0),
    };
    let ordered = match range {
        Range::Integer(low, high) => low <= high,
        Range::Float(low, high) => low <= high,
    };
    if ordered { Ok(range) } else { Err(item.error("the least number of a range comes first")) }
}

/// Returns the default of a field: a value of its type, as TOML can write it.
fn default(of: &Type, item: &Item<'_>) -> Result<Value> {
    let value = converted(&of.kind, item)?;
    // The check of messages: a default is a value that a writer could send.
    crate::schema::check::value(of, &value)
        .map_err(|error| item.error(format!("this default does not fit: {error}")))?;
    Ok(value)
}

/// Converts a TOML value to a value of this kind.
///
/// Kinds that TOML lacks are text: decimals with their digits, bytes in base64. The caller checks
/// the result against the whole type, including ranges and names.
fn converted(kind: &Kind, item: &Item<'_>) -> Result<Value> {
    let refused = |error: Error| item.error(error.text());
    Ok(match (kind, item.value) {
        (Kind::Any, _) => return Err(item.error("a field of type any has no default: make it optional")),
        // Numbers above `i64::MAX` are another kind of value.
        (Kind::Integer(Width::U64), DeValue::Integer(_)) => match u64::try_from(item.integer()?) {
            Ok(number) => number.into(),
            Err(_) => return Err(item.error("this default does not fit u64")),
        },
        (Kind::F32 | Kind::F64, _) => item.float()?.into(),
        // TOML allows a space between date and time; RFC 3339 has a T.
        (Kind::Timestamp, DeValue::Datetime(at)) => {
            Value::Timestamp(at.to_string().replace(' ', "T").parse().map_err(refused)?)
        }
        (Kind::Timestamp, _) => Value::Timestamp(item.text()?.parse().map_err(refused)?),
        (Kind::Decimal, _) => Value::Decimal(item.text()?.parse().map_err(refused)?),
        (Kind::Bytes(_), _) => {
            // TOML lacks bytes.
            let bytes = base64::engine::general_purpose::STANDARD.decode(item.text()?);
            Value::Bytes(bytes.map_err(|_| item.error("bytes are written in base64 here"))?.into())
        }
        (Kind::List(of, _), _) => {
            Value::Array(item.list()?.iter().map(|item| converted(&of.kind, item)).collect::<Result<_>>()?)
        }
        (Kind::Map(of), _) => {
            let entries = item.table()?;
            let entries =
                entries.entries().map(|(key, _, item)| Ok((key.to_owned(), converted(&of.kind, &item)?)));
            Value::Map(entries.collect::<Result<Map>>()?)
        }
        // TOML could express these, but an absent record is clearer than a default record.
        (Kind::Record(_) | Kind::Union(_) | Kind::Table(_) | Kind::NdArray { .. } | Kind::Uuid, _) => {
            return Err(
                item.error(format!("a field of type {} has no default: make it optional", kind.name()))
            );
        }
        (_, DeValue::Boolean(value)) => (*value).into(),
        (_, DeValue::Integer(_)) => match i64::try_from(item.integer()?) {
            Ok(number) => number.into(),
            Err(_) => return Err(item.error("this default does not fit")),
        },
        _ => item.text()?.into(),
    })
}
