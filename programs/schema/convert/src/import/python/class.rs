//! Converts Python classes: dataclasses and TypedDicts to records, and unions of them.

use linkspan::Result;
use linkspan::schema::{Field, Kind, Schema, Type};
use linkspan_schema::generate::{Member, Shape, Slot, describe};

use super::super::source::Place;
use super::annotation::Read;
use super::expression::{Expr, What, shown};
use super::module::{Attribute, Class, Meaning};
use super::reader::Reader;

/// Bases that make a class an enum.
const ENUMS: [&str; 6] =
    ["enum.Enum", "enum.StrEnum", "enum.IntEnum", "enum.ReprEnum", "enum.Flag", "enum.IntFlag"];
/// Bases that do not affect the fields.
const PLAIN: [&str; 4] = ["object", "abc.ABC", "typing.Protocol", "collections.abc.Hashable"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Dataclass,
    TypedDict,
    Enum,
    Other,
}

impl Class {
    pub(super) fn value(&self, name: &str) -> Option<&Expr> {
        self.attributes.iter().find(|each| each.name == name)?.value.as_ref()
    }
}

/// Returns a description. Ignores a docstring of one word, because generated code uses the class's name.
pub(super) fn description(doc: &str) -> String {
    if doc.trim().contains(char::is_whitespace) { doc.trim().to_owned() } else { String::new() }
}

