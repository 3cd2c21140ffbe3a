//! Whether a reader's schema can read the messages of a writer's schema, and the differences.
//!
//! The reader's range, width and lengths may be wider, never narrower. The writer must always send a field that the
//! reader needs. Units must be equal, up to notation.

use std::fmt;

use super::check::Side;
use super::model::{Field, Kind, Length, Range, Schema, Type, Width};
use super::unit;
use crate::error::{Error, ErrorKind};

/// A reason why a reader cannot read a writer's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Names of fields joined by `/`, with `*` for the values of a list or map.
    pub path: String,
    /// The difference. "There" is the writer's schema, "here" the reader's.
    pub text: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.path, self.text) }
    }
}

impl Schema {
    /// Returns why this reader cannot read every message of `writer`; empty if it can.
    ///
    /// ```
    /// # extern crate linkspan_value as linkspan;
    /// # #[cfg(feature = "schema")] {
    /// use linkspan::schema::Schema;
    ///
    /// let old = Schema::parse("name = \"power\"\n[fields.watts]\ntype = \"f64\"\nunit = \"kW\"")?;
    /// let new = Schema::parse("name = \"power\"\n[fields.watts]\ntype = \"f64\"\nunit = \"W\"")?;
    /// let found = new.cannot_read(&old);
    /// assert_eq!(found[0].to_string(), "watts: the unit is kW there and W here: 1 kW is 1000 W");
    /// # }
    /// # Ok::<(), linkspan::Error>(())
    /// ```
    pub fn cannot_read(&self, writer: &Schema) -> Vec<Difference> {
        self.cannot_read_as(writer, Side::Reader)
    }

    /// As [`Difference`], seen from one side: "here" is this side, "there" the other.
    pub(super) fn cannot_read_as(&self, writer: &Schema, side: Side) -> Vec<Difference> {
        let (writer_is, reader_is) = match side {
            Side::Reader => ("there", "here"),
            Side::Writer => ("here", "there"),
        };
        let mut comparison =
            Comparison { path: Vec::new(), found: Vec::new(), lengths: Vec::new(), writer_is, reader_is };
        if self.name != writer.name {
            comparison
                .add(format!("the schema is {} {writer_is} and {} {reader_is}", writer.name, self.name));
        }
        match (writer.layout(), self.layout()) {
            (None, None) => comparison.types(&writer.root, &self.root, false),
            (Some(there), Some(here)) if there == here => {}
            (Some(there), Some(here)) => {
                // Differing fields explain more than two sizes.
                comparison.types(&writer.root, &self.root, false);
                let text = format!(
                    "packed records have another layout {reader_is}: {} bytes {writer_is}, {} bytes {reader_is}; every field has to be the same",
                    there.size, here.size
                );
                comparison.found.insert(0, Difference { path: String::new(), text });
            }
            (Some(_), None) => comparison
                .add(format!("messages are packed bytes {writer_is} and maps of fields {reader_is}")),
            (None, Some(_)) => comparison
                .add(format!("messages are maps of fields {writer_is} and packed bytes {reader_is}")),
        }
        comparison.found
    }

    /// Returns `SchemaMismatch` with the differences, if this reader cannot read every message of `writer`.
    pub fn check_writer(&self, writer: &Schema) -> crate::Result<()> {
        let found = self.cannot_read(writer);
        if found.is_empty() {
            return Ok(());
        }
        let text = format!(
            "schema {} version {} cannot read version {}: {}",
            self.name,
            self.version,
            writer.version,
            shown(&found)
        );
        Err(Error::new(ErrorKind::SchemaMismatch, text))
    }
}

pub(super) fn shown(found: &[Difference]) -> String {
    let first: Vec<String> = found.iter().take(8).map(Difference::to_string).collect();
    let more = if found.len() > 8 { format!("; and {} more", found.len() - 8) } else { String::new() };
    first.join("; ") + &more
}

