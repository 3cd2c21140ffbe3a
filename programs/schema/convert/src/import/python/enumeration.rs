//! Converts Python enums: texts to an `enum`, numbers to their range.

use linkspan::schema::{Field, Kind, Range, Type, Width};
use linkspan::{Result, quoted};

use super::super::source::Place;
use super::expression::What;
use super::reader::Reader;

impl Reader<'_> {
    pub(super) fn enumeration(&mut self, name: &str, place: Place<'_>) -> Result<Type> {
        let Some(class) = self.module.classes.get(name) else { return Ok(Type::plain(Kind::Any)) };
        let of_base = |wanted: &str| class.bases.iter().any(|base| self.module.known(base, name) == wanted);
        let is_text = of_base("enum.StrEnum");
        if of_base("enum.Flag") || of_base("enum.IntFlag") {
            return Err(
                place.unsupported(format!("{name} has flags, which a schema has no word for: use int"))
            );
        }
        let (mut names, mut numbers) = (Vec::new(), Vec::new());
        let mut following = 1;
        for each in &class.attributes {
            let Some(value) = &each.value else { continue };
            if each.name.starts_with('_') || each.annotation.is_some() {
                continue;
            }
            let is_auto = self.module.known(value, name) == "enum.auto";
            match &value.what {
                _ if is_auto && is_text => names.push((each.name.to_lowercase(), each.at)),
                _ if is_auto => numbers.push(following),
                What::Text(text) => names.push((text.clone(), each.at)),
                What::Integer(number) => numbers.push(*number),
                _ => {
                    let text = format!("{name}.{}: the value of a member is a text or an integer", each.name);
                    return Err(self.source.place(each.at).unsupported(text));
                }
            }
            following = numbers.last().map_or(1, |last| last + 1);
        }
        match (names.is_empty(), numbers.is_empty()) {
            (false, true) => {
                let mut values: Vec<String> = Vec::new();
                for (value, at) in names {
                    // A second name for a value is an alias, not a member.
                    if values.contains(&value) {
                        continue;
                    }
                    if !Field::is_name(&value) {
                        return Err(self.source.place(at).unsupported(no_name(&value)));
                    }
                    values.push(value);
                }
                Ok(Type::plain(Kind::Enum(values)))
            }
            (true, false) => {
                let ends = (numbers.iter().min().copied(), numbers.iter().max().copied());
                let mut of = Type::plain(Kind::Integer(Width::I64));
                if let (Some(low), Some(high)) = ends {
                    of.range = Some(Range::Integer(low, high));
                }
                let at = class.at;
                self.remark(at, format!("{name} is sent by its numbers: any integer from the least to the greatest is accepted"));
                Ok(of)
            }
            (true, true) => Err(place.unsupported(format!("the enum {name} has no members"))),
            _ => Err(place.unsupported(format!("the enum {name} has texts and integers: use one of them"))),
        }
    }
}

pub(super) fn no_name(value: &str) -> String {
    format!(
        "{} cannot be a value of an enum, which are letters, digits and underscores: use str",
        quoted(value)
    )
}