impl Reader<'_> {
    pub(super) fn is_record(&self, name: &str) -> bool {
        matches!(self.sort(name, 0), Sort::Dataclass | Sort::TypedDict)
    }

    fn sort(&self, name: &str, depth: usize) -> Sort {
        let Some(class) = self.module.classes.get(name) else { return Sort::Other };
        if class.decorators.iter().any(|of| self.module.known(of, name) == "dataclasses.dataclass") {
            return Sort::Dataclass;
        }
        if depth > Schema::MAX_DEPTH {
            return Sort::Other;
        }
        for base in &class.bases {
            let known = self.module.known(base, name);
            if ENUMS.contains(&known.as_str()) {
                return Sort::Enum;
            }
            if known == "typing.TypedDict" {
                return Sort::TypedDict;
            }
            if let What::Name(base) = &base.what
                && let Meaning::Class(base) = self.module.meaning(base, name)
            {
                let sort = self.sort(&base, depth + 1);
                if sort != Sort::Other {
                    return sort;
                }
            }
        }
        Sort::Other
    }

    /// Returns the type of a class's objects; the class is named at `at`.
    pub(super) fn class(&mut self, name: &str, at: usize) -> Result<Type> {
        let place = self.source.place(at);
        let sort = self.sort(name, 0);
        if sort == Sort::Enum {
            return self.enumeration(name, place);
        }
        self.enter(name, place)?;
        let mut fields = Vec::new();
        self.fields(name, place, &mut fields)?;
        self.leave();
        if fields.is_empty() {
            let text = format!("the class {name} has no fields, and a record has at least one");
            return Err(place.unsupported(text));
        }
        let is_table = self.module.classes.get(name).and_then(|class| class.value("__linkspan_table__"));
        Ok(Type::plain(match is_table {
            Some(Expr { what: What::Bool(true), .. }) => Kind::Table(fields),
            _ => Kind::Record(fields),
        }))
    }

    pub(super) fn enter(&mut self, name: &str, place: Place<'_>) -> Result<()> {
        if self.open.iter().any(|open| open == name) {
            return Err(place.unsupported(format!(
                "{name} contains itself, and schemas cannot describe recursive types: use Any for any value"
            )));
        }
        self.budget.enter(place)?;
        self.open.push(name.to_owned());
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.open.pop();
        self.budget.leave();
    }

    /// Adds a class's fields after its bases' fields; a field of a base keeps its position.
    fn fields(&mut self, name: &str, place: Place<'_>, fields: &mut Vec<Field>) -> Result<()> {
        let sort = self.sort(name, 0);
        let Some(class) = self.module.classes.get(name) else { return Ok(()) };
        let here = self.source.place(class.at);
        if class.is_twice {
            let text =
                format!("the class {name} is defined more than once: import a file that defines it once");
            return Err(here.unsupported(text));
        }
        if class.is_generic {
            let text =
                format!("{name} has type parameters, and a schema has none: write a class for each type");
            return Err(here.unsupported(text));
        }
        if sort == Sort::Other {
            let text =
                format!("the class {name} is neither a dataclass nor a TypedDict: put @dataclass before it");
            return Err(place.unsupported(text));
        }
        let mut bases = class.bases.clone();
        if sort == Sort::Dataclass {
            // In the order of dataclasses: last base first.
            bases.reverse();
        }
        for base in bases {
            self.base(&base, name, fields)?;
        }
        let Some(class) = self.module.classes.get(name) else { return Ok(()) };
        let is_own = sort == Sort::TypedDict
            || class.decorators.iter().any(|of| self.module.known(of, name) == "dataclasses.dataclass");
        if !is_own {
            return Ok(());
        }
        let is_total =
            !class.keywords.iter().any(|(key, value)| key == "total" && value.what == What::Bool(false));
        let keys = keys(class);
        for at in 0..class.attributes.len() {
            let Some(attribute) = self.module.classes.get(name).and_then(|class| class.attributes.get(at))
            else {
                break;
            };
            let Some(annotation) = attribute.annotation.clone() else { continue };
            let attribute = Attribute {
                at: attribute.at,
                name: attribute.name.clone(),
                annotation: None,
                value: attribute.value.clone(),
                doc: attribute.doc.clone(),
            };
            if let Some(field) = self.field(&attribute, &annotation, name, (sort, is_total), &keys)? {
                match fields.iter_mut().find(|known| known.name == field.name) {
                    Some(known) => *known = field,
                    None => fields.push(field),
                }
            }
        }
        Ok(())
    }

    fn base(&mut self, base: &Expr, name: &str, fields: &mut Vec<Field>) -> Result<()> {
        let place = self.source.place(base.at);
        if let What::Name(of) = &base.what
            && let Meaning::Class(of) = self.module.meaning(of, name)
        {
            // A base that is not a dataclass adds no fields.
            if self.sort(&of, 0) == Sort::Other {
                return Ok(());
            }
            self.enter(&of, place)?;
            self.fields(&of, place, fields)?;
            self.leave();
            return Ok(());
        }
        let known = self.module.known(base, name);
        if PLAIN.contains(&known.as_str()) || known == "typing.TypedDict" {
            return Ok(());
        }
        let text = match known.as_str() {
            "typing.Generic" => {
                format!("{name} is generic, and a schema has no type parameters: write a class for each type")
            }
            _ => format!(
                "the base {} of {name} is not in this file: put it there, as a dataclass",
                shown(base)
            ),
        };
        Err(place.unsupported(text))
    }

    fn field(
        &mut self,
        attribute: &Attribute,
        annotation: &Expr,
        within: &str,
        (sort, is_total): (Sort, bool),
        keys: &[(String, String)],
    ) -> Result<Option<Field>> {
        let place = self.source.place(attribute.at);
        let outer = self.module.known(annotation, within);
        if matches!(outer.as_str(), "typing.ClassVar" | "dataclasses.InitVar" | "dataclasses.KW_ONLY") {
            return Ok(None);
        }
        let Read { of, is_nullable, is_required, aliases, doc, .. } = self.annotation(annotation, within)?;
        let key =
            keys.iter().find(|(name, _)| *name == attribute.name).map_or(&attribute.name, |(_, key)| key);
        let mut field = place.field(key, of)?;
        field.aliases = aliases;
        field.optional = is_nullable;
        match sort {
            Sort::TypedDict => field.optional |= !is_required.unwrap_or(is_total),
            _ => self.default(&mut field, attribute, within)?,
        }
        field.doc = self.description(&field, attribute, doc, annotation, within);
        // Adds this field's place to errors of the notation, such as a unit that does not fit the type.
        let alone = Schema::new("field", Type::plain(Kind::Record(vec![field.clone()])));
        Schema::parse(&alone.to_toml()).map_err(|error| {
            let text = error.text().split_once(": ").map_or(error.text(), |(_, why)| why).to_owned();
            place.error(error.kind(), format!("{}: {text}", attribute.name))
        })?;
        Ok(Some(field))
    }

    /// Returns a field's description, without the text that the generator adds.
    fn description(
        &self,
        field: &Field,
        attribute: &Attribute,
        doc: String,
        annotation: &Expr,
        within: &str,
    ) -> String {
        if !attribute.doc.is_empty() {
            let member = Member {
                name: String::new(),
                key: String::new(),
                aliases: Vec::new(),
                doc: String::new(),
                optional: field.optional,
                default: field.default.clone(),
                slot: slot(&field.of),
            };
            let added = describe(&member);
            return without(&attribute.doc, &added).trim().to_owned();
        }
        if !doc.is_empty() {
            return doc;
        }
        match &annotation.what {
            What::Name(name) => match self.module.meaning(name, within) {
                Meaning::Class(name) => {
                    self.module.classes.get(&name).map_or(String::new(), |class| description(&class.doc))
                }
                _ => String::new(),
            },
            _ => String::new(),
        }
    }

    pub(super) fn union(&mut self, classes: &[(String, usize)], at: usize) -> Result<Type> {
        let place = self.source.place(at);
        let mut variants: Vec<Field> = Vec::new();
        for (name, at) in classes {
            let of = self.class(name, *at)?;
            let names: Vec<&str> = classes.iter().map(|(name, _)| name.as_str()).collect();
            match of.kind {
                Kind::Record(mut fields)
                    if fields.len() == 1 && !fields[0].optional && fields[0].default.is_none() =>
                {
                    variants.append(&mut fields);
                }
                _ => {
                    return Err(place.unsupported(format!(
                        "{} cannot be distinguished in a message: a union is classes with one required field each, whose names differ",
                        names.join(" | ")
                    )));
                }
            }
        }
        for (at, variant) in variants.iter().enumerate() {
            if variants[..at].iter().any(|other| other.name == variant.name) {
                let text = format!("two classes of the union have the field {}: rename one", variant.name);
                return Err(place.unsupported(text));
            }
        }
        Ok(Type::plain(Kind::Union(variants)))
    }
}

