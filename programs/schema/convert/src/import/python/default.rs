//! Defaults of dataclasses: literals, enum members, and calls that only construct a value.

use linkspan::schema::{Field, Kind};
use linkspan::{ErrorKind, Result, Timestamp, Value};

use super::expression::{Expr, What, refused, shown};
use super::module::{Attribute, Meaning};
use super::reader::Reader;

/// The most names that are followed to find a value.
const MAX_NAMES: usize = 16;

impl Reader<'_> {
    pub(super) fn default(&mut self, field: &mut Field, attribute: &Attribute, within: &str) -> Result<()> {
        let Some(given) = &attribute.value else { return Ok(()) };
        let given = match &given.what {
            What::Call(_, _, named) if self.module.known(given, within) == "dataclasses.field" => {
                match self.of_field(given, named, within) {
                    Ok(Some(given)) => given,
                    Ok(None) => return Ok(()),
                    // A field of any type accepts any default.
                    Err(_) if field.of.kind == Kind::Any => given.clone(),
                    Err(error) => return Err(error),
                }
            }
            _ => given.clone(),
        };
        let place = self.source.place(given.at);
        if given.what == What::None {
            if !field.optional && field.of.kind != Kind::Any {
                let text = format!("None is no {}: write the type with | None", field.of);
                return Err(place.unsupported(text));
            }
            field.optional = true;
            return Ok(());
        }
        let value = match field.of.kind {
            // A field of any type accepts any default.
            Kind::Any => None,
            _ => Some(self.value(&given, &field.of.kind, within, 0).ok_or_else(|| {
                let why =
                    format!("cannot be the default of {}: write a literal, or None, or no default", field.of);
                refused(place, ErrorKind::Unsupported, &given, &why)
            })?),
        };
        let why = if field.optional {
            "a field that may be None is absent without it"
        } else if let Some(value) = value.filter(|value| has_notation(&field.of.kind, value)) {
            field.default = Some(value);
            return Ok(());
        } else {
            field.optional = true;
            "values of any type have no default in a schema, and the field is optional instead"
        };
        self.remark(given.at, format!("the default {} is left out: {why}", shown(&given)));
        Ok(())
    }

    fn of_field(&self, at: &Expr, named: &[(String, Expr)], within: &str) -> Result<Option<Expr>> {
        let of = |key: &str| named.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        if let Some(default) = of("default") {
            return Ok(Some(default.clone()));
        }
        let Some(factory) = of("default_factory") else { return Ok(None) };
        let what = match (&factory.what, self.module.known(factory, within).as_str()) {
            (What::Lambda(body), _) => return Ok(Some((**body).clone())),
            (_, "list" | "tuple") => What::Items(Vec::new()),
            (_, "dict") => What::Entries(Vec::new()),
            (_, "str") => What::Text(String::new()),
            (_, "int") => What::Integer(0),
            (_, "float") => What::Float(0.0),
            (_, "bool") => What::Bool(false),
            (_, "bytes") => What::Bytes(Vec::new()),
            _ => {
                let why = "is called for each object, and nothing is run here: write a literal in a lambda, or no default";
                return Err(refused(self.source.place(factory.at), ErrorKind::Unsupported, factory, why));
            }
        };
        Ok(Some(Expr { at: at.at, what }))
    }

    pub(super) fn float(&self, of: &Expr) -> Option<f64> {
        match &of.what {
            What::Integer(number) => Some(*number as f64),
            What::Float(number) => Some(*number),
            What::Name(_) => match self.module.known(of, "").as_str() {
                "math.inf" | "numpy.inf" => Some(f64::INFINITY),
                _ => None,
            },
            What::Call(_, given, _) if self.module.known(of, "") == "float" => match &given.first()?.what {
                What::Text(text) => text.parse().ok(),
                _ => None,
            },
            _ => None,
        }
    }

    fn value(&self, of: &Expr, kind: &Kind, within: &str, names: usize) -> Option<Value> {
        if let What::Name(name) = &of.what
            && names < MAX_NAMES
        {
            if let Meaning::Assigned(value) = self.module.meaning(name, within) {
                return self.value(value, kind, "", names + 1);
            }
            if let Some((class, member)) = name.rsplit_once('.')
                && let Meaning::Class(class) = self.module.meaning(class, within)
            {
                let value = self.module.classes.get(&class)?.value(member)?;
                let is_auto = self.module.known(value, &class) == "enum.auto";
                return match (kind, is_auto) {
                    // StrEnum names its members in lower case.
                    (Kind::Enum(values), true) => values
                        .iter()
                        .find(|name| **name == member.to_lowercase())
                        .map(|name| name.as_str().into()),
                    _ => self.value(value, kind, &class, names + 1),
                };
            }
        }
        let argument = || match &of.what {
            What::Call(_, given, _) => given.first().map(|of| &of.what),
            _ => None,
        };
        Some(match (kind, &of.what) {
            (Kind::Bool, What::Bool(value)) => (*value).into(),
            (Kind::Integer(_), What::Integer(number)) => integer(*number)?,
            (Kind::F32 | Kind::F64, _) => self.float(of)?.into(),
            (Kind::Text(_), What::Text(text)) => text.as_str().into(),
            (Kind::Enum(values), What::Text(text)) if values.contains(text) => text.as_str().into(),
            (Kind::Bytes(_), What::Bytes(bytes)) => Value::Bytes(bytes.clone().into()),
            (Kind::Timestamp, What::Call(..)) if self.module.known(of, within).ends_with(".Timestamp") => {
                match argument()? {
                    What::Integer(number) => Value::Timestamp(Timestamp(i64::try_from(*number).ok()?)),
                    _ => return None,
                }
            }
            (Kind::Decimal, What::Call(..)) if self.module.known(of, within) == "decimal.Decimal" => {
                match argument()? {
                    What::Text(text) => Value::Decimal(text.parse().ok()?),
                    What::Integer(number) => Value::Decimal(number.to_string().parse().ok()?),
                    _ => return None,
                }
            }
            (Kind::List(each, _), What::Items(items)) => {
                let items = items.iter().map(|item| self.value(item, &each.kind, within, names));
                Value::Array(items.collect::<Option<Vec<_>>>()?)
            }
            (Kind::Map(each), What::Entries(entries)) => {
                let entry = |(key, value): &(Expr, Expr)| match &key.what {
                    What::Text(key) => Some((key.clone(), self.value(value, &each.kind, within, names)?)),
                    _ => None,
                };
                Value::Map(entries.iter().map(entry).collect::<Option<_>>()?)
            }
            (Kind::Any, What::Bool(value)) => (*value).into(),
            (Kind::Any, What::Integer(number)) => integer(*number)?,
            (Kind::Any, What::Float(number)) => (*number).into(),
            (Kind::Any, What::Text(text)) => text.as_str().into(),
            _ => return None,
        })
    }
}

/// Returns whether the schemas' notation can write this default; it cannot for values of any type.
fn has_notation(kind: &Kind, value: &Value) -> bool {
    match (kind, value) {
        (Kind::Any, _) => false,
        (Kind::List(each, _), Value::Array(items)) => items.iter().all(|item| has_notation(&each.kind, item)),
        (Kind::Map(each), Value::Map(entries)) => {
            entries.values().all(|value| has_notation(&each.kind, value))
        }
        _ => true,
    }
}

fn integer(number: i128) -> Option<Value> {
    match (i64::try_from(number), u64::try_from(number)) {
        (Ok(number), _) => Some(number.into()),
        (_, Ok(number)) => Some(number.into()),
        _ => None,
    }
}
