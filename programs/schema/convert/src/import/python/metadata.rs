//! Metadata in `Annotated`: `linkspan.generated.SchemaType`; constraints of annotated-types, pydantic.

use linkspan::schema::{Kind, Length, Range, Type, Width};
use linkspan::{ErrorKind, Order, Result, quoted};

use super::annotation::Read;
use super::expression::{Expr, What, shown};
use super::reader::Reader;

impl Reader<'_> {
    pub(super) fn metadata(&mut self, read: &mut Read, of: &Expr) -> Result<()> {
        let full = self.module.known(of, "");
        let What::Call(_, given, named) = &of.what else {
            // Texts and other objects are for other readers.
            return Ok(());
        };
        match full.as_str() {
            "linkspan.generated.SchemaType" | "linkspan.SchemaType" => {
                if let Some(Expr { what: What::Text(name), at }) = given.first() {
                    self.narrow(&mut read.of, name, *at)?;
                }
                for (key, value) in named {
                    self.key(read, key, value)?;
                }
                Ok(())
            }
            "typing.Doc" | "annotated_doc.Doc" | "annotated_types.doc" => {
                if let Some(Expr { what: What::Text(doc), .. }) = given.first() {
                    read.doc.clone_from(doc);
                }
                Ok(())
            }
            "annotated_types.Unit" => match given.first() {
                Some(unit) => self.key(read, "unit", unit),
                None => Ok(()),
            },
            "annotated_types.Interval" | "pydantic.Field" | "annotated_types.Ge" | "annotated_types.Le" => {
                let end = |key: &str| {
                    let alone = full.ends_with(&format!(".{}e", &key[..1].to_uppercase()));
                    let named = named.iter().find(|(name, _)| name == key).map(|(_, value)| value);
                    named.or(given.first().filter(|_| alone))
                };
                let (low, high) = (end("ge").cloned(), end("le").cloned());
                for (key, value) in named {
                    match (key.as_str(), &value.what) {
                        ("ge" | "le", _) => {}
                        ("description", What::Text(doc)) => read.doc.clone_from(doc),
                        _ => self
                            .remark(value.at, format!("{key} is not checked: a schema has no word for it")),
                    }
                }
                if low.is_none() && high.is_none() {
                    return Ok(());
                }
                self.range(&mut read.of, low.as_ref(), high.as_ref(), of.at)
            }
            _ => {
                self.remark(
                    of.at,
                    format!("{} is not checked: it is no constraint that a schema has", shown(of)),
                );
                Ok(())
            }
        }
    }

    /// Changes a number's width, keeping its kind.
    fn narrow(&self, of: &mut Type, name: &str, at: usize) -> Result<()> {
        let kind = match &of.kind {
            Kind::Integer(_) => Width::ALL.into_iter().find(|width| width.name() == name).map(Kind::Integer),
            Kind::F64 | Kind::F32 => match name {
                "f32" => Some(Kind::F32),
                "f64" => Some(Kind::F64),
                _ => None,
            },
            _ => None,
        };
        of.kind = kind.ok_or_else(|| {
            let text = format!(
                "the type {} does not go with {of}: a width of integers with int, f32 with float",
                quoted(name)
            );
            self.source.place(at).unsupported(text)
        })?;
        Ok(())
    }

    fn key(&self, read: &mut Read, key: &str, value: &Expr) -> Result<()> {
        let place = self.source.place(value.at);
        let bad = |wanted: &str| place.error(ErrorKind::Malformed, format!("{key} is {wanted}"));
        match (key, &value.what, &mut read.of.kind) {
            ("unit", What::Text(unit), _) => {
                Type::check_unit(unit).map_err(|why| place.error(ErrorKind::Malformed, why))?;
                read.of.unit = Some(unit.clone());
            }
            ("unit", ..) => return Err(bad("a text")),
            ("range", What::Items(ends), _) => match &ends[..] {
                [low, high] => self.range(&mut read.of, Some(low), Some(high), value.at)?,
                _ => return Err(bad("a tuple of the least and the greatest number")),
            },
            ("range", ..) => return Err(bad("a tuple of the least and the greatest number")),
            ("max_length", What::Integer(most), Kind::Text(of) | Kind::Bytes(of) | Kind::List(_, of)) => {
                *of = Some(u64::try_from(*most).map_err(|_| bad("a number of bytes or values"))?);
            }
            ("max_length", ..) => return Err(bad("a number, beside text, bytes or a list")),
            ("shape", What::Items(all), Kind::NdArray { shape, .. }) => {
                let length = |each: &Expr| match &each.what {
                    What::Integer(length) => u64::try_from(*length).ok().map(Length::Fixed),
                    What::Text(any) if any == "*" => Some(Length::Any),
                    What::Text(name) => Some(Length::Named(name.clone())),
                    _ => None,
                };
                let lengths: Option<Vec<Length>> = all.iter().map(length).collect();
                *shape = Some(lengths.ok_or_else(|| bad("a tuple of numbers, names and \"*\""))?);
            }
            ("shape", ..) => return Err(bad("a tuple, beside an array")),
            ("dtype", What::Text(name), Kind::NdArray { dtype, .. }) => {
                *dtype =
                    linkspan::DType::from_name(name).ok_or_else(|| bad("an element type such as \"f64\""))?;
            }
            ("dtype", ..) => return Err(bad("an element type such as \"f64\", beside an array")),
            ("order", What::Text(name), Kind::NdArray { order, .. }) => {
                let known = [Order::Row, Order::Column].into_iter().find(|order| order.name() == name);
                *order = Some(known.ok_or_else(|| bad("\"row\" or \"column\""))?);
            }
            ("order", ..) => return Err(bad("\"row\" or \"column\", beside an array")),
            ("alias", What::Text(name), _) => read.aliases.push(name.clone()),
            ("alias", What::Items(names), _) => {
                for each in names {
                    match &each.what {
                        What::Text(name) => read.aliases.push(name.clone()),
                        _ => return Err(bad("a text, or a tuple of texts")),
                    }
                }
            }
            ("doc", What::Text(doc), _) => read.doc.clone_from(doc),
            _ => {
                let text = format!(
                    "SchemaType has no {}: unit, range, max_length, shape, dtype, order, alias, doc",
                    quoted(key)
                );
                return Err(place.error(ErrorKind::Malformed, text));
            }
        }
        Ok(())
    }

    /// Sets the range; a missing end is the type's end.
    fn range(&self, of: &mut Type, low: Option<&Expr>, high: Option<&Expr>, at: usize) -> Result<()> {
        let place = self.source.place(at);
        of.range = Some(match &of.kind {
            Kind::Integer(width) => {
                let (least, greatest) = width.bounds();
                let end = |of: Option<&Expr>, without: i128| match of.map(|of| &of.what) {
                    None | Some(What::None) => Ok(without),
                    Some(What::Integer(number)) => Ok(*number),
                    Some(_) => Err(place.error(ErrorKind::Malformed, "the ends of this range are integers")),
                };
                Range::Integer(end(low, least)?, end(high, greatest)?)
            }
            Kind::F32 | Kind::F64 => {
                let end = |of: Option<&Expr>, without: f64| match of {
                    None => Ok(without),
                    Some(Expr { what: What::None, .. }) => Ok(without),
                    Some(of) => self
                        .float(of)
                        .ok_or_else(|| place.error(ErrorKind::Malformed, "the ends of a range are numbers")),
                };
                Range::Float(end(low, f64::NEG_INFINITY)?, end(high, f64::INFINITY)?)
            }
            _ => return Err(place.unsupported(format!("a range goes with numbers, not with {of}"))),
        });
        Ok(())
    }
}
