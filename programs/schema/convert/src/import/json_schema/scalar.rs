//! Types of one value: names, text and numbers, with units, ranges and defaults.

use jsonc_parser::ast::{Object, Value as Json};
use linkspan::schema::{Field, Kind, Range, Type, Width};
use linkspan::{ErrorKind, Result, Value};

use super::Reader;
use super::syntax::{get, number_of, text_of};

impl<'a> Reader<'a> {
    pub(super) fn unit(&self, all: &Object<'_>, mut of: Type) -> Result<Type> {
        if let Some(json) = get(all, "x-unit").or_else(|| get(all, "unit")) {
            let unit = text_of(json).unwrap_or_default();
            Type::check_unit(&unit).map_err(|why| self.at(json).error(ErrorKind::Malformed, why))?;
            of.unit = Some(unit);
        }
        Ok(of)
    }

    pub(super) fn names(&self, json: &Json<'_>) -> Result<(Type, bool)> {
        let Json::Array(values) = json else {
            return Err(self.at(json).error(ErrorKind::Malformed, "enum is a list"));
        };
        let mut names = Vec::new();
        let mut nullable = false;
        for value in &values.elements {
            match text_of(value) {
                Some(name) if Field::is_name(&name) && !names.contains(&name) => names.push(name),
                _ if matches!(value, Json::NullKeyword(_)) => nullable = true,
                _ => {
                    let text = "a value of an enum is a name of letters, digits and underscores, each once: use type string";
                    return Err(self.at(value).unsupported(text));
                }
            }
        }
        if names.is_empty() {
            return Err(self.at(json).unsupported("an enum has at least one value"));
        }
        Ok((Type::plain(Kind::Enum(names)), nullable))
    }

    pub(super) fn string(&mut self, all: &'a Object<'a>) -> Kind {
        let of = |key| get(all, key).and_then(text_of);
        match (of("contentEncoding").as_deref(), of("format").as_deref()) {
            (Some("base64"), _) => Kind::Bytes(None),
            (_, Some("date-time")) => Kind::Timestamp,
            (_, Some("uuid")) => Kind::Uuid,
            (_, Some(format)) => {
                if let Some(json) = get(all, "format") {
                    self.remark(
                        json,
                        format!("the format {format} is not checked: a schema has no word for it"),
                    );
                }
                Kind::Text(None)
            }
            _ => Kind::Text(None),
        }
    }

    pub(super) fn range(&self, all: &Object<'_>) -> Result<Option<(f64, f64)>> {
        for key in ["exclusiveMinimum", "exclusiveMaximum"] {
            if let Some(json) = get(all, key) {
                let text = format!("{key} cannot be expressed for a float: the ends of a range belong to it");
                return Err(self.at(json).unsupported(text));
            }
        }
        for key in ["minimum", "maximum"] {
            if let Some((json, number)) = get(all, key).and_then(|json| Some((json, number_of(json)?)))
                && number.is_infinite()
            {
                let text =
                    format!("{key} is beyond the range of f64: write a smaller number, or leave it out");
                return Err(self.at(json).error(ErrorKind::Malformed, text));
            }
        }
        let (low, high) = (get(all, "minimum").and_then(number_of), get(all, "maximum").and_then(number_of));
        if low.is_none() && high.is_none() {
            return Ok(None);
        }
        Ok(Some((low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY))))
    }

    pub(super) fn integer(&self, all: &Object<'_>) -> Result<Type> {
        let end = |key: &str, step: i128| match get(all, key) {
            None => Ok(None),
            Some(json @ Json::NumberLit(number)) => match number.value.parse::<i128>() {
                Ok(end) => Ok(Some(end.saturating_add(step))),
                Err(_) => Err(self.at(json).unsupported(
                    "the end of a range of integers is an integer of at most 128 bits: write a smaller one",
                )),
            },
            Some(json) => Err(self.at(json).error(ErrorKind::Malformed, format!("{key} is a number"))),
        };
        let low = end("minimum", 0)?.or(end("exclusiveMinimum", 1)?);
        let high = end("maximum", 0)?.or(end("exclusiveMaximum", -1)?);
        let same = |width: &Width| (low, high) == (Some(width.bounds().0), Some(width.bounds().1));
        if let Some(width) = Width::ALL.into_iter().find(same) {
            return Ok(Type::plain(Kind::Integer(width)));
        }
        let width = if high.is_some_and(|high| high > i64::MAX.into()) { Width::U64 } else { Width::I64 };
        let (least, greatest) = width.bounds();
        let mut of = Type::plain(Kind::Integer(width));
        if low.is_some() || high.is_some() {
            of.range =
                Some(Range::Integer(low.unwrap_or(least).max(least), high.unwrap_or(greatest).min(greatest)));
        }
        Ok(of)
    }
}

/// Returns a scalar's default. Returns `None` for other values, which makes the field optional.
pub(super) fn default_of(json: &Json<'_>, kind: &Kind) -> Option<Value> {
    Some(match (json, kind) {
        (Json::BooleanLit(value), Kind::Bool) => value.value.into(),
        (Json::StringLit(text), Kind::Text(_)) => text.value.to_string().into(),
        (Json::StringLit(text), Kind::Enum(values)) if values.iter().any(|name| *name == text.value) => {
            text.value.to_string().into()
        }
        (Json::NumberLit(number), Kind::Integer(_)) => number.value.parse::<i64>().ok()?.into(),
        (Json::NumberLit(number), Kind::F64) => number.value.parse::<f64>().ok()?.into(),
        _ => return None,
    })
}
