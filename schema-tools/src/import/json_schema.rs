//! JSON Schema to the model: the everyday subset, and what our own export writes.

use std::path::Path;

use jsonc_parser::ast::{Object, Value as Json};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use linkspan::schema::{Field, Kind, Length, Range, Schema, Type, Width};
use linkspan::{DType, Error, ErrorKind, Result, Value, quoted};

use super::source::{self, Budget, Place};
use super::{Options, Remark};

/// Keywords that change what is accepted in ways that a schema has no word for.
const REFUSED: [&str; 11] = [
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "dependentRequired",
    "patternProperties",
    "prefixItems",
    "contains",
    "$dynamicRef",
];
/// Keywords that a schema does not check; more is accepted without them.
const UNCHECKED: [&str; 9] = [
    "pattern",
    "minLength",
    "maxLength",
    "multipleOf",
    "minItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "propertyNames",
];

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    root: &'a Json<'a>,
    budget: Budget,
    /// The references that are being followed, outermost first.
    open: Vec<String>,
    remarks: Vec<Remark>,
}

pub(super) fn read(file: &Path, options: &Options) -> Result<(Schema, Vec<Remark>)> {
    let text = source::text(file)?;
    let shown = file.display().to_string();
    source::check_depth(&shown, &text)?;
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = parse_to_ast(&text, &CollectOptions::default(), &strict).map_err(|error| {
        let at = Place { file: &shown, line: error.line_display(), column: error.column_display() };
        at.error(ErrorKind::Malformed, error.kind())
    })?;
    let Some(root) = &parsed.value else {
        return Err(Error::new(ErrorKind::Malformed, format!("{shown}:1:1: the file is empty")));
    };
    let mut reader = Reader {
        file: &shown,
        text: &text,
        root,
        budget: Budget::new(),
        open: Vec::new(),
        remarks: Vec::new(),
    };
    let chosen = match &options.message {
        None => root,
        Some(name) => ["$defs", "definitions"]
            .iter()
            .find_map(|place| get(object(get(object(root)?, place)?)?, name))
            .ok_or_else(|| {
                let text = format!("{shown}: no definition is called {}: look below $defs", quoted(name));
                Error::new(ErrorKind::NotFound, text)
            })?,
    };
    let title = object(chosen).and_then(|all| get(all, "title")).and_then(text_of);
    let stem = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = stem.split('.').next().unwrap_or_default().replace('-', "_");
    let names = [title.map(|title| title.replace([' ', '-'], "_")), options.message.clone(), Some(stem)];
    let name =
        names.into_iter().flatten().find(|name| Schema::is_name(name)).unwrap_or_else(|| "imported".into());
    let (of, _) = reader.ty(chosen)?;
    let mut schema = Schema::new(name, of);
    schema.doc = described(chosen);
    Ok((schema, reader.remarks))
}

fn object<'a>(json: &'a Json<'a>) -> Option<&'a Object<'a>> {
    match json {
        Json::Object(object) => Some(object),
        _ => None,
    }
}

/// The value of a key; the last one where it is written twice, as JSON's readers do.
fn get<'a>(object: &'a Object<'a>, key: &str) -> Option<&'a Json<'a>> {
    object.properties.iter().rev().find(|each| each.name.as_str() == key).map(|each| &each.value)
}

fn text_of(json: &Json<'_>) -> Option<String> {
    match json {
        Json::StringLit(text) => Some(text.value.to_string()),
        _ => None,
    }
}

fn described(json: &Json<'_>) -> String {
    object(json).and_then(|all| get(all, "description")).and_then(text_of).unwrap_or_default()
}

fn number_of(json: &Json<'_>) -> Option<f64> {
    match json {
        Json::NumberLit(number) => number.value.parse().ok(),
        _ => None,
    }
}

impl<'a> Reader<'a> {
    fn at(&self, json: &Json<'_>) -> Place<'a> {
        self.place(json.start())
    }

    fn place(&self, offset: usize) -> Place<'a> {
        let before = &self.text[..offset.min(self.text.len())];
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Place { file: self.file, line, column: before[start..].chars().count() + 1 }
    }

