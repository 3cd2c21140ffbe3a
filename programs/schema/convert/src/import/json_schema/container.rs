//! Lists, maps, records, unions, and our export's forms for arrays and similar types.

use jsonc_parser::ast::{Object, Value as Json};
use linkspan::schema::{Field, Kind, Length, Type};
use linkspan::{DType, ErrorKind, Result, quoted};

use super::Reader;
use super::scalar::default_of;
use super::syntax::{described, get, number_of, object, text_of};

impl<'a> Reader<'a> {
    pub(super) fn list(&mut self, all: &'a Object<'a>) -> Result<Kind> {
        let most = get(all, "maxItems").and_then(number_of).map(|most| most as u64);
        let Some(items) = get(all, "items") else {
            return Ok(Kind::List(Box::new(Type::plain(Kind::Any)), most));
        };
        let (of, nullable) = self.ty(items)?;
        if nullable && of.kind != Kind::Any {
            return Err(self
                .at(items)
                .unsupported("null in a list cannot be expressed: use {} for any value"));
        }
        Ok(Kind::List(Box::new(of), most))
    }

    pub(super) fn record(&mut self, json: &'a Json<'a>, all: &'a Object<'a>) -> Result<Kind> {
        let more = get(all, "additionalProperties");
        let properties = get(all, "properties").and_then(object).filter(|all| !all.properties.is_empty());
        let Some(properties) = properties else {
            let more = more.or_else(|| get(object(get(all, "else")?)?, "additionalProperties"));
            let of = match more {
                Some(more) => self.ty(more)?,
                None => (Type::plain(Kind::Any), true),
            };
            if of.1 && of.0.kind != Kind::Any {
                return Err(self
                    .at(json)
                    .unsupported("null in a map cannot be expressed: use {} for any value"));
            }
            return Ok(Kind::Map(Box::new(of.0)));
        };
        if let [only] = &properties.properties[..]
            && let Some(kind) = self.escape(only.name.as_str(), &only.value)?
        {
            return Ok(kind);
        }
        if let Some(more @ Json::Object(_)) = more {
            let text = "properties and a schema for all others cannot be expressed together: put the others below a property";
            return Err(self.at(more).unsupported(text));
        }
        let required: Vec<String> = match get(all, "required") {
            Some(Json::Array(names)) => names.elements.iter().filter_map(text_of).collect(),
            _ => Vec::new(),
        };
        let count = |key| get(all, key).and_then(number_of);
        let is_union = (count("minProperties"), count("maxProperties")) == (Some(1.0), Some(1.0));
        let mut fields: Vec<Field> = Vec::new();
        for each in &properties.properties {
            let at = self.place(each.range.start);
            let (of, nullable) = self.ty(&each.value)?;
            let mut field = at.field(each.name.as_str(), of)?;
            if fields.iter().any(|other| other.name == field.name) {
                let text = format!("the property {} is defined twice: rename one", quoted(&field.name));
                return Err(at.error(ErrorKind::Malformed, text));
            }
            field.doc = described(&each.value);
            if !is_union {
                let default = object(&each.value).and_then(|all| get(all, "default"));
                let is_required = required.contains(&field.name);
                field.default = default
                    .filter(|_| !is_required && !nullable)
                    .and_then(|json| default_of(json, &field.of.kind));
                field.optional = field.default.is_none() && (nullable || !is_required);
            }
            fields.push(field);
        }
        Ok(if is_union { Kind::Union(fields) } else { Kind::Record(fields) })
    }

    /// Returns the type that our export wrote as an escape for values without a JSON form.
    pub(super) fn escape(&self, key: &str, json: &Json<'_>) -> Result<Option<Kind>> {
        Ok(Some(match key {
            "$bytes" => Kind::Bytes(None),
            "$time" => Kind::Timestamp,
            "$uuid" => Kind::Uuid,
            "$decimal" => Kind::Decimal,
            "$ndarray" => {
                let part = |name| get(object(get(object(json)?, "properties")?)?, name).and_then(object);
                let name =
                    part("dtype").and_then(|all| get(all, "const")).and_then(text_of).unwrap_or_default();
                let dtype = DType::from_name(&name).ok_or_else(|| {
                    self.at(json).unsupported(format!("no dtype is called {}", quoted(&name)))
                })?;
                let rank = part("shape").and_then(|all| get(all, "minItems")).and_then(number_of);
                let known = part("shape").and_then(|all| match get(all, "prefixItems") {
                    Some(Json::Array(lengths)) => Some(lengths),
                    _ => None,
                });
                let length = |at: usize| {
                    let json = known.and_then(|all| all.elements.get(at));
                    let length = json.and_then(object).and_then(|all| get(all, "const")).and_then(number_of);
                    length.map_or(Length::Any, |length| Length::Fixed(length as u64))
                };
                let shape = rank.map(|rank| (0..(rank as usize).min(15)).map(length).collect());
                Kind::NdArray { dtype, shape, order: None }
            }
            _ => return Ok(None),
        }))
    }
}
