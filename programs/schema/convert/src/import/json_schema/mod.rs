//! Imports JSON Schema: the common subset, and the output of our own export.
//!
//! | part | lives in |
//! |---|---|
//! | a file, its schema, references, choices | here |
//! | types of one value | `scalar` |
//! | types that contain others | `container` |
//! | parts of the text | `syntax` |

mod container;
mod scalar;
mod syntax;

use std::path::Path;

use jsonc_parser::ast::{Object, Value as Json};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use linkspan::schema::{Field, Kind, Range, Schema, Type};
use linkspan::{Error, ErrorKind, Result, quoted};

use super::source::{self, Budget, Place};
use super::{Options, Remark};
use syntax::{described, get, object, text_of};

/// Keywords whose effect a schema cannot express.
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
/// Keywords that a schema does not check; it accepts more without them.
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
    /// The references being followed, outermost first.
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
        return Err(Error::new(
            ErrorKind::Malformed,
            format!(
                "{shown}:1:1: the file is empty: a schema of an object is expected, such as {{\"type\": \"object\"}}"
            ),
        ));
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
                let (of, nullable) = self.choice(key, choices)?;
                return Ok((self.unit(all, of)?, nullable));
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

    /// Returns whether our export wrote this map, with the escape of its keys.
    fn is_map_of_ours(&self, all: &Object<'_>) -> bool {
        get(all, "if").is_some_and(|json| self.text[json.start()..json.end()].contains("\"$map\""))
    }

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
                "{} contains itself, and schemas cannot describe recursive types: use {{}} for any value",
                quoted(&target)
            );
            return Err(at.unsupported(text));
        }
        let mut found = self.root;
        for part in path.split('/').skip(1) {
            let key = unescaped(part).replace("~1", "/").replace("~0", "~");
            found = object(found)
                .and_then(|all| get(all, &key))
                .ok_or_else(|| at.error(ErrorKind::NotFound, format!("nothing is at {}", quoted(&target))))?;
        }
        self.open.push(target);
        let read = self.ty(found)?;
        self.open.pop();
        Ok(read)
    }

    /// Reads one schema and null. Only a union has several schemas, and it needs a discriminator.
    fn choice(&mut self, key: &str, json: &'a Json<'a>) -> Result<(Type, bool)> {
        let Json::Array(choices) = json else {
            return Err(self.at(json).error(ErrorKind::Malformed, format!("{key} is a list")));
        };
        let is_null = |json: &&Json<'_>| {
            object(json).and_then(|all| get(all, "type")).and_then(text_of).as_deref() == Some("null")
        };
        // The form of our export for floats without a JSON number.
        let is_float = |json: &&Json<'_>| {
            let properties = object(json).and_then(|all| object(get(all, "properties")?));
            properties.is_some_and(|all| all.properties.len() == 1 && get(all, "$float").is_some())
        };
        let is_nullable = choices.elements.iter().any(|json| is_null(&json));
        let others: Vec<&Json<'_>> =
            choices.elements.iter().filter(|json| !is_null(json) && !is_float(json)).collect();
        match others[..] {
            [one] => Ok((self.ty(one)?.0, is_nullable)),
            _ => Err(self.at(json).unsupported(format!(
                "{key} of several schemas cannot be expressed: a union is an object with exactly one of its properties"
            ))),
        }
    }
}

/// Decodes the `%` escapes of a URI fragment.
fn unescaped(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        let digits =
            after.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