    fn remark(&mut self, json: &Json<'_>, text: String) {
        let place = self.at(json).to_string();
        self.remarks.push(Remark { place, text });
    }

    /// The type, and whether null is a value of it, too.
    fn ty(&mut self, json: &'a Json<'a>) -> Result<(Type, bool)> {
        let at = self.at(json);
        self.budget.take(at)?;
        self.budget.enter(at)?;
        let read = match json {
            Json::BooleanLit(all) if all.value => Ok((Type::plain(Kind::Any), true)),
            Json::Object(all) => self.within(json, all),
            Json::BooleanLit(_) => Err(at.unsupported("false accepts nothing: leave the property out")),
            _ => Err(at.error(ErrorKind::Malformed, "a schema is an object, true or false")),
        };
        self.budget.leave();
        read
    }

    fn within(&mut self, json: &'a Json<'a>, all: &'a Object<'a>) -> Result<(Type, bool)> {
        for each in &all.properties {
            let name = each.name.as_str();
            let is_ours =
                all.properties.iter().any(|other| other.name.as_str() == "type") && self.is_map_of_ours(all);
            if REFUSED.contains(&name) && !is_ours {
                let at = self.place(each.range.start);
                return Err(at.unsupported(format!(
                    "{name} cannot be expressed: write the values out, or check them in the program"
                )));
            }
        }
        if let Some(target) = get(all, "$ref") {
            return self.reference(target);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(choices) = get(all, key) {
                return self.choice(key, choices);
            }
        }
        if let Some(values) = get(all, "enum") {
            return self.names(values);
        }
        if let Some(value) = get(all, "const") {
            let value = text_of(value).filter(|name| Field::is_name(name)).ok_or_else(|| {
                self.at(value).unsupported(
                    "a const other than a name of letters, digits and underscores cannot be expressed",
                )
            })?;
            return Ok((Type::plain(Kind::Enum(vec![value])), false));
        }
        let (name, nullable) = self.type_name(all)?;
        for key in UNCHECKED {
            let is_union = key.ends_with("Properties");
            if let Some(value) = get(all, key)
                && !(is_union || (key == "pattern" && get(all, "contentEncoding").is_some()))
            {
                self.remark(value, format!("{key} is not checked: a schema has no word for it"));
            }
        }
        let mut of = Type::plain(match name.as_deref() {
            None if get(all, "properties").is_some() => self.record(json, all)?,
            None => Kind::Any,
            Some("boolean") => Kind::Bool,
            Some("string") => self.string(all),
            Some("integer") => return self.integer(all).and_then(|of| Ok((self.unit(all, of)?, nullable))),
            Some("number") => {
                let mut of = Type::plain(Kind::F64);
                of.range = self.range(all)?.map(|(low, high)| Range::Float(low, high));
                return Ok((self.unit(all, of)?, nullable));
            }
            Some("array") => self.list(all)?,
            Some("object") => self.record(json, all)?,
            Some(other) => {
                let text = format!("the type {} cannot be expressed", quoted(other));
                return Err(self.at(json).unsupported(text));
            }
        });
        of = self.unit(all, of)?;
        Ok((of, nullable))
    }

    /// Whether this is how our export writes a map: with the escape of its keys.
    fn is_map_of_ours(&self, all: &Object<'_>) -> bool {
        get(all, "if").is_some_and(|json| self.text[json.start()..json.end()].contains("\"$map\""))
    }

    fn unit(&self, all: &Object<'_>, mut of: Type) -> Result<Type> {
        if let Some(json) = get(all, "x-unit").or_else(|| get(all, "unit")) {
            let unit = text_of(json).unwrap_or_default();
            Type::check_unit(&unit).map_err(|why| self.at(json).error(ErrorKind::Malformed, why))?;
            of.unit = Some(unit);
        }
        Ok(of)
    }

