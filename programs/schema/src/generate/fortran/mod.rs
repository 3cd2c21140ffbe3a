//! Fortran: a module with a derived type for each record, and procedures that encode and decode it.
//!
//! | part | lives in |
//! |---|---|
//! | the module, enums | here |
//! | records, unions, other messages | `record` |
//! | the generator's state | `generator` |
//! | derived types and their components | `types` |
//! | defaults | `defaults` |
//! | kinds and literals of integers | `integers` |
//! | the frames of procedures | `procedures` |
//! | the tables by which the library reads and fills types | `table` |
//! | derived types and components, as tables describe them | `part` |
//! | the functions that the tables name | `access` |
//! | the calls that pass a value and its table to the library | `whole` |
//! | packed records | `packed` |
//! | long lines and texts | `lines` |

mod access;
mod defaults;
mod generator;
mod integers;
mod lines;
mod packed;
mod part;
mod procedures;
mod record;
mod table;
mod types;
mod whole;

use super::native::{self, comment};
use super::{Case, Definition, File, Member, Plan, Text, TypeDef};
use generator::Fortran;
use lines::literal;

pub(super) fn generate(plan: &Plan<'_>) -> linkspan::Result<Vec<File>> {
    let mut fortran = Fortran { plan, holders: Vec::new() };
    let text = fortran.module()?;
    Ok(vec![File { name: format!("{}.f90", plan.name(Case::Snake)), text }])
}

/// Variables of procedures that name a type of the schema.
const VARIABLES: &[&str] = &[
    "array", "at", "bytes", "count", "encoding", "errmsg", "found", "message", "n", "outcome", "path",
    "stat", "text", "which", "zero",
];

