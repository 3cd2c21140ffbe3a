//! Structs, enums and unions, with their members that read and write.

use super::super::native::comment;
use super::super::packed;
use super::super::{Member, Text, describe};
use super::generator::Cpp;

impl Cpp<'_> {
    pub(super) fn enumeration(&self, text: &mut Text, name: &str, values: &[(String, String)]) {
        let of = if self.plan.schema.packed { packed::enum_type(values.len()) } else { "int32_t" };
        text.block(format!("enum class {name} : std::{of} {{"), "};\n", |text| {
            values.iter().for_each(|(value, _)| text.line(format!("{value},")));
        });
        text.line("/// Returns the name in messages; null for a number without a name.");
        text.block(format!("inline const char *name_of({name} value) {{"), "}\n", |text| {
            text.block("switch (value) {", "}", |text| {
                for (value, wire) in values {
                    text.line(format!("case {name}::{value}: return \"{wire}\";"));
                }
            });
            text.line("return nullptr;");
        });
    }

    pub(super) fn union(
        &self,
        text: &mut Text,
        name: &str,
        variants: &[Member],
        is_root: bool,
    ) -> linkspan::Result<()> {
        let mut outcome = Ok(());
        text.block(format!("struct {name} {{"), "};", |text| {
            text.line("/// The alternatives, in the order of the types of `alternative`.");
            text.block("enum Kind : std::size_t {", "};\n", |text| {
                variants.iter().for_each(|variant| text.line(format!("{},", variant.name)));
            });
            let types: Vec<String> =
                variants.iter().map(|variant| self.type_of(&variant.slot.shape, true)).collect();
            for variant in variants {
                let words = describe(variant);
                if !words.is_empty() {
                    comment(text, "/// ", &format!("{}: {words}", variant.key));
                }
            }
            text.line(format!("std::variant<{}> alternative{{}};\n", types.join(", ")));
            text.line("/// Returns the alternative that is set.\nKind kind() const { return static_cast<Kind>(alternative.index()); }");
            self.ways(text, name, is_root);
            text.line("");
            outcome = self.layout(text, name, variants, true);
        });
        outcome
    }

    fn ways(&self, text: &mut Text, name: &str, is_root: bool) {
        if is_root {
            self.message(text, name, "*this", "layout_()");
        } else {
            text.line("");
            self.part(text, "this", "&result_", name, "layout_()");
        }
    }

    pub(super) fn record(
        &self,
        text: &mut Text,
        name: &str,
        members: &[Member],
        is_root: bool,
    ) -> linkspan::Result<()> {
        let mut outcome = Ok(());
        text.block(format!("struct {name} {{"), "};", |text| {
            for member in members {
                let doc =
                    [describe(member).as_str(), packed::reversed(self.plan, &member.slot.shape)].join(" ");
                comment(text, "/// ", doc.trim());
                let of = self.type_of(&member.slot.shape, true);
                if member.optional {
                    text.line(format!("std::optional<{of}> {};", member.name));
                } else {
                    let initial = member
                        .default
                        .as_ref()
                        .map_or(String::new(), |value| self.initial(&member.slot.shape, value));
                    text.line(format!("{of} {}{{{initial}}};", member.name));
                }
            }
            if let Some(layout) = self.plan.schema.layout() {
                if is_root {
                    self.packed_members(text, name, &layout);
                }
                return;
            }
            self.ways(text, name, is_root);
            text.line("");
            outcome = self.layout(text, name, members, false);
        });
        outcome
    }
}