    /// The name of the type, and whether null stands beside it.
    fn type_name(&self, all: &Object<'_>) -> Result<(Option<String>, bool)> {
        let names: Vec<&Json<'_>> = match get(all, "type") {
            None => return Ok((None, false)),
            Some(Json::Array(names)) => names.elements.iter().collect(),
            Some(name) => vec![name],
        };
        let mut texts = Vec::new();
        for name in &names {
            let text =
                text_of(name).ok_or_else(|| self.at(name).error(ErrorKind::Malformed, "a type is text"))?;
            texts.push(text);
        }
        let nullable = texts.iter().any(|name| name == "null");
        texts.retain(|name| name != "null");
        match (&texts[..], names.first()) {
            ([one], _) => Ok((Some(one.clone()), nullable)),
            (_, Some(first)) => {
                let text =
                    "one type, or one type and null, can be expressed; others are a union of named variants";
                Err(self.at(first).unsupported(text))
            }
            (_, None) => Ok((None, nullable)),
        }
    }

    fn reference(&mut self, json: &'a Json<'a>) -> Result<(Type, bool)> {
        let target = text_of(json).unwrap_or_default();
        let at = self.at(json);
        let Some(path) = target.strip_prefix('#') else {
            return Err(
                at.unsupported(format!("{} is in another file: copy it below $defs", quoted(&target)))
            );
        };
        if self.open.contains(&target) {
            let text = format!(
                "{} contains itself, so a value of it might have no end: use {{}} for any value",
                quoted(&target)
            );
            return Err(at.unsupported(text));
        }
        let mut found = self.root;
        for part in path.split('/').skip(1) {
            let key = part.replace("~1", "/").replace("~0", "~");
            found = object(found)
                .and_then(|all| get(all, &key))
                .ok_or_else(|| at.error(ErrorKind::NotFound, format!("nothing is at {}", quoted(&target))))?;
        }
        self.open.push(target);
        let read = self.ty(found)?;
        self.open.pop();
        Ok(read)
    }

    /// One schema and null; nothing else has a discriminator that a union could use.
    fn choice(&mut self, key: &str, json: &'a Json<'a>) -> Result<(Type, bool)> {
        let Json::Array(choices) = json else {
            return Err(self.at(json).error(ErrorKind::Malformed, format!("{key} is a list")));
        };
        let is_null = |json: &&Json<'_>| {
            object(json).and_then(|all| get(all, "type")).and_then(text_of).as_deref() == Some("null")
        };
        let others: Vec<&Json<'_>> = choices.elements.iter().filter(|json| !is_null(json)).collect();
        match others[..] {
            [one] => Ok((self.ty(one)?.0, others.len() < choices.elements.len())),
            _ => Err(self.at(json).unsupported(format!(
                "{key} of several schemas cannot be expressed: a union is an object with exactly one of its properties"
            ))),
        }
    }

    fn names(&self, json: &Json<'_>) -> Result<(Type, bool)> {
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

    fn string(&mut self, all: &'a Object<'a>) -> Kind {
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

    /// The ends, infinite where there is none.
    fn range(&self, all: &Object<'_>) -> Result<Option<(f64, f64)>> {
        for key in ["exclusiveMinimum", "exclusiveMaximum"] {
            if let Some(json) = get(all, key) {
                let text = format!("{key} cannot be expressed for a float: the ends of a range belong to it");
                return Err(self.at(json).unsupported(text));
            }
        }
        let (low, high) = (get(all, "minimum").and_then(number_of), get(all, "maximum").and_then(number_of));
        if low.is_none() && high.is_none() {
            return Ok(None);
        }
        Ok(Some((low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY))))
    }

    fn integer(&self, all: &Object<'_>) -> Result<Type> {
        let end = |key: &str, step: i128| match get(all, key) {
            None => Ok(None),
            Some(json @ Json::NumberLit(number)) => match number.value.parse::<i128>() {
                Ok(end) => Ok(Some(end.saturating_add(step))),
                Err(_) => Err(self.at(json).unsupported("the end of a range of integers is an integer")),
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

    fn list(&mut self, all: &'a Object<'a>) -> Result<Kind> {
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

    fn record(&mut self, json: &'a Json<'a>, all: &'a Object<'a>) -> Result<Kind> {
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

    /// What our export writes for values that JSON has no form for.
    fn escape(&self, key: &str, json: &Json<'_>) -> Result<Option<Kind>> {
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

/// The default of a scalar; nothing for other values, so that the field is optional.
fn default_of(json: &Json<'_>, kind: &Kind) -> Option<Value> {
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