impl Fortran<'_> {
    fn root(&self) -> String {
        match self.plan.root_type() {
            Some(def) if !matches!(def.definition, Definition::Enum(_)) => def.name.clone(),
            Some(def) => format!("{}_message", def.name),
            None => self.plan.name(Case::Snake),
        }
    }

    fn module(&mut self) -> linkspan::Result<String> {
        let (root, schema) = (self.root(), self.plan.name(Case::Snake));
        let mut types = Text::new("   ");
        let mut procedures = Text::new("   ");
        for def in &self.plan.types {
            self.define(&mut types, &mut procedures, def)?;
        }
        let stands_alone =
            self.plan.root_type().is_none_or(|def| matches!(def.definition, Definition::Enum(_)));
        if stands_alone {
            let member = Member {
                name: "value".to_owned(),
                key: String::new(),
                aliases: Vec::new(),
                doc: String::new(),
                optional: false,
                default: None,
                slot: self.plan.root.clone(),
            };
            self.alone(&mut types, &mut procedures, &root, &member)?;
        }
        self.check_names()?;
        let mut text = Text::new("   ");
        native::heading(&mut text, "!", self.plan);
        text.block(format!("module {schema}_messages"), "", |text| {
            let uses = match self.plan.schema.packed {
                true => packed::USES,
                false => table::USES,
            };
            text.line(format!("{uses}\nuse linkspan\nimplicit none\nprivate\n"));
            text.line("! The fingerprint of the schema.");
            text.line(format!(
                "character(*), parameter, public :: {schema}_fingerprint = &\n   \"{}\"\n",
                self.plan.fingerprint
            ));
            text.line(format!("public :: {schema}_schema\n"));
            text.line(types.finish().trim_end());
            text.line("");
        });
        text.block("contains\n", format!("end module {schema}_messages"), |text| {
            text.line("! The schema, for the option `schema` of endpoints.");
            text.line(format!("function {schema}_schema() result(text)\n   character(:), allocatable :: text\n   text = \"\""));
            for line in self.plan.notation().lines() {
                text.line(format!("   text = text//{}//achar(10)", literal(line)));
            }
            text.line("end function\n");
            text.line(procedures.finish().trim_end());
        });
        Ok(text.finish())
    }

    /// Returns `Unsupported` if a type's name collides with another name in the module.
    fn check_names(&self) -> linkspan::Result<()> {
        let root = self.root();
        for def in &self.plan.types {
            let made = self.plan.types.iter().find(|of| self.makes(of).any(|name| name == def.name));
            let schema = self.plan.name(Case::Snake);
            let of_schema = ["fingerprint", "schema", "messages"]
                .iter()
                .any(|part| def.name == format!("{schema}_{part}"));
            let of = match made {
                Some(of) => &of.path,
                None if of_schema => &self.plan.schema.name,
                None => continue,
            };
            return Err(native::taken(def, of));
        }
        let is_variable = |name: &String| VARIABLES.contains(&name.as_str());
        let names = self.plan.types.iter().map(|def| &def.name).chain([&root]);
        if let Some(name) = names.into_iter().find(|name| is_variable(name)) {
            let text = format!(
                "the type {name} is called as a variable of generated code in this language: give the schema a name of two words"
            );
            return Err(linkspan::Error::new(linkspan::ErrorKind::Unsupported, text));
        }
        for (at, holder) in self.holders.iter().enumerate() {
            let taken = self.plan.types.iter().any(|def| def.name == holder.name)
                || self.holders[..at].iter().any(|other| other.name == holder.name);
            if taken || holder.name.len() > self.plan.naming.longest {
                let text = format!(
                    "the values of a list or a map would have the type {} in this language, which is taken or too long: give the schema or the field another name",
                    holder.name
                );
                return Err(linkspan::Error::new(linkspan::ErrorKind::Unsupported, text));
            }
        }
        Ok(())
    }

    /// Returns the names in the module that belong to a type, except the type's own.
    fn makes(&self, def: &TypeDef) -> impl Iterator<Item = String> {
        let values = |members: &[Member]| members.iter().map(|member| member.name.clone()).collect();
        let (packed, is_root) = (self.plan.schema.packed, self.root() == def.name);
        let mut parts: Vec<String> = match &def.definition {
            Definition::Enum(values) => values.iter().map(|(value, _)| value.clone()).collect(),
            Definition::Union(variants) => values(variants),
            Definition::Record(_) | Definition::Table(_) => Vec::new(),
        };
        let own: &[&str] = match &def.definition {
            Definition::Enum(_) if is_root => &["names", "message"],
            Definition::Enum(_) => &["names"],
            _ if packed && is_root => &[
                "size", "block", "pack", "unpack", "check", "fits", "refuse", "put", "get", "encode",
                "decode",
            ],
            _ if packed => &[],
            _ if is_root => &["set_defaults", "put", "get", "encode", "decode", "to_bytes", "from_bytes"],
            _ => &["set_defaults", "put", "get"],
        };
        parts.extend(own.iter().map(|part| (*part).to_owned()));
        let name = def.name.clone();
        parts.into_iter().map(move |part| format!("{name}_{part}"))
    }

    fn define(&mut self, types: &mut Text, procedures: &mut Text, def: &TypeDef) -> linkspan::Result<()> {
        let doc = if def.doc.is_empty() { format!("`{}`.", def.path) } else { def.doc.clone() };
        match &def.definition {
            Definition::Enum(values) => {
                comment(types, "! ", &doc);
                if self.plan.schema.packed {
                    self.packed_enumeration(types, def, values);
                } else {
                    for (at, (value, _)) in values.iter().enumerate() {
                        types.line(format!("integer, parameter, public :: {}_{value} = {at}", def.name));
                    }
                }
                types.line("! The names on the wire.");
                self.names(
                    types,
                    &format!("{}_names", def.name),
                    values.iter().map(|(_, wire)| wire.as_str()),
                    true,
                );
                if !self.plan.schema.packed {
                    self.enum_table(types, procedures, &def.name, values);
                }
                types.line("");
            }
            Definition::Union(variants) => self.union(types, procedures, def, &doc, variants)?,
            Definition::Record(members) if self.plan.schema.packed => {
                self.packed_record(types, &def.name, &doc, members);
                if let Some(layout) = self.plan.schema.layout().filter(|_| self.root() == def.name) {
                    self.packing(types, procedures, &def.name, &layout);
                }
            }
            Definition::Record(members) | Definition::Table(members) => {
                let is_root = self.root() == def.name;
                self.record(types, procedures, &def.name, &doc, members, is_root)?;
            }
        }
        Ok(())
    }
}