/// Returns the text without these trailing words, regardless of line breaks.
fn without<'a>(text: &'a str, tail: &str) -> &'a str {
    let mut rest = text.trim_end();
    for word in tail.split_whitespace().rev() {
        match rest.strip_suffix(word) {
            Some(before) => rest = before.trim_end(),
            None => return text,
        }
    }
    rest
}

/// Returns the keys of fields with another name in the class, as generated code declares them.
fn keys(class: &Class) -> Vec<(String, String)> {
    let Some(Expr { what: What::Items(all), .. }) = class.value("__linkspan_fields__") else {
        return Vec::new();
    };
    let pair = |each: &Expr| match &each.what {
        What::Items(parts) => match &parts[..] {
            [Expr { what: What::Text(name), .. }, Expr { what: What::Text(key), .. }, ..] => {
                Some((name.clone(), key.clone()))
            }
            _ => None,
        },
        _ => None,
    };
    all.iter().filter_map(pair).collect()
}

fn slot(of: &Type) -> Slot {
    let shape = match &of.kind {
        Kind::Text(most) => Shape::Text(*most),
        Kind::Bytes(most) => Shape::Bytes(*most),
        Kind::List(of, most) => Shape::List(Box::new(slot(of)), *most),
        Kind::Map(of) => Shape::Map(Box::new(slot(of))),
        Kind::NdArray { dtype, shape, order } => {
            Shape::NdArray { dtype: *dtype, shape: shape.clone(), order: *order }
        }
        _ => Shape::Any,
    };
    Slot { shape, unit: of.unit.clone(), range: of.range }
}
