//! Records and unions: the type, its `Source`, and the end of its builder.
//!
//! Constraints that the Rust type cannot express, such as lengths and ranges, are checked before sending and when the
//! builder has all parts. Neither side accepts a value that the schema does not allow.

use linkspan::Value;

use super::generator::Rust;
use super::{document, walk};
use crate::generate::Text;
use crate::generate::plan::{Member, TypeDef};

impl Rust<'_> {
    /// Writes an enum for a union: a map with one key on the wire, which selects the variant.
    pub(super) fn union(&self, out: &mut Text, of: &TypeDef, variants: &[Member]) {
        let name = &of.name;
        out.line("#[derive(Clone, Debug, PartialEq)]");
        out.block(format!("pub enum {name} {{"), "}\n", |out| {
            for variant in variants {
                document(out, variant);
                out.line(format!("{}({}),", variant.name, self.of(&variant.slot)));
            }
        });
        walk(out, name, |out| {
            out.line("sink.begin_map(1)?;");
            out.block("match self {", "}?;", |out| {
                for variant in variants {
                    let send = format!("typed::field(sink, \"{}\", value)", variant.key);
                    let checks = self.checks(&variant.slot, "value", &variant.key);
                    let pattern = format!("{name}::{}(value) =>", variant.name);
                    if checks.is_empty() {
                        out.line(format!("{pattern} {send},"));
                    } else {
                        out.block(format!("{pattern} {{"), "}", |out| {
                            out.line(&checks);
                            out.line(send);
                        });
                    }
                }
            });
            out.line("sink.end_map()");
        });
        self.build(out, of, variants, |out| {
            out.block("let came = [", "];", |out| {
                for variant in variants {
                    let (field, key) = (self.part(variant), &variant.key);
                    let checks = self.checks(&variant.slot, "&value", key);
                    let finished = format!("typed::finish_field(self.{field}, \"{key}\")?");
                    if checks.is_empty() {
                        out.line(format!("{finished}.map({name}::{}),", variant.name));
                        continue;
                    }
                    out.block(format!("match {finished} {{"), "},", |out| {
                        out.block("Some(value) => {", "}", |out| {
                            out.line(&checks);
                            out.line(format!("Some({name}::{}(value))", variant.name));
                        });
                        out.line("None => None,");
                    });
                }
            });
            out.line("typed::finish_variant(came, KEYS)");
        });
    }

    /// Writes a struct for a record.
    ///
    /// An optional member is an `Option`, absent if `None`. A member with a default is always sent, and gets the
    /// default if its key is missing.
    pub(super) fn record(&self, out: &mut Text, of: &TypeDef, members: &[Member]) {
        out.line("#[derive(Clone, Debug, PartialEq)]");
        out.block(format!("pub struct {} {{", of.name), "}\n", |out| {
            for member in members {
                document(out, member);
                out.line(format!("pub {}: {},", member.name, self.field_type(member)));
            }
        });
        walk(out, &of.name, |out| {
            let always = members.iter().filter(|member| !member.optional).count();
            let optional = members.iter().filter(|member| member.optional);
            let counts: Vec<_> =
                optional.map(|member| format!(" + usize::from(self.{}.is_some())", member.name)).collect();
            out.line(format!("sink.begin_map({always}{})?;", counts.concat()));
            for member in members {
                let (name, key) = (&member.name, &member.key);
                if member.optional {
                    out.block(format!("if let Some(value) = &self.{name} {{"), "}", |out| {
                        let checks = self.checks(&member.slot, "value", key);
                        if !checks.is_empty() {
                            out.line(checks);
                        }
                        out.line(format!("typed::field(sink, \"{key}\", value)?;"));
                    });
                } else {
                    let checks = self.checks(&member.slot, &format!("&self.{name}"), key);
                    if !checks.is_empty() {
                        out.line(checks);
                    }
                    out.line(format!("typed::field(sink, \"{key}\", &self.{name})?;"));
                }
            }
            out.line("sink.end_map()");
        });
        self.build(out, of, members, |out| {
            out.line("self.fields.finish()?;");
            for member in members {
                let (name, key) = (&member.name, &member.key);
                let finished = format!("typed::finish_field(self.{}, \"{key}\")?", self.part(member));
                match &member.default {
                    None => out.line(format!("let {name} = {finished};")),
                    Some(default) => {
                        let value = self.default(default, &member.slot);
                        if value.contains(")?") {
                            // An expression that may fail cannot be in a closure.
                            out.block(format!("let {name} = match {finished} {{"), "};", |out| {
                                out.line("Some(value) => value,");
                                out.line(format!("None => {value},"));
                            });
                        } else if matches!(default, Value::Text(_) | Value::Array(_) | Value::Map(_))
                            && !self.is_enum(&member.slot)
                        {
                            out.line(format!("let {name} = {finished}.unwrap_or_else(|| {value});"));
                        } else {
                            out.line(format!("let {name} = {finished}.unwrap_or({value});"));
                        }
                    }
                }
                let checks = if member.optional {
                    let checks = self.checks(&member.slot, "value", key);
                    if checks.is_empty() {
                        checks
                    } else {
                        format!("if let Some(value) = &{name} {{\n    {checks}\n}}")
                    }
                } else {
                    self.checks(&member.slot, &format!("&{name}"), key)
                };
                if !checks.is_empty() {
                    out.line(checks);
                }
            }
            let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
            out.line(format!("Ok({} {{ {} }})", of.name, names.join(", ")));
        });
    }
}