struct Comparison<'a> {
    /// The names that lead to the compared types.
    path: Vec<&'a str>,
    found: Vec<Difference>,
    /// The writer's length for each of the reader's named lengths.
    lengths: Vec<(&'a str, &'a Length)>,
    /// The writer's side: "here" or "there".
    writer_is: &'static str,
    /// "here" or "there", for the reader's side.
    reader_is: &'static str,
}

impl<'a> Comparison<'a> {
    fn add(&mut self, text: String) {
        self.found.push(Difference { path: self.path.join("/"), text });
    }

    fn within(&mut self, name: &'a str, compare: impl FnOnce(&mut Self)) {
        self.path.push(name);
        compare(self);
        self.path.pop();
    }

    /// Compares types. `has_default`: the reader replaces unknown names of an enum.
    fn types(&mut self, there: &'a Type, here: &'a Type, has_default: bool) {
        let (writer_is, reader_is) = (self.writer_is, self.reader_is);
        match (&there.kind, &here.kind) {
            (_, Kind::Any) => return,
            (Kind::List(a, most_a), Kind::List(b, most_b)) => {
                self.most(*most_a, *most_b, "values");
                self.within("*", |all| all.types(a, b, false));
            }
            (Kind::Map(a), Kind::Map(b)) => self.within("*", |all| all.types(a, b, false)),
            (Kind::Text(a), Kind::Text(b)) | (Kind::Bytes(a), Kind::Bytes(b)) => self.most(*a, *b, "bytes"),
            (Kind::Enum(a), Kind::Enum(b)) => {
                // A reader must know every name, unless a default replaces unknown names.
                let unknown: Vec<&str> =
                    a.iter().filter(|value| !b.contains(value)).map(String::as_str).collect();
                if !unknown.is_empty() && !has_default {
                    self.add(format!(
                        "the values {} are {writer_is} and not {reader_is}; a default {reader_is} would replace them",
                        unknown.join(", ")
                    ));
                }
            }
            (Kind::Record(a), Kind::Record(b)) => self.fields(a, b),
            (Kind::Union(a), Kind::Union(b)) => {
                for variant in a {
                    match b.iter().find(|other| other.name == variant.name) {
                        Some(other) => {
                            self.within(&variant.name, |all| all.types(&variant.of, &other.of, false))
                        }
                        None => self
                            .add(format!("the variant {} is {writer_is} and not {reader_is}", variant.name)),
                    }
                }
            }
            (Kind::Table(a), Kind::Table(b)) => self.fields(a, b),
            (Kind::NdArray { .. }, Kind::NdArray { .. }) => self.arrays(there, here),
            (a, b) if widens(a, b) => {}
            _ => {
                self.add(format!("the type is {there} {writer_is} and {here} {reader_is}"));
                return;
            }
        }
        if let Some(text) =
            unit::difference(there.unit.as_deref(), here.unit.as_deref(), writer_is, reader_is)
        {
            self.add(text);
        }
        if let Some(range) = here.range
            && !covers(range, there)
        {
            self.add(match there.range {
                Some(wide) => {
                    format!("the range is {wide} {writer_is} and {range} {reader_is}, which is narrower")
                }
                None => format!("there is no range {writer_is}, and {range} {reader_is}"),
            });
        }
    }

    fn most(&mut self, there: Option<u64>, here: Option<u64>, what: &str) {
        if let Some(here) = here
            && there.is_none_or(|there| there > here)
        {
            let there = there.map_or("any number of".to_owned(), |there| format!("at most {there}"));
            self.add(format!("{there} {what} {}, at most {here} {}", self.writer_is, self.reader_is));
        }
    }

    /// Compares fields by name or the reader's alias, and ignores others of the writer.
    fn fields(&mut self, there: &'a [Field], here: &'a [Field]) {
        let (writer_is, reader_is) = (self.writer_is, self.reader_is);
        for field in here {
            let writer_field = [&field.name]
                .into_iter()
                .chain(&field.aliases)
                .find_map(|name| there.iter().find(|other| other.name == *name));
            // A reader without a default needs the field in every message.
            let needed = !field.optional && field.default.is_none();
            self.within(&field.name, |all| match writer_field {
                None if needed => {
                    all.add(format!("the field is missing {writer_is}, and has no default {reader_is}"));
                }
                None => {}
                Some(writer_field) => {
                    if needed && (writer_field.optional || writer_field.default.is_some()) {
                        all.add(format!(
                            "the field may be left out {writer_is}, and has no default {reader_is}"
                        ));
                    }
                    all.types(&writer_field.of, &field.of, field.default.is_some());
                }
            });
        }
    }

