//! The plan of every generator: a schema's named types in order of definition, with identifiers.

use linkspan::schema::{Field, Fingerprint, Kind, Length, Range, Schema, Type, Width};
use linkspan::value::{DType, Order, Value};
use linkspan::{Error, ErrorKind, Result};

use super::naming::{Case, Language, Naming};
use super::text::escaped;

/// The code to generate for one schema in one language.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The schema.
    pub schema: &'a Schema,
    /// Its fingerprint, a constant in the generated code.
    pub fingerprint: Fingerprint,
    /// How the language writes names.
    pub naming: Naming,
    /// The type of a message.
    pub root: Slot,
    /// The named types, each after the types that it refers to; a named root is last.
    pub types: Vec<TypeDef>,
}

/// A named type.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeDef {
    /// Its identifier.
    pub name: String,
    /// Its name before the case: the schema's name and the field names that lead to it, joined with dots.
    ///
    /// [`Case::join`] makes the names of its constants and functions from it.
    pub path: String,
    /// Its description; may be empty.
    pub doc: String,
    /// Its kind.
    pub definition: Definition,
}

/// The kinds of named types.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Definition {
    /// A map with these fields.
    Record(Vec<Member>),
    /// A map of columns of equal length; all are required.
    Table(Vec<Member>),
    /// A map with exactly one of these keys.
    Union(Vec<Member>),
    /// One of these names, sent as text: the identifier and the name on the wire.
    Enum(Vec<(String, String)>),
}

/// A field of a record, a column of a table, or a variant of a union.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its identifier.
    pub name: String,
    /// Its key on the wire.
    pub key: String,
    /// Older keys that a reader accepts.
    pub aliases: Vec<String>,
    /// Its description; may be empty.
    pub doc: String,
    /// Whether it may be absent; readers treat null as absent.
    pub optional: bool,
    /// The value that a reader uses for an absent field or an unknown enum name.
    pub default: Option<Value>,
    /// The type of its value.
    pub slot: Slot,
}

/// The type of one value with its unit and range.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// The kind of value.
    pub shape: Shape,
    /// The unit in UCUM's notation.
    pub unit: Option<String>,
    /// The least and the greatest allowed number.
    pub range: Option<Range>,
}

/// The kinds of values in a schema. A named type is referred to by its position.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Shape {
    /// Any value.
    Any,
    /// A truth value.
    Bool,
    /// An integer of this width.
    Integer(Width),
    /// A float of 32 bits.
    F32,
    /// A float of 64 bits.
    F64,
    /// Text of at most this many bytes.
    Text(Option<u64>),
    /// At most this many bytes.
    Bytes(Option<u64>),
    /// An instant.
    Timestamp,
    /// A UUID.
    Uuid,
    /// An exact decimal number.
    Decimal,
    /// Values of one type, at most this many.
    List(Box<Slot>, Option<u64>),
    /// Values of one type with arbitrary keys.
    Map(Box<Slot>),
    /// An N-d array.
    NdArray {
        /// The element type.
        dtype: DType,
        /// The lengths of the dimensions; `None` for any number of dimensions.
        shape: Option<Vec<Length>>,
        /// The order in memory, if only one is allowed.
        order: Option<Order>,
    },
    /// The type at this position in [`Plan::types`].
    Named(usize),
}

