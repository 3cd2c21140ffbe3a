//! Structs, enums and unions, with their members that read and write.

use super::super::native::{self, comment};
use super::super::packed;
use super::super::{Member, Text, describe};
use super::Cpp;

impl Cpp<'_> {
    pub(super) fn enumeration(&self, text: &mut Text, name: &str, values: &[(String, String)]) {
        let of = if self.plan.schema.packed { packed::enum_type(values.len()) } else { "int32_t" };
        text.block(format!("enum class {name} : std::{of} {{"), "};\n", |text| {
            values.iter().for_each(|(value, _)| text.line(format!("{value},")));
        });
        text.line("/// The name on the wire; null for a number that is none of the values.");
        text.block(format!("inline const char *name_of({name} value) {{"), "}\n", |text| {
            text.block("switch (value) {", "}", |text| {
                for (value, wire) in values {
                    text.line(format!("case {name}::{value}: return \"{wire}\";"));
                }
            });
            text.line("return nullptr;");
        });
        text.line(
            "/// Reads a value; a name that is not known is `unknown`, or an error where that is below zero.",
        );
        text.block(
            format!("inline {name} read_{name}(linkspan::reader &reader_, std::int32_t unknown) {{"),
            "}",
            |text| {
                self.table(text, values.iter().map(|(_, wire)| wire.as_str()), None);
                text.line(format!("return static_cast<{name}>(reader_.get_enum(table_, unknown));"));
            },
        );
    }

    pub(super) fn union(&self, text: &mut Text, name: &str, variants: &[Member], is_root: bool) {
        text.block(format!("struct {name} {{"), "};", |text| {
            text.line("/// What `alternative` can be, in this order.");
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
            text.line("/// Which alternative there is.\nKind kind() const { return static_cast<Kind>(alternative.index()); }");
            if is_root {
                self.message(text, name);
            }
            text.line("");
            self.write_head(text, |text| {
                text.line("writer_.begin_map(key_);");
                text.block("switch (kind()) {", "}", |text| {
                    for (at, variant) in variants.iter().enumerate() {
                        text.block(format!("case {}:", variant.name), "", |text| {
                            let from = format!("std::get<{at}>(alternative)");
                            self.write(text, &format!("\"{}\"", variant.key), &variant.slot, &from, 0, true);
                            text.line("break;");
                        });
                    }
                    text.block("default:", "", |text| text.line("writer_.put_name(key_, nullptr);\nbreak;"));
                });
                text.line("writer_.end();");
            });
            text.line("");
            self.read_head(text, |text| {
                self.table(text, variants.iter().map(|variant| variant.key.as_str()), None);
                text.block("switch (reader_.get_variant(table_)) {", "}", |text| {
                    for (at, variant) in variants.iter().enumerate() {
                        text.block(format!("case {at}:"), "", |text| {
                            let to = format!("alternative.emplace<{at}>()");
                            text.line(format!("{to};"));
                            self.read(text, &variant.slot, &format!("std::get<{at}>(alternative)"), 0, true, None);
                            text.line("break;");
                        });
                    }
                    text.block("default:", "", |text| text.line("break;"));
                });
                text.line("reader_.end();");
            });
        });
    }

    pub(super) fn record(&self, text: &mut Text, name: &str, members: &[Member], is_root: bool) {
        text.block(format!("struct {name} {{"), "};", |text| {
            for member in members {
                let said =
                    [describe(member).as_str(), packed::reversed(self.plan, &member.slot.shape)].join(" ");
                comment(text, "/// ", said.trim());
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
                    self.message(text, name);
                    self.packed_members(text, name, &layout);
                }
                return;
            }
            if is_root {
                self.message(text, name);
            }
            text.line("");
            self.write_head(text, |text| {
                text.line("writer_.begin_map(key_);");
                for member in members {
                    let key = format!("\"{}\"", member.key);
                    if member.optional {
                        text.block(format!("if ({}.has_value()) {{", member.name), "}", |text| {
                            self.write(text, &key, &member.slot, &format!("(*{})", member.name), 0, true);
                        });
                    } else {
                        self.write(text, &key, &member.slot, &member.name, 0, true);
                    }
                }
                text.line("writer_.end();");
            });
            text.line("");
            self.read_head(text, |text| self.read_record(text, name, members));
        });
    }

    pub(super) fn read_record(&self, text: &mut Text, name: &str, members: &[Member]) {
        text.line(format!("*this = {name}{{}};\nreader_.begin_map();"));
        if !members.is_empty() {
            let (keys, rules) = native::fields(members);
            self.table(text, keys.iter().map(String::as_str), Some(&rules));
            let head = "for (std::int32_t field_ = reader_.get_field(table_); field_ >= 0; field_ = reader_.get_field(table_)) {";
            text.block(head, "}", |text| {
                text.block("switch (field_) {", "}", |text| {
                    for (at, member) in members.iter().enumerate() {
                        text.block(format!("case {at}: // {}", member.key), "", |text| {
                            if member.optional {
                                text.block("if (!reader_.get_null()) {", "}", |text| {
                                    text.line(format!("{}.emplace();", member.name));
                                    self.read(
                                        text,
                                        &member.slot,
                                        &format!("(*{})", member.name),
                                        0,
                                        true,
                                        None,
                                    );
                                });
                            } else {
                                self.read(text, &member.slot, &member.name, 0, true, member.default.as_ref());
                            }
                            text.line("break;");
                        });
                    }
                    text.block("default:", "", |text| text.line("break;"));
                });
            });
        }
        text.line("reader_.end();");
    }
}
