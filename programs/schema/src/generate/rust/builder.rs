//! Builders: they create records and unions from a decoder's events.

use linkspan::Value;
use linkspan::codec::FlatMap;

use super::generator::Rust;
use crate::generate::Text;
use crate::generate::naming::Case;
use crate::generate::plan::{Definition, Member, Shape, Slot, TypeDef};

impl Rust<'_> {
    pub(super) fn builder(&self, member: &Member) -> String {
        let of = self.of(&member.slot);
        if member.default.is_some() && self.is_enum(&member.slot) {
            return format!("typed::KnownName<{of}>");
        }
        let plain = format!("<{of} as typed::Decode>::Builder");
        match (member.optional, &member.default) {
            (false, None) => plain,
            (null, _) => format!("typed::Maybe<{plain}, {null}>"),
        }
    }

    /// Returns whether the value may contain keys of records.
    pub(super) fn has_records(&self, slot: &Slot) -> bool {
        match &slot.shape {
            Shape::List(of, _) | Shape::Map(of) => self.has_records(of),
            Shape::Named(_) => !self.is_enum(slot),
            _ => false,
        }
    }

    pub(super) fn build(
        &self,
        out: &mut Text,
        of: &TypeDef,
        members: &[Member],
        finish: impl FnOnce(&mut Text),
    ) {
        let builder = format!("{}Builder", of.name);
        let is_union = matches!(of.definition, Definition::Union(_));
        out.line("");
        out.line(format!("/// Builds a [`{}`] from the events of a decoder.", of.name));
        out.line("#[derive(Debug, Default)]");
        out.block(format!("pub struct {builder} {{"), "}\n", |out| {
            out.line("fields: typed::Fields,");
            for member in members {
                let of = self.builder(member);
                let of = if is_union { format!("typed::Maybe<{of}, false>") } else { of };
                out.line(format!("{}: {of},", self.part(member)));
            }
        });
        out.block("const _: () = {", "};", |out| {
            let list = |items: Vec<String>| items.join(", ");
            let keys = list(members.iter().map(|member| format!("\"{}\"", member.key)).collect());
            out.line(format!("const KEYS: &[&str] = &[{keys}];"));
            let aliases = members.iter().enumerate().flat_map(|(at, member)| {
                member.aliases.iter().map(move |alias| format!("(\"{alias}\", {at})"))
            });
            out.line(format!("const ALIASES: &[(&str, usize)] = &[{}];\n", list(aliases.collect())));
            out.block(format!("impl typed::Build for {builder} {{"), "}", |out| {
                out.line(format!("type Output = {};\n", of.name));
                out.block(
                    "fn event(&mut self, event: typed::Event<'_>) -> linkspan::Result<bool> {",
                    "}\n",
                    |out| {
                        out.block(
                            "let complete = match self.fields.step(&event, KEYS, ALIASES)? {",
                            "};",
                            |out| {
                                for (at, member) in members.iter().enumerate() {
                                    let pattern =
                                        if at + 1 == members.len() { "_".into() } else { at.to_string() };
                                    let field = self.part(member);
                                    out.line(format!(
                                        "typed::Step::Into({pattern}) => self.{field}.event(event)?,"
                                    ));
                                }
                                out.line("typed::Step::Taken => return Ok(false),");
                                out.line("typed::Step::Complete => return Ok(true),");
                            },
                        );
                        out.line("self.fields.after(complete);");
                        out.line("Ok(false)");
                    },
                );
                out.line("#[inline]");
                out.block("fn known_key(&mut self, key: &[u8]) -> linkspan::Result<bool> {", "}\n", |out| {
                    let inner =
                        || members.iter().enumerate().filter(|(_, member)| self.has_records(&member.slot));
                    if inner().next().is_none() {
                        out.line("Ok(self.fields.known_key(key, KEYS)? == typed::Step::Complete)");
                        return;
                    }
                    out.block("match self.fields.known_key(key, KEYS)? {", "}", |out| {
                        for (at, member) in inner() {
                            let field = self.part(member);
                            out.line(format!("typed::Step::Into({at}) => self.{field}.known_key(key),"));
                        }
                        out.line("step => Ok(step == typed::Step::Complete),");
                    });
                });
                if !is_union && self.is_flat(members) {
                    self.read_cbor(out, of, members);
                }
                out.block("fn finish(self) -> linkspan::Result<Self::Output> {", "}", finish);
            });
        });
        out.line("");
        out.block(format!("impl typed::Decode for {} {{", of.name), "}", |out| {
            out.line(format!("type Builder = {builder};"));
        });
    }

    /// Returns whether CBOR can be read without a builder: into a few fields without nested values.
    fn is_flat(&self, members: &[Member]) -> bool {
        let is_scalar = |member: &Member| match member.slot.shape {
            Shape::Bool
            | Shape::Integer(_)
            | Shape::F32
            | Shape::F64
            | Shape::Text(_)
            | Shape::Bytes(_)
            | Shape::Timestamp
            | Shape::Uuid => true,
            Shape::Named(_) => self.is_enum(&member.slot),
            _ => false,
        };
        // Only `finish` knows the meaning of null for an optional field with a default.
        let is_plain = |member: &Member| !member.optional || member.default.is_none();
        (1..=usize::from(FlatMap::MOST_ENTRIES)).contains(&members.len())
            && members.iter().all(|member| is_scalar(member) && is_plain(member))
    }

    /// Writes the function that reads a record whose fields are in order.
    fn read_cbor(&self, out: &mut Text, of: &TypeDef, members: &[Member]) {
        out.block("fn from_cbor(bytes: &[u8]) -> Option<Self::Output> {", "}\n", |out| {
            out.line(format!("let mut from = linkspan::codec::FlatMap::new(bytes, {})?;", members.len()));
            out.block(format!("let record = {} {{", of.name), "};", |out| {
                for Member { name, key, optional, default, slot, .. } in members {
                    let value = match (optional, default) {
                        (true, _) => format!("from.optional(\"{key}\")?"),
                        (false, None) => format!("from.required(\"{key}\")?"),
                        (false, Some(default)) => {
                            let lazy = matches!(default, Value::Text(_)) && !self.is_enum(slot);
                            let (or, of) = if lazy { ("_else", "|| ") } else { ("", "") };
                            let default = self.default(default, slot);
                            format!("from.or_absent(\"{key}\")?.unwrap_or{or}({of}{default})")
                        }
                    };
                    out.line(format!("{name}: {value},"));
                }
            });
            out.line("from.finish().map(|()| record)");
        });
    }

    pub(super) fn part(&self, member: &Member) -> String {
        let name = self.plan.naming.identifier(&member.key, Case::Snake);
        // The builder has one additional field of this name.
        if name == "fields" { "fields_".to_owned() } else { name }
    }
}
