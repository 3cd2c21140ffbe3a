//! Fortran: one module with a derived type for each record, and their way to and from the wire.
//!
//! | what | lives in |
//! |---|---|
//! | the module, enums | here |
//! | records, unions, messages that are neither | `record` |
//! | derived types and their components | `types` |
//! | defaults, literals of numbers | `defaults` |
//! | the frames of procedures | `procedures` |
//! | statements that write and read values | `write`, `read` |
//! | packed records | `packed` |
//! | long lines and texts | `lines` |

mod defaults;
mod lines;
mod packed;
mod procedures;
mod read;
mod record;
mod types;
mod write;

use super::native::{self, comment};
use super::{Case, Definition, File, Member, Naming, Plan, Text, TypeDef};
use lines::literal;
use types::Holder;

/// How names are written in Fortran. Names of procedures are longer than those of their types.
pub(super) const NAMING: Naming = Naming {
    types: Case::Snake,
    fields: Case::Snake,
    values: Case::Snake,
    variants: Case::Snake,
    ignores_case: true,
    longest: 48,
    reserved: &[
        "encode",
        "decode",
        "write",
        "read",
        "set_defaults",
        "self",
        "kind",
        "value",
        "reader",
        "writer",
        "key",
    ],
    reserved_if_packed: &[],
};

/// The module.
pub(super) fn generate(plan: &Plan<'_>) -> linkspan::Result<Vec<File>> {
    let mut fortran = Fortran { plan, holders: Vec::new() };
    let text = fortran.module()?;
    Ok(vec![File { name: format!("{}.f90", plan.name(Case::Snake)), text }])
}

struct Fortran<'p> {
    plan: &'p Plan<'p>,
    holders: Vec<Holder>,
}

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
            self.define(&mut types, &mut procedures, def);
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
            self.alone(&mut types, &mut procedures, &root, &member);
        }
        self.check_names()?;
        let mut text = Text::new("   ");
        native::heading(&mut text, "!", self.plan);
        text.block(format!("module {schema}_messages"), "", |text| {
            let uses = match self.plan.schema.packed {
                true => packed::USES,
                false => "use, intrinsic :: iso_c_binding, only: c_bool",
            };
            text.line(format!("{uses}\nuse linkspan\nimplicit none\nprivate\n"));
            text.line("! The fingerprint of the schema.");
            text.line(format!(
                "character(*), parameter, public :: {schema}_fingerprint = &\n   \"{}\"\n",
                self.plan.schema.fingerprint()
            ));
            text.line(format!("public :: {schema}_schema\n"));
            text.line(types.finish().trim_end());
            text.line("");
        });
        text.block("contains\n", format!("end module {schema}_messages"), |text| {
            text.line("! The schema, for the option `schema` of endpoints.");
            text.line(format!("function {schema}_schema() result(text)\n   character(:), allocatable :: text\n   text = \"\""));
            for line in self.plan.schema.to_toml().lines() {
                text.line(format!("   text = text//{}//achar(10)", literal(line)));
            }
            text.line("end function\n");
            text.line(procedures.finish().trim_end());
        });
        Ok(text.finish())
    }

    /// `Unsupported` where the type of a list's values would be called as another type.
    fn check_names(&self) -> linkspan::Result<()> {
        for (at, holder) in self.holders.iter().enumerate() {
            let taken = self.plan.types.iter().any(|def| def.name == holder.name)
                || self.holders[..at].iter().any(|other| other.name == holder.name);
            if taken || holder.name.len() > NAMING.longest {
                let text = format!(
                    "the values of a list or a map would have the type {} in this language, which is taken or too long: give the schema or the field another name",
                    holder.name
                );
                return Err(linkspan::Error::new(linkspan::ErrorKind::Unsupported, text));
            }
        }
        Ok(())
    }

    fn define(&mut self, types: &mut Text, procedures: &mut Text, def: &TypeDef) {
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
                types.line("");
            }
            Definition::Union(variants) => self.union(types, procedures, def, &doc, variants),
            Definition::Record(members) if self.plan.schema.packed => {
                self.packed_record(types, &def.name, &doc, members);
                if let Some(layout) = self.plan.schema.layout().filter(|_| self.root() == def.name) {
                    self.packing(types, procedures, &def.name, &layout);
                }
            }
            Definition::Record(members) | Definition::Table(members) => {
                let is_root = self.root() == def.name;
                self.record(types, procedures, &def.name, &doc, members, is_root);
            }
        }
    }
}
