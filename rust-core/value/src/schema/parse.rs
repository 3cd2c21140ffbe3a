//! From the notation to the model: reads types, resolves names, and checks all with their
//! positions.
//!
//! The `Resolver` reads a named definition at each use and counts all types. It keeps the open
//! names to find cycles.

mod attributes;
mod files;
mod syntax;

use files::Document;

use super::model::{Field, Kind, Schema, Type, Width};
use super::packed;
use super::source::{DIVIDE, MAX_TEXT, is_field_name, is_schema_name, proposal};
use super::table::{Item, Table};
use super::text::read_text;
use crate::error::{Result, quoted};

const FILE_KEYS: [&str; 6] = ["name", "version", "doc", "include", "types", "layout"];

impl Schema {
    /// Returns the schema of this text.
    ///
    /// # Errors
    ///
    /// `Malformed` with line, column and remedy; `TooLarge` above [`Schema::MAX_TEXT`] bytes.
    ///
    /// ```
    /// # extern crate linkspan_value as linkspan;
    /// # #[cfg(feature = "schema")] {
    /// let schema = linkspan::schema::Schema::parse(
    ///     r#"
    ///     name = "power.reading"
    ///     [fields.watts]
    ///     type = "f64"
    ///     unit = "W"
    ///     "#,
    /// )?;
    /// assert_eq!(schema.root.to_string(), "record of watts");
    /// # }
    /// # Ok::<(), linkspan::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Schema> {
        Schema::load("schema", &mut |file| {
            if file == "schema" { Ok(text.to_owned()) } else { Err(files::not_from_text(file)) }
        })
    }

    /// Returns the schema in the file at this path and in its included files.
    ///
    /// # Errors
    ///
    /// Each names file, line and column, and the remedy: `Malformed`, `TooLarge` above
    /// [`Schema::MAX_TEXT`] bytes, `NotFound`, `PermissionDenied`. `Unsupported` if the path names
    /// a directory, a pipe, a socket or a device. Opening a file never blocks.
    pub fn from_file(path: &str) -> Result<Schema> {
        Schema::load(path, &mut |file| read_text(file, MAX_TEXT, DIVIDE))
    }

    /// Returns the schema in this file, whose text comes from `read`.
    ///
    /// `read` is called for this file and for each included file, whose path is relative to the
    /// including file.
    pub fn load(file: &str, read: &mut dyn FnMut(&str) -> Result<String>) -> Result<Schema> {
        let sources = files::load(file, read)?;
        let documents = files::documents(&sources)?;
        let mut resolver =
            Resolver { documents: &documents, remaining: Schema::MAX_TYPES, depth: 0, open: Vec::new() };
        resolver.schema(0)
    }
}

struct Resolver<'a> {
    documents: &'a [Document<'a>],
    remaining: usize,
    depth: usize,
    /// The file and name of each open definition, outermost first. A repeated one is a cycle.
    open: Vec<(usize, &'a str)>,
}

impl<'a> Resolver<'a> {
    fn schema(&mut self, file: usize) -> Result<Schema> {
        let table = self.documents[file].table();
        let name = match table.get("name") {
            None => {
                return Err(table
                    .source
                    .error(&(0..0), "a schema needs a name, such as name = \"power.reading\""));
            }
            Some(item) => {
                let name = item.text()?;
                if !is_schema_name(name) {
                    let text = format!(
                        "{} is not a valid name: letters, digits and underscores, with dots between parts, such as power.reading",
                        quoted(name)
                    );
                    return Err(item.error(text));
                }
                name.to_owned()
            }
        };
        let version = match table.get("version") {
            None => 1,
            Some(item) => u32::try_from(item.integer()?)
                .map_err(|_| item.error("a version is a number from 0 to 4294967295"))?,
        };
        let doc = table.text_or_empty("doc")?;
        if let Some(types) = table.get("types") {
            // Each definition is read again at its uses; this pass also checks unused definitions.
            self.remaining = 4 * Schema::MAX_TYPES;
            for (name, span, item) in types.table()?.entries() {
                if !is_field_name(name) || Kind::NAMES.contains(&name) {
                    let text = format!("{} cannot name a type", quoted(name));
                    return Err(types.source.error(&span, text));
                }
                self.named(file, name, &item.table()?)?;
            }
        }
        self.remaining = Schema::MAX_TYPES;
        let root = self.ty(file, &table, &FILE_KEYS)?;
        let packed = match table.get("layout") {
            None => false,
            Some(item) => {
                if item.text()? != "packed" {
                    return Err(item.error("the layout is \"packed\", or not given"));
                }
                packed::lay_out(&root).map_err(|why| item.error(why))?;
                true
            }
        };
        Ok(Schema { name, version, doc, root, packed })
    }

    /// Returns the type that a table defines. `beside` are keys that do not belong to the type.
    fn ty(&mut self, file: usize, table: &Table<'a>, beside: &[&str]) -> Result<Type> {
        let Some(remaining) = self.remaining.checked_sub(1) else {
            let text = format!(
                "the schema has more than {} types, with what records name counted each time",
                Schema::MAX_TYPES
            );
            return Err(table.source.error(&table.span, text));
        };
        if self.depth == Schema::MAX_DEPTH {
            return Err(table.source.error(&table.span, too_deep()));
        }
        (self.remaining, self.depth) = (remaining, self.depth + 1);
        let read = self.ty_within(file, table, beside);
        self.depth -= 1;
        read
    }