impl<'a> Plan<'a> {
    /// Returns the plan for a schema.
    ///
    /// # Errors
    /// `Unsupported`, with two fields, values or types that would have one identifier, or an identifier that is too
    /// long for the language. `TooLarge` for a schema without a canonical form.
    pub fn new(schema: &'a Schema, language: Language) -> Result<Plan<'a>> {
        let mut naming = language.naming();
        if !schema.packed {
            naming.reserved_if_packed = &[];
        }
        let mut planner = Planner { naming, types: Vec::new() };
        let root = planner.slot(&schema.root, &schema.name, &schema.doc)?;
        let fingerprint = schema.fingerprint()?;
        Ok(Plan { schema, fingerprint, naming: planner.naming, root, types: planner.types })
    }

    /// Returns the schema's notation, for a constant. Hidden characters only occur in its strings, which have these
    /// escapes.
    pub fn notation(&self) -> String {
        escaped(&self.schema.to_toml(), |c| format!("\\u{:04X}", u32::from(c)))
    }

    /// Returns the named type of a message; `None` for a number, a list or another unnamed type.
    pub fn root_type(&self) -> Option<&TypeDef> {
        match self.root.shape {
            Shape::Named(at) => self.types.get(at),
            _ => None,
        }
    }

    /// Returns the schema's name in this case: `power_reading` for a file, `POWER_READING` for a constant.
    ///
    /// In the case of types, it is a type's identifier.
    pub fn name(&self, case: Case) -> String {
        if case == self.naming.types {
            self.naming.type_identifier(&self.schema.name)
        } else {
            self.naming.identifier(&self.schema.name, case)
        }
    }
}

struct Planner {
    naming: Naming,
    types: Vec<TypeDef>,
}

impl Planner {
    fn slot(&mut self, of: &Type, path: &str, doc: &str) -> Result<Slot> {
        let shape = match &of.kind {
            Kind::Any => Shape::Any,
            Kind::Bool => Shape::Bool,
            Kind::Integer(width) => Shape::Integer(*width),
            Kind::F32 => Shape::F32,
            Kind::F64 => Shape::F64,
            Kind::Text(most) => Shape::Text(*most),
            Kind::Bytes(most) => Shape::Bytes(*most),
            Kind::Timestamp => Shape::Timestamp,
            Kind::Uuid => Shape::Uuid,
            Kind::Decimal => Shape::Decimal,
            Kind::List(each, most) => Shape::List(Box::new(self.slot(each, path, doc)?), *most),
            Kind::Map(each) => Shape::Map(Box::new(self.slot(each, path, doc)?)),
            Kind::NdArray { dtype, shape, order } => {
                Shape::NdArray { dtype: *dtype, shape: shape.clone(), order: *order }
            }
            Kind::Enum(values) => {
                let names: Vec<_> =
                    values.iter().map(|value| self.naming.identifier(value, self.naming.values)).collect();
                let pairs: Vec<_> = names.into_iter().zip(values.iter().cloned()).collect();
                self.distinct("value", path, pairs.iter().map(|(name, value)| (name, value)))?;
                self.define(path, doc, Definition::Enum(pairs))?
            }
            Kind::Record(fields) => {
                let members = self.members(fields, path, self.naming.fields, "field")?;
                self.define(path, doc, Definition::Record(members))?
            }
            Kind::Table(fields) => {
                let members = self.members(fields, path, self.naming.fields, "column")?;
                self.define(path, doc, Definition::Table(members))?
            }
            Kind::Union(fields) => {
                let members = self.members(fields, path, self.naming.variants, "variant")?;
                self.define(path, doc, Definition::Union(members))?
            }
            other => {
                let text = format!("{path}: there is no generated code for the type {}", other.name());
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
        };
        Ok(Slot { shape, unit: of.unit.clone(), range: of.range })
    }

    fn members(&mut self, fields: &[Field], path: &str, case: Case, what: &str) -> Result<Vec<Member>> {
        let mut members = Vec::with_capacity(fields.len());
        for field in fields {
            members.push(Member {
                name: self.naming.identifier(&field.name, case),
                key: field.name.clone(),
                aliases: field.aliases.clone(),
                doc: field.doc.clone(),
                optional: field.optional,
                default: field.default.clone(),
                slot: self.slot(&field.of, &format!("{path}.{}", field.name), &field.doc)?,
            });
        }
        self.distinct(what, path, members.iter().map(|member| (&member.name, &member.key)))?;
        Ok(members)
    }

    /// Returns the reference to a type. Equal types are defined once.
    fn define(&mut self, path: &str, doc: &str, definition: Definition) -> Result<Shape> {
        if let Some(at) = self.types.iter().position(|other| other.definition == definition) {
            return Ok(Shape::Named(at));
        }
        let name = self.naming.type_identifier(path);
        self.fits(&name, path)?;
        if let Some(other) = self.types.iter().find(|other| self.same(&other.name, &name)) {
            return Err(self.taken("type", &other.path, path, &name));
        }
        self.types.push(TypeDef { name, path: path.to_owned(), doc: doc.to_owned(), definition });
        Ok(Shape::Named(self.types.len() - 1))
    }

    fn distinct<'n>(
        &self,
        what: &str,
        path: &str,
        names: impl Iterator<Item = (&'n String, &'n String)>,
    ) -> Result<()> {
        let mut known: Vec<(&String, &String)> = Vec::new();
        for (name, key) in names {
            self.fits(name, &format!("{path}.{key}"))?;
            if let Some((_, other)) = known.iter().find(|(other, _)| self.same(other, name)) {
                return Err(self.taken(what, &format!("{path}.{other}"), &format!("{path}.{key}"), name));
            }
            known.push((name, key));
        }
        Ok(())
    }

    fn same(&self, a: &str, b: &str) -> bool {
        if self.naming.ignores_case { a.eq_ignore_ascii_case(b) } else { a == b }
    }

    fn fits(&self, name: &str, path: &str) -> Result<()> {
        if name.len() <= self.naming.longest {
            return Ok(());
        }
        let text = format!(
            "{path}: its identifier {name} has {} characters, the language allows {}: give the schema or the field a shorter name",
            name.len(),
            self.naming.longest
        );
        Err(Error::new(ErrorKind::Unsupported, text))
    }

    #[cold]
    fn taken(&self, what: &str, one: &str, other: &str, name: &str) -> Error {
        let text = format!(
            "{one} and {other} would both be the {what} {name} in this language: rename one of them, with its old name as alias"
        );
        Error::new(ErrorKind::Unsupported, text)
    }
}
