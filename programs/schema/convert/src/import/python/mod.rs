//! Imports Python dataclasses and TypedDicts. The file is parsed and never run.
//!
//! | part | lives in |
//! |---|---|
//! | expressions with their places | `expression` |
//! | expressions from tree-sitter's trees | `syntax` |
//! | strings and numbers | `literal` |
//! | the file's classes, assignments and imports | `module` |
//! | the state of an import | `reader` |
//! | classes to records and unions | `class` |
//! | enums | `enumeration` |
//! | annotations to types | `annotation` |
//! | metadata of `Annotated`: widths, units, ranges | `metadata` |
//! | defaults to values | `default` |

mod annotation;
mod class;
mod default;
mod enumeration;
mod expression;
mod literal;
mod metadata;
mod module;
mod reader;
mod syntax;

use std::path::Path;

use linkspan::schema::{Schema, Type};
use linkspan::{ErrorKind, Result, quoted};

use super::source::{self, Budget};
use super::{Options, Remark};
use expression::{Expr, What};
use module::{Meaning, Module};
use reader::Reader;
use syntax::Source;

/// The longest file in bytes. The parser holds up to 320 bytes per byte of hostile text, and an import must stay
/// below 64 MiB.
const MAX_SOURCE: usize = 160 << 10;

pub(super) fn read(file: &Path, options: &Options) -> Result<(Schema, Vec<Remark>)> {
    let text = source::text_up_to(file, MAX_SOURCE)?;
    let shown = file.display().to_string();
    let source = Source::new(&shown, &text);
    let tree = source.parse()?;
    let module = Module::new(&source, tree.root_node())?;
    let mut reader =
        Reader { source: &source, module, budget: Budget::new(), open: Vec::new(), remarks: Vec::new() };
    let name = reader.root(options.message.as_deref())?;
    let at = reader.module.classes.get(&name).map_or(0, |class| class.at);
    let of = Expr { at, what: What::Name(name.clone()) };
    let of = Type::plain(reader.annotation(&of, "")?.of.kind);
    let (declared, version) = reader.declared(&name);
    let declared = declared.unwrap_or_else(|| name.clone());
    if !Schema::is_name(&declared) {
        let text = format!("{} cannot name a schema: letters, digits and underscores", quoted(&declared));
        return Err(source.place(at).unsupported(text));
    }
    let mut schema = Schema::new(declared, of);
    schema.version = version;
    let is_packed = reader.module.classes.get(&name).and_then(|class| class.value("__linkspan_packed__"));
    schema.packed = is_packed.is_some_and(|value| value.what == What::Bool(true));
    schema.doc =
        reader.module.classes.get(&name).map_or(String::new(), |class| class::description(&class.doc));
    Ok((schema, reader.remarks))
}

impl Reader<'_> {
    /// Returns the class to import: the requested one, or the only one that no other class refers to.
    fn root(&self, asked: Option<&str>) -> Result<String> {
        let start = self.source.place(0);
        if let Some(name) = asked {
            let is_known = self.module.classes.contains_key(name) || self.module.assigned.contains_key(name);
            if is_known {
                return Ok(name.to_owned());
            }
            let text = format!("no class is called {}: {}", quoted(name), self.candidates());
            return Err(start.error(ErrorKind::NotFound, text));
        }
        let declared: Vec<&String> =
            self.module.order.iter().filter(|name| self.declared(name).0.is_some()).collect();
        if let [only] = declared[..] {
            return Ok(only.clone());
        }
        let mut named = Vec::new();
        for (name, class) in &self.module.classes {
            let annotations = class.attributes.iter().filter_map(|each| each.annotation.as_ref());
            let mut found = Vec::new();
            annotations.chain(&class.bases).for_each(|of| self.names(of, name, &mut found));
            named.extend(found.into_iter().filter(|other| other != name));
        }
        self.module.assigned.values().for_each(|of| self.names(of, "", &mut named));
        let free: Vec<&String> =
            self.module.order.iter().filter(|name| self.is_record(name) && !named.contains(name)).collect();
        match free[..] {
            [only] => Ok(only.clone()),
            _ => {
                let text = format!("choose the class with --class: {}", self.candidates());
                Err(start.error(ErrorKind::Unsupported, text))
            }
        }
    }

    /// Collects the classes that an expression names, including quoted annotations.
    fn names(&self, of: &Expr, within: &str, found: &mut Vec<String>) {
        match &of.what {
            What::Name(name) => {
                if let Meaning::Class(name) = self.module.meaning(name, within) {
                    found.push(name);
                }
            }
            What::Text(text) => {
                if let Ok(inner) = self.source.quoted(text, of.at)
                    && !matches!(inner.what, What::Text(_))
                {
                    self.names(&inner, within, found);
                }
            }
            What::Subscript(_, all) | What::Choice(all) => {
                all.iter().for_each(|each| self.names(each, within, found));
            }
            _ => {}
        }
    }

    fn candidates(&self) -> String {
        let all: Vec<&str> =
            self.module.order.iter().filter(|name| self.is_record(name)).map(String::as_str).collect();
        match all.len() {
            0 => "the file has no dataclass and no TypedDict".to_owned(),
            1..=20 => format!("the file has {}", all.join(", ")),
            count => format!("the file has {} and {} more", all[..20].join(", "), count - 20),
        }
    }

    /// Returns the schema's name and version from a class's `__linkspan_schema__`.
    fn declared(&self, class: &str) -> (Option<String>, u32) {
        let class = self.module.classes.get(class);
        let value = class.and_then(|class| class.value("__linkspan_schema__"));
        match value.map(|value| &value.what) {
            Some(What::Items(parts)) => match &parts[..] {
                [Expr { what: What::Text(name), .. }, Expr { what: What::Integer(version), .. }] => {
                    (Some(name.clone()), u32::try_from(*version).unwrap_or(1))
                }
                _ => (None, 1),
            },
            _ => (None, 1),
        }
    }
}