    fn arrays(&mut self, there: &'a Type, here: &'a Type) {
        let (
            Kind::NdArray { dtype: writer_dtype, shape: writer_shape, order: writer_order },
            Kind::NdArray { dtype, shape, order },
        ) = (&there.kind, &here.kind)
        else {
            return;
        };
        let (writer_is, reader_is) = (self.writer_is, self.reader_is);
        if writer_dtype != dtype {
            let (writer_text, reader_text) = (writer_dtype.name(), dtype.name());
            self.add(format!("the dtype is {writer_text} {writer_is} and {reader_text} {reader_is}"));
        }
        // A reader that accepts any order needs no promise.
        if order.is_some() && writer_order != order {
            let name = |order: &Option<crate::Order>| order.map_or("any", crate::Order::name);
            let (writer_text, reader_text) = (name(writer_order), name(order));
            self.add(format!("the order is {writer_text} {writer_is} and {reader_text} {reader_is}"));
        }
        let Some(shape) = shape else { return };
        let fits = writer_shape.as_ref().is_some_and(|writer_shape| {
            writer_shape.len() == shape.len()
                && writer_shape
                    .iter()
                    .zip(shape)
                    .all(|(writer_text, reader_text)| self.length(writer_text, reader_text))
        });
        if !fits {
            let (writer_text, reader_text) = (shape_text(writer_shape.as_deref()), shape_text(Some(shape)));
            self.add(format!("the shape is {writer_text} {writer_is} and {reader_text} {reader_is}"));
        }
    }

    /// Returns whether the reader's dimension allows the writer's.
    fn length(&mut self, there: &'a Length, here: &'a Length) -> bool {
        match here {
            Length::Any => true,
            Length::Fixed(_) => there == here,
            Length::Named(name) => match self.lengths.iter().find(|(known, _)| known == name) {
                None => {
                    self.lengths.push((name, there));
                    true
                }
                // The writer must guarantee lengths that the reader requires to be equal.
                Some((_, known)) => *known == there && *there != Length::Any,
            },
        }
    }
}

fn shape_text(shape: Option<&[Length]>) -> String {
    shape.map_or("any".to_owned(), |shape| {
        format!("[{}]", shape.iter().map(Length::to_string).collect::<Vec<_>>().join(", "))
    })
}

fn widens(there: &Kind, here: &Kind) -> bool {
    match (there, here) {
        (Kind::Integer(there), Kind::Integer(here)) => {
            let ((low, high), (least, greatest)) = (there.bounds(), here.bounds());
            least <= low && high <= greatest
        }
        // f64 holds integers of 53 bits exactly.
        (Kind::Integer(there), Kind::F64) => !matches!(there, Width::I64 | Width::U64),
        // f32 holds integers of 24 bits exactly.
        (Kind::Integer(there), Kind::F32) => matches!(there, Width::I8 | Width::U8 | Width::I16 | Width::U16),
        (Kind::F32, Kind::F64) => true,
        (a, b) => a == b,
    }
}

fn covers(here: Range, there: &Type) -> bool {
    let (low, high) = match (there.range, &there.kind) {
        (Some(Range::Integer(low, high)), _) => (low, high),
        (Some(Range::Float(low, high)), _) => {
            return matches!(here, Range::Float(least, greatest) if least <= low && high <= greatest);
        }
        // Without a range, the width is the range.
        (None, Kind::Integer(width)) => width.bounds(),
        _ => return false,
    };
    match here {
        Range::Integer(least, greatest) => least <= low && high <= greatest,
        Range::Float(least, greatest) => least <= low as f64 && high as f64 <= greatest,
    }
}