    fn ty_within(&mut self, file: usize, table: &Table<'a>, beside: &[&str]) -> Result<Type> {
        let Some(item) = table.get("type") else {
            if table.get("fields").is_some() {
                return self.of_kind("record", file, table, beside);
            }
            let text = "a type is missing here, such as type = \"f64\", or fields of a record";
            return Err(table.source.error(&table.span, text));
        };
        let name = item.text()?;
        if Kind::NAMES.contains(&name) {
            return self.of_kind(name, file, table, beside);
        }
        let mut allowed = vec!["type"];
        allowed.extend(beside);
        table.only(&format!("a type that names another one ({})", quoted(name)), &allowed)?;
        self.written(file, &item)
    }

    /// Returns the type of a text: a kind without attributes, `list of TYPE`, `map of TYPE`, or a
    /// name.
    fn written(&mut self, file: usize, item: &Item<'a>) -> Result<Type> {
        let name = item.text()?;
        self.text_type(file, item, name, 0)
    }

    /// As [`Resolver::written`], for a part of the text, `depth` levels inside it.
    fn text_type(&mut self, file: usize, item: &Item<'a>, name: &'a str, depth: usize) -> Result<Type> {
        if depth + self.depth > Schema::MAX_DEPTH {
            return Err(item.error(too_deep()));
        }
        if let Some(of) = name.strip_prefix("list of ") {
            return Ok(Type::plain(Kind::List(Box::new(self.text_type(file, item, of, depth + 1)?), None)));
        }
        if let Some(of) = name.strip_prefix("map of ") {
            return Ok(Type::plain(Kind::Map(Box::new(self.text_type(file, item, of, depth + 1)?))));
        }
        if let Some(kind) = plain(name) {
            return Ok(Type::plain(kind));
        }
        if let Some(found) = self.definition(file, name)? {
            return self.named(found.0, found.1, &found.2);
        }
        if Kind::NAMES.contains(&name) {
            let text = format!(
                "{name} needs more than its name: give it a table of its own, or define it in [types.NAME]"
            );
            return Err(item.error(text));
        }
        let local = self.documents[file].table().get("types").and_then(|types| types.table().ok());
        let known =
            local.into_iter().flat_map(|types| types.entries().map(|(name, ..)| name)).chain(Kind::NAMES);
        Err(item.error(format!("no type is called {}: {}", quoted(name), proposal(name, known))))
    }

    /// Returns the definition of this name: in `[types]` of this file, or an included file.
    ///
    /// A definition that is a whole file has an empty name.
    fn definition(&self, file: usize, name: &'a str) -> Result<Option<(usize, &'a str, Table<'a>)>> {
        let documents = self.documents;
        if let Some(types) = documents[file].table().get("types")
            && let Some(item) = types.table()?.get(name)
        {
            return Ok(Some((file, name, item.table()?)));
        }
        let included = documents[file].includes.iter().map(|include| (*include, documents[*include].table()));
        let mut named = included
            .filter(|(_, table)| table.get("name").is_some_and(|item| item.value.as_str() == Some(name)));
        Ok(named.next().map(|(include, table)| (include, "", table)))
    }

    /// Returns the type that this table defines under this name; `Malformed` for a cycle.
    fn named(&mut self, file: usize, name: &'a str, table: &Table<'a>) -> Result<Type> {
        if self.open.contains(&(file, name)) {
            let text = format!(
                "the type {} contains itself, and schemas cannot describe recursive types: break the cycle with type = \"any\"",
                if name.is_empty() { "of this file".to_owned() } else { quoted(name).to_string() },
            );
            return Err(table.source.error(&table.span, text));
        }
        self.open.push((file, name));
        let read = self.ty(file, table, if name.is_empty() { &FILE_KEYS } else { &["doc"] });
        self.open.pop();
        read
    }

    fn fields(&mut self, file: usize, table: &Table<'a>, key: &str, what: &str) -> Result<Vec<Field>> {
        let Some(item) = table.get(key) else {
            return Err(table
                .source
                .error(&table.span, format!("a {what} has {key}: [{key}.NAME] is missing")));
        };
        let entries = item.table()?;
        if entries.entries.is_empty() {
            return Err(item.error(format!("a {what} has at least one of {key}")));
        }
        let mut fields: Vec<Field> = Vec::new();
        for (name, span, item) in entries.entries() {
            if !is_field_name(name) {
                let text = format!(
                    "{} is not a valid name: a letter, then letters, digits and underscores, at most 63",
                    quoted(name)
                );
                return Err(entries.source.error(&span, text));
            }
            let field = self.field(file, name, &item, what)?;
            for other in &fields {
                let taken = [&field.name].into_iter().chain(&field.aliases);
                let other_names: Vec<&String> = [&other.name].into_iter().chain(&other.aliases).collect();
                if let Some(twice) = taken.into_iter().find(|name| other_names.contains(name)) {
                    let text = format!(
                        "{} is the name or an alias of {} already",
                        quoted(twice),
                        quoted(&other.name)
                    );
                    return Err(entries.source.error(&span, text));
                }
            }
            fields.push(field);
        }
        Ok(fields)
    }
}

fn too_deep() -> String {
    format!("types lie deeper in each other than {}", Schema::MAX_DEPTH)
}

fn plain(name: &str) -> Option<Kind> {
    Some(match name {
        "any" => Kind::Any,
        "bool" => Kind::Bool,
        "f32" => Kind::F32,
        "f64" => Kind::F64,
        "text" => Kind::Text(None),
        "bytes" => Kind::Bytes(None),
        "timestamp" => Kind::Timestamp,
        "uuid" => Kind::Uuid,
        "decimal" => Kind::Decimal,
        _ => Kind::Integer(Width::ALL.into_iter().find(|width| width.name() == name)?),
    })
}
