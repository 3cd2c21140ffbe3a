//! Fortran: one module with a derived type for each record, and their way to and from the wire.

use linkspan::schema::{Length, Width};
use linkspan::value::{DType, Order, Value};

use super::native::{self, comment, fixed, names_width};
use super::{Case, Definition, File, Member, Naming, Plan, Shape, Slot, Text, TypeDef, describe};

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
};

/// The module.
pub(super) fn generate(plan: &Plan<'_>) -> linkspan::Result<Vec<File>> {
    let mut fortran = Fortran { plan, holders: Vec::new() };
    let text = fortran.module()?;
    Ok(vec![File { name: format!("{}.f90", plan.name(Case::Snake)), text }])
}

/// A type for the values of a list or a map that have no type of their own which could be the element of an array.
struct Holder {
    name: String,
    shape: Shape,
    has_key: bool,
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
            text.line(
                "use, intrinsic :: iso_c_binding, only: c_bool\nuse linkspan\nimplicit none\nprivate\n",
            );
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
                for (at, (value, _)) in values.iter().enumerate() {
                    types.line(format!("integer, parameter, public :: {}_{value} = {at}", def.name));
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
            Definition::Record(members) | Definition::Table(members) => {
                let is_root = self.root() == def.name;
                self.record(types, procedures, &def.name, &doc, members, is_root);
            }
        }
    }

    /// A derived type with its components and bindings.
    fn derived(
        &mut self,
        types: &mut Text,
        name: &str,
        doc: &str,
        members: &[(Member, bool)],
        is_root: bool,
        first: &str,
    ) {
        let mut components = Text::new("   ");
        let known = self.holders.len();
        for (member, allocated) in members {
            let mut words = describe(member);
            if matches!(member.slot.shape, Shape::Integer(Width::U64)) {
                words += " A number above huge(0_int64) is the same 64 bits as a negative one.";
            }
            comment(&mut components, "! ", words.trim());
            let path = format!("{name}_{}", member.name);
            let line =
                self.component(&member.slot.shape, &member.name, &path, *allocated, member.default.as_ref());
            components.line(wrap(&line));
        }
        self.define_holders(types, known);
        comment(types, "! ", doc);
        types.block(format!("type, public :: {name}"), "", |text| {
            if !first.is_empty() {
                text.line(first);
            }
            text.line(components.finish().trim_end());
        });
        types.block("contains", "end type\n", |text| {
            if is_root {
                text.line(format!(
                    "! Makes a message that holds this value: encode(writer, message, stat, errmsg).
procedure :: encode => {name}_encode
! Takes the value of a message: decode(reader, message, stat, errmsg).
procedure :: decode => {name}_decode"
                ));
            }
            text.line(format!(
                "procedure :: set_defaults => {name}_set_defaults\nprocedure :: write => {name}_write\nprocedure :: read => {name}_read"
            ));
        });
    }

    /// The types that hold values of lists and maps, from this one on. The later ones are parts of the earlier ones.
    fn define_holders(&mut self, types: &mut Text, from: usize) {
        let mut lines = Vec::new();
        let mut at = from;
        while let Some(holder) = self.holders.get(at) {
            let (name, shape, has_key) = (holder.name.clone(), holder.shape.clone(), holder.has_key);
            let value = self.component(&shape, "value", &format!("{name}_value"), is_fixed(&shape), None);
            lines.push((name, has_key, value));
            at += 1;
        }
        for (name, has_key, value) in lines.into_iter().rev() {
            types.block(format!("type, public :: {name}"), "end type\n", |text| {
                if has_key {
                    text.line("character(:), allocatable :: key");
                }
                text.line(value);
            });
        }
    }

    fn record(
        &mut self,
        types: &mut Text,
        procedures: &mut Text,
        name: &str,
        doc: &str,
        members: &[Member],
        is_root: bool,
    ) {
        let listed: Vec<(Member, bool)> =
            members.iter().map(|member| (member.clone(), member.optional)).collect();
        self.derived(types, name, doc, &listed, is_root, "");
        self.set_defaults(procedures, name, members);
        let write = body(|text| {
            text.line("call writer%begin_map(key)");
            for member in members {
                let (key, from) = (format!(", \"{}\"", member.key), format!("self%{}", member.name));
                if member.optional {
                    text.block(format!("if (allocated({from})) then"), "end if", |text| {
                        self.write(text, &key, &member.slot, &from, 1, true);
                    });
                } else {
                    self.write(text, &key, &member.slot, &from, 1, false);
                }
            }
            text.line("call writer%end()");
        });
        self.write_procedure(procedures, name, &write);
        let read = body(|text| {
            text.line("call self%set_defaults()\nleft = reader%begin_map()");
            if members.is_empty() {
                text.line("if (left > 0) continue");
            } else {
                text.block("do", "end do", |text| {
                    text.line("position = reader%get_field(names, rules)");
                    text.block("select case (position)", "end select", |text| {
                        text.line("case (0)\n   exit");
                        for (at, member) in members.iter().enumerate() {
                            text.block(format!("case ({}) ! {}", at + 1, member.key), "", |text| {
                                self.read_member(text, member);
                            });
                        }
                    });
                });
            }
            text.line("call reader%end()");
        });
        let mut tables = Text::new("   ");
        if !members.is_empty() {
            let (keys, rules) = native::fields(members);
            self.names(&mut tables, "names", keys.iter().map(String::as_str), false);
            let rules: Vec<String> = rules
                .iter()
                .map(|rule| match rule {
                    native::Rule::Alias(field) => field.to_string(),
                    rule => rule.c().to_ascii_lowercase(),
                })
                .collect();
            tables.line(wrap(&format!(
                "integer, parameter :: rules({}) = [{}]",
                rules.len(),
                rules.join(", ")
            )));
            tables.line("integer :: position");
        }
        tables.line("integer(int64) :: left");
        self.read_procedure(procedures, name, &tables.finish(), &read);
        if is_root {
            self.message(procedures, name);
        }
    }

    fn read_member(&self, text: &mut Text, member: &Member) {
        let to = format!("self%{}", member.name);
        if member.optional {
            text.block("if (.not. reader%get_null()) then", "end if", |text| {
                if self.needs_place(&member.slot.shape) {
                    text.line(format!("if (.not. allocated({to})) allocate ({to})"));
                }
                self.read(text, &member.slot, &to, 1, true, None);
            });
        } else {
            self.read(text, &member.slot, &to, 1, false, member.default.as_ref());
        }
    }

    /// Whether an optional value has to be allocated before it is read.
    fn needs_place(&self, shape: &Shape) -> bool {
        match shape {
            Shape::Any => true,
            Shape::NdArray { shape: Some(lengths), .. } => lengths.is_empty(),
            Shape::NdArray { shape: None, .. } => true,
            Shape::Named(at) => !matches!(self.plan.types[*at].definition, Definition::Enum(_)),
            _ => false,
        }
    }

    fn union(
        &mut self,
        types: &mut Text,
        procedures: &mut Text,
        def: &TypeDef,
        doc: &str,
        variants: &[Member],
    ) {
        let (name, is_root) = (&def.name, self.root() == def.name);
        for (at, variant) in variants.iter().enumerate() {
            types.line(format!("integer, parameter, public :: {name}_{} = {}", variant.name, at + 1));
        }
        let listed: Vec<(Member, bool)> = variants.iter().map(|member| (member.clone(), true)).collect();
        let first = format!(
            "! Which component there is: {name}_{} or another one.\ninteger :: kind = 0",
            variants[0].name
        );
        self.derived(types, name, doc, &listed, is_root, &first);
        let write = body(|text| {
            text.line("call writer%begin_map(key)");
            text.block("select case (self%kind)", "end select", |text| {
                for variant in variants {
                    text.block(format!("case ({name}_{})", variant.name), "", |text| {
                        let from = format!("self%{}", variant.name);
                        text.block(format!("if (allocated({from})) then"), "else", |text| {
                            self.write(text, &format!(", \"{}\"", variant.key), &variant.slot, &from, 1, true);
                        });
                        text.line(format!(
                            "   call writer%refuse(linkspan_missing, \"{} is not allocated\")\nend if",
                            variant.key
                        ));
                    });
                }
                text.line("case default\n   call writer%refuse(linkspan_out_of_range, \"the kind of a union is none of its variants\")");
            });
            text.line("call writer%end()");
        });
        procedures.line(format!(
            "subroutine {name}_set_defaults(self)\n   class({name}), intent(out) :: self\n   self%kind = 0\nend subroutine\n"
        ));
        self.write_procedure(procedures, name, &write);
        let read = body(|text| {
            text.line("call self%set_defaults()\nself%kind = reader%get_variant(names)");
            text.block("select case (self%kind)", "end select", |text| {
                for (at, variant) in variants.iter().enumerate() {
                    text.block(format!("case ({})", at + 1), "", |text| {
                        let to = format!("self%{}", variant.name);
                        if self.needs_place(&variant.slot.shape) {
                            text.line(format!("allocate ({to})"));
                        }
                        self.read(text, &variant.slot, &to, 1, true, None);
                    });
                }
            });
            text.line("call reader%end()");
        });
        let mut tables = Text::new("   ");
        self.names(&mut tables, "names", variants.iter().map(|variant| variant.key.as_str()), false);
        self.read_procedure(procedures, name, &tables.finish(), &read);
        if is_root {
            self.message(procedures, name);
        }
    }

    /// A message that is no record and no union.
    fn alone(&mut self, types: &mut Text, procedures: &mut Text, name: &str, member: &Member) {
        self.derived(types, name, "A message.", &[(member.clone(), false)], true, "");
        self.set_defaults(procedures, name, std::slice::from_ref(member));
        let write = body(|text| self.write(text, ", key", &member.slot, "self%value", 1, false));
        self.write_procedure(procedures, name, &write);
        let read = body(|text| {
            text.line("call self%set_defaults()");
            self.read(text, &member.slot, "self%value", 1, false, None);
        });
        self.read_procedure(procedures, name, "", &read);
        self.message(procedures, name);
    }

    fn set_defaults(&self, procedures: &mut Text, name: &str, members: &[Member]) {
        let set = body(|text| {
            for member in members {
                if let Some(value) = &member.default {
                    self.set(text, &member.slot, &format!("self%{}", member.name), value);
                }
            }
        });
        procedures.line("! Sets every field to its default; the others to zero, or not allocated.");
        // The attribute does it all where no default needs memory.
        let unused = if set.is_empty() { "   if (.false.) call self%set_defaults()\n" } else { "" };
        procedures.line(format!("subroutine {name}_set_defaults(self)\n   class({name}), intent(out) :: self\n{unused}{}end subroutine\n", indent(&set)));
    }

    /// Statements for a default that cannot stand in the declaration of a component.
    fn set(&self, text: &mut Text, slot: &Slot, to: &str, value: &Value) {
        match (&slot.shape, value) {
            (Shape::Text(_), Value::Text(value)) => text.line(wrap(&format!("{to} = {}", literal(value)))),
            (Shape::Decimal, Value::Decimal(value)) => {
                text.line(wrap(&format!("{to} = \"{}\"", value.as_str())))
            }
            (Shape::Bytes(_), Value::Bytes(bytes)) => {
                let bytes: Vec<String> = bytes.iter().map(|byte| format!("{}_int8", *byte as i8)).collect();
                text.line(wrap(&format!("{to} = [integer(int8) :: {}]", bytes.join(", "))));
            }
            (Shape::List(of, _), Value::Array(items)) => {
                text.line(format!("allocate ({to}({}))", items.len()));
                let held = if self.is_element(&of.shape) { "" } else { "%value" };
                for (at, item) in items.iter().enumerate() {
                    self.set(text, of, &format!("{to}({}){held}", at + 1), item);
                }
            }
            (Shape::Map(of), Value::Map(entries)) => {
                text.line(format!("allocate ({to}({}))", entries.len()));
                for (at, (key, item)) in entries.iter().enumerate() {
                    text.line(wrap(&format!("{to}({})%key = {}", at + 1, literal(key))));
                    self.set(text, of, &format!("{to}({})%value", at + 1), item);
                }
            }
            (shape, value) => {
                if let Some(number) = self.initial(shape, value) {
                    text.line(format!("{to} = {number}"));
                }
            }
        }
    }

    /// A default as an expression.
    fn initial(&self, shape: &Shape, value: &Value) -> Option<String> {
        match (shape, value) {
            (Shape::Named(at), Value::Text(name)) => {
                let def = &self.plan.types[*at];
                let Definition::Enum(values) = &def.definition else { return None };
                let (value, _) = values.iter().find(|(_, wire)| wire == name)?;
                Some(format!("{}_{value}", def.name))
            }
            (Shape::Timestamp, Value::Timestamp(at)) => {
                Some(format!("linkspan_timestamp({})", whole(i128::from(at.nanoseconds()))))
            }
            (Shape::Bool, Value::Bool(value)) => Some(format!(".{value}.")),
            (Shape::F32 | Shape::F64, Value::Int(value)) => Some(real(*value as f64, shape)),
            (Shape::F32 | Shape::F64, Value::Float(value)) => Some(real(*value, shape)),
            (Shape::Integer(width), Value::Int(value)) => Some(integer_of(*width, i128::from(*value))),
            (Shape::Integer(width), Value::Uint(value)) => {
                Some(integer_of(*width, i128::from(*value as i64)))
            }
            _ => None,
        }
    }

    fn write_procedure(&self, procedures: &mut Text, name: &str, write: &str) {
        procedures
            .line("! Writes it as one value: with `key` in a map that is open, without it anywhere else.");
        let counters = counters(write);
        procedures.line(format!(
            "recursive subroutine {name}_write(self, writer, key)
   class({name}), intent(in) :: self
   type(linkspan_writer), intent(inout) :: writer
   character(*), intent(in), optional :: key
{}{}end subroutine
",
            indent(&counters),
            indent(write)
        ));
    }

    fn read_procedure(&self, procedures: &mut Text, name: &str, tables: &str, read: &str) {
        procedures.line("! Takes the next value of a reader.");
        let counters = counters(read);
        procedures.line(format!(
            "recursive subroutine {name}_read(self, reader)
   class({name}), intent(inout) :: self
   type(linkspan_reader), intent(inout) :: reader
{}{}{}end subroutine
",
            indent(tables),
            indent(&counters),
            indent(read)
        ));
    }

    fn message(&self, procedures: &mut Text, name: &str) {
        let tell = "   if (present(stat)) stat = outcome
   if (outcome == linkspan_ok) return
   if (present(errmsg)) errmsg = text
   if (.not. present(stat)) error stop \"linkspan: \"//text
";
        procedures.line(format!(
            "subroutine {name}_encode(self, writer, message, stat, errmsg)
   class({name}), intent(in) :: self
   type(linkspan_writer), intent(inout) :: writer
   type(linkspan_message), intent(inout) :: message
   integer, intent(out), optional :: stat
   character(:), allocatable, intent(inout), optional :: errmsg
   character(:), allocatable :: text
   integer :: outcome
   call self%write(writer)
   call writer%finish(message, outcome, text)
{tell}end subroutine

subroutine {name}_decode(self, reader, message, stat, errmsg)
   class({name}), intent(inout) :: self
   type(linkspan_reader), intent(inout) :: reader
   type(linkspan_message), intent(in) :: message
   integer, intent(out), optional :: stat
   character(:), allocatable, intent(inout), optional :: errmsg
   character(:), allocatable :: text
   integer :: outcome
   call reader%begin(message)
   call self%read(reader)
   call reader%finish(outcome, text)
{tell}end subroutine
"
        ));
    }

    /// Whether values of this kind can be the elements of an array by themselves.
    fn is_element(&self, shape: &Shape) -> bool {
        matches!(
            shape,
            Shape::Bool | Shape::Integer(_) | Shape::F32 | Shape::F64 | Shape::Timestamp | Shape::Named(_)
        )
    }

    /// The declaration of a component, or of what holds the values of a list.
    fn component(
        &mut self,
        shape: &Shape,
        name: &str,
        path: &str,
        allocated: bool,
        default: Option<&Value>,
    ) -> String {
        let scalar = |of: &str, zero: &str, this: &Self| match (allocated, default) {
            (true, _) => format!("{of}, allocatable :: {name}"),
            (false, None) if zero.is_empty() => format!("{of} :: {name}"),
            (false, None) => format!("{of} :: {name} = {zero}"),
            (false, Some(value)) => {
                let initial = this.initial(shape, value).unwrap_or_else(|| zero.to_owned());
                format!("{of} :: {name} = {initial}")
            }
        };
        match shape {
            Shape::Bool => scalar("logical", ".false.", self),
            Shape::Integer(width) => {
                scalar(&format!("integer({})", kind(*width)), &integer_of(*width, 0), self)
            }
            Shape::F32 => scalar("real(real32)", "0.0_real32", self),
            Shape::F64 => scalar("real(real64)", "0.0_real64", self),
            Shape::Timestamp => scalar("type(linkspan_timestamp)", "linkspan_timestamp(0_int64)", self),
            Shape::Any => scalar("type(linkspan_message)", "", self),
            Shape::Text(_) | Shape::Decimal => format!("character(:), allocatable :: {name}"),
            Shape::Bytes(_) => format!("integer(int8), allocatable :: {name}(:)"),
            Shape::Uuid if allocated => format!("integer(int8), allocatable :: {name}(:)"),
            Shape::Uuid => format!("integer(int8) :: {name}(16) = 0_int8"),
            Shape::Named(at) => match self.plan.types[*at].definition {
                Definition::Enum(_) => scalar("integer", "0", self),
                _ => scalar(&format!("type({})", self.plan.types[*at].name), "", self),
            },
            Shape::List(of, _) => {
                let element = self.element_type(&of.shape, &format!("{path}_item"), false);
                format!("{element}, allocatable :: {name}(:)")
            }
            Shape::Map(of) => {
                let element = self.element_type(&of.shape, &format!("{path}_entry"), true);
                format!("{element}, allocatable :: {name}(:)")
            }
            Shape::NdArray { dtype, shape: lengths, .. } => match (lengths.as_deref(), fixed(shape)) {
                (None | Some([]), _) => scalar("type(linkspan_ndarray)", "", self),
                (_, Some(lengths)) if !allocated => {
                    let lengths: Vec<String> = lengths.iter().map(u64::to_string).collect();
                    format!("{} :: {name}({}) = {}", element(*dtype), lengths.join(", "), zero(*dtype))
                }
                (Some(lengths), _) => {
                    let colons = vec![":"; lengths.len()].join(", ");
                    format!("{}, allocatable :: {name}({colons})", element(*dtype))
                }
            },
        }
    }

    /// The type of a list's or a map's values; one is made where there is none that can be an element.
    fn element_type(&mut self, shape: &Shape, path: &str, has_key: bool) -> String {
        if !has_key && self.is_element(shape) {
            let plain = self.component(shape, "x", path, true, None);
            return plain.trim_end_matches(", allocatable :: x").to_owned();
        }
        self.holders.push(Holder { name: path.to_owned(), shape: shape.clone(), has_key });
        format!("type({path})")
    }

    fn names<'n>(&self, text: &mut Text, name: &str, names: impl Iterator<Item = &'n str>, public: bool) {
        let names: Vec<&str> = names.collect();
        let width = names_width(names.iter().copied());
        let list: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let public = if public { ", public" } else { "" };
        text.line(wrap(&format!(
            "character(len={width}), parameter{public} :: {name}({}) = [character(len={width}) :: {}]",
            names.len(),
            list.join(", ")
        )));
    }

    /// Statements that write a value. `key` is the argument behind the value, `, "name"`, or nothing in a list.
    fn write(&self, text: &mut Text, key: &str, slot: &Slot, from: &str, level: usize, is_there: bool) {
        let only_key = key.trim_start_matches(", ");
        let put = |what: &str, value: &str| format!("call writer%put_{what}({value}{key})");
        match &slot.shape {
            Shape::Any => text.line(put("message", from)),
            Shape::Bool => text.line(put("bool", from)),
            Shape::Integer(Width::U64) => text.line(put("u64", from)),
            Shape::Integer(Width::I64 | Width::U32) => text.line(put("i64", from)),
            Shape::Integer(_) => text.line(put("i64", &format!("int({from}, int64)"))),
            Shape::F32 => text.line(put("f64", &format!("real({from}, real64)"))),
            Shape::F64 => text.line(put("f64", from)),
            Shape::Timestamp => text.line(put("timestamp", from)),
            Shape::Uuid => text.line(put("uuid", from)),
            Shape::Text(_) => {
                self.if_allocated(text, from, is_there, &put("text", from), &put("text", "\"\""))
            }
            Shape::Decimal => {
                self.if_allocated(text, from, is_there, &put("decimal", from), &put("decimal", "\"0\""))
            }
            Shape::Bytes(_) => self.if_allocated(
                text,
                from,
                is_there,
                &put("bytes", from),
                &put("bytes", "[integer(int8) ::]"),
            ),
            Shape::List(of, _) | Shape::Map(of) => {
                let is_map = matches!(slot.shape, Shape::Map(_));
                text.line(format!("call writer%begin_{}({only_key})", if is_map { "map" } else { "array" }));
                let item = format!("{from}(at_{level})");
                text.block(format!("if (allocated({from})) then"), "end if", |text| {
                    text.block(format!("do at_{level} = 1, size({from})"), "end do", |text| {
                        if is_map {
                            let key = format!(", {item}%key");
                            self.write(text, &key, of, &format!("{item}%value"), level + 1, false);
                        } else if self.is_element(&of.shape) {
                            self.write(text, "", of, &item, level + 1, false);
                        } else {
                            self.write(text, "", of, &format!("{item}%value"), level + 1, false);
                        }
                    });
                });
                text.line("call writer%end()");
            }
            Shape::NdArray { dtype, shape, order } => {
                let by_row = if *order == Some(Order::Row) { ", by_row=.true." } else { "" };
                if matches!(shape.as_deref(), None | Some([])) {
                    text.line(put("ndarray", from));
                    return;
                }
                let dtype = native::dtype_constant(*dtype).to_ascii_lowercase();
                let put = format!("call writer%put_elements({dtype}, {from}{key}{by_row})");
                if fixed(&slot.shape).is_some() && !from.ends_with("%value") {
                    text.line(put);
                } else {
                    let refuse = "call writer%refuse(linkspan_missing, \"an array is not allocated\")";
                    self.if_allocated(text, from, is_there, &put, refuse);
                }
            }
            Shape::Named(at) => {
                let def = &self.plan.types[*at];
                match def.definition {
                    Definition::Enum(_) => {
                        text.line(format!("call writer%put_name({}_names, {from}{key})", def.name))
                    }
                    _ => text.line(format!("call {from}%write(writer{key})")),
                }
            }
        }
    }

    fn if_allocated(&self, text: &mut Text, from: &str, is_there: bool, put: &str, otherwise: &str) {
        if is_there {
            text.line(put);
        } else {
            text.line(format!("if (allocated({from})) then\n   {put}\nelse\n   {otherwise}\nend if"));
        }
    }

    /// Statements that read a value.
    fn read(
        &self,
        text: &mut Text,
        slot: &Slot,
        to: &str,
        level: usize,
        allocated: bool,
        default: Option<&Value>,
    ) {
        match &slot.shape {
            Shape::Any => text.line(format!("call reader%get_message({to})")),
            Shape::Bool => text.line(format!("{to} = reader%get_bool()")),
            Shape::Integer(Width::U64) => text.line(format!("{to} = reader%get_u64()")),
            Shape::Integer(width) => {
                let (least, greatest) = width.bounds();
                let get = format!("reader%get_i64({}, {})", whole(least), whole(greatest));
                text.line(match width {
                    Width::I64 | Width::U32 => format!("{to} = {get}"),
                    _ => format!("{to} = int({get}, {})", kind(*width)),
                });
            }
            Shape::F32 => text.line(format!("{to} = reader%get_f32()")),
            Shape::F64 => text.line(format!("{to} = reader%get_f64()")),
            Shape::Timestamp => text.line(format!("{to} = reader%get_timestamp()")),
            Shape::Text(_) => text.line(format!("call reader%get_text({to})")),
            Shape::Decimal => text.line(format!("call reader%get_decimal({to})")),
            Shape::Bytes(_) => text.line(format!("call reader%get_bytes({to})")),
            Shape::Uuid if allocated || to.ends_with("%value") => {
                text.line(format!(
                    "if (.not. allocated({to})) allocate ({to}(16))\ncall reader%get_uuid({to})"
                ));
            }
            Shape::Uuid => text.line(format!("call reader%get_uuid({to})")),
            Shape::List(of, _) | Shape::Map(of) => {
                let is_map = matches!(slot.shape, Shape::Map(_));
                text.line(format!("if (allocated({to})) deallocate ({to})"));
                text.line(format!(
                    "allocate ({to}(reader%begin_{}()))",
                    if is_map { "map" } else { "array" }
                ));
                let item = format!("{to}(at_{level})");
                text.block(format!("do at_{level} = 1, size({to})"), "end do", |text| {
                    if is_map {
                        text.line(format!("call reader%get_key({item}%key)"));
                        self.read(text, of, &format!("{item}%value"), level + 1, false, None);
                    } else if self.is_element(&of.shape) {
                        self.read(text, of, &item, level + 1, false, None);
                    } else {
                        self.read(text, of, &format!("{item}%value"), level + 1, false, None);
                    }
                });
                text.line("call reader%end()");
            }
            Shape::NdArray { dtype, shape, order } => {
                let order = match order {
                    Some(Order::Row) => "linkspan_row",
                    Some(Order::Column) => "linkspan_column",
                    _ => "-1",
                };
                let constant = native::dtype_constant(*dtype).to_ascii_lowercase();
                let Some(lengths) = shape.as_deref().filter(|lengths| !lengths.is_empty()) else {
                    text.line(format!("call reader%get_ndarray({constant}, {order}, {to})"));
                    return;
                };
                let asked: Vec<String> = lengths
                    .iter()
                    .map(|length| match length {
                        Length::Fixed(length) => format!("{length}_int64"),
                        _ => "-1_int64".to_owned(),
                    })
                    .collect();
                let get = format!("reader%get_shape({constant}, {order}, [{}])", asked.join(", "));
                let rank = lengths.len();
                text.block("block", "end block", |text| {
                    text.line(format!("integer(int64) :: lengths({rank})\nlengths = {get}"));
                    if allocated || to.ends_with("%value") || fixed(&slot.shape).is_none() {
                        let each: Vec<String> = (1..=rank).map(|at| format!("lengths({at})")).collect();
                        text.line(format!(
                            "if (allocated({to})) deallocate ({to})\nallocate ({to}({}))",
                            each.join(", ")
                        ));
                        text.line(format!("call reader%get_elements({to})"));
                    } else {
                        text.line(format!("if (all(lengths > 0)) call reader%get_elements({to})"));
                    }
                });
            }
            Shape::Named(at) => {
                let def = &self.plan.types[*at];
                match &def.definition {
                    Definition::Enum(_) => {
                        let unknown = default.and_then(|value| self.initial(&slot.shape, value));
                        let unknown = unknown.unwrap_or_else(|| "-1".to_owned());
                        text.line(format!("{to} = reader%get_enum({}_names, {unknown})", def.name));
                    }
                    _ => text.line(format!("call {to}%read(reader)")),
                }
            }
        }
    }
}

/// Whether it would be an array of a fixed shape; what holds the values of lists allocates those, too.
fn is_fixed(shape: &Shape) -> bool {
    matches!(shape, Shape::Uuid) || fixed(shape).is_some()
}

/// Statements, each at the left margin of a procedure.
fn body(write: impl FnOnce(&mut Text)) -> String {
    let mut text = Text::new("   ");
    write(&mut text);
    text.finish()
}

/// The declarations of the loops' counters.
fn counters(statements: &str) -> String {
    (1..=24)
        .filter(|at| statements.contains(&format!("do at_{at} ")))
        .map(|at| format!("integer :: at_{at}\n"))
        .collect()
}

fn indent(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("   {line}\n") }).collect()
}

/// Breaks a long line at commas.
fn wrap(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line.to_owned();
    while rest.len() > 100 {
        let Some(at) = rest[..98].rfind(", ") else { break };
        out += &format!("{} &\n", &rest[..=at]);
        rest = format!("   {}", rest[at + 2..].trim_start());
    }
    out + &rest
}

fn kind(width: Width) -> &'static str {
    match width {
        Width::I8 => "int8",
        Width::I16 | Width::U8 => "int16",
        Width::I32 | Width::U16 => "int32",
        _ => "int64",
    }
}

fn integer_of(width: Width, value: i128) -> String {
    if kind(width) == "int64" { whole(value) } else { format!("{value}_{}", kind(width)) }
}

/// An integer of 64 bits; the least one has no literal of its own.
fn whole(value: i128) -> String {
    if value == i128::from(i64::MIN) {
        "(-huge(0_int64) - 1_int64)".to_owned()
    } else {
        format!("{value}_int64")
    }
}

fn real(value: f64, shape: &Shape) -> String {
    let kind = if *shape == Shape::F32 { "real32" } else { "real64" };
    if value.is_finite() {
        return format!("{value:?}_{kind}").replace("e", "e");
    }
    let bits = if value.is_nan() {
        0x7ff8
    } else if value > 0.0 {
        0x7ff0
    } else {
        -0x10
    };
    // Bits that stand for it, since no literal does.
    format!("real(transfer({}_int64, 1.0_real64), {kind})", i64::from(bits) << 48)
}

/// The type of an array's elements; those without a sign are the same bits with one.
fn element(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "logical(c_bool)",
        DType::I8 | DType::U8 => "integer(int8)",
        DType::I16 | DType::U16 => "integer(int16)",
        DType::I32 | DType::U32 => "integer(int32)",
        DType::I64 | DType::U64 => "integer(int64)",
        DType::F32 => "real(real32)",
        DType::C64 => "complex(real32)",
        DType::C128 => "complex(real64)",
        _ => "real(real64)",
    }
}

fn zero(dtype: DType) -> &'static str {
    if dtype == DType::Bool { ".false._c_bool" } else { "0" }
}

/// A text as Fortran writes it, in pieces that fit a line; control characters by their numbers.
fn literal(text: &str) -> String {
    let mut pieces = vec![String::new()];
    let mut out = Vec::new();
    for c in text.chars() {
        let last = pieces.len() - 1;
        if c.is_ascii_control() {
            out.push(format!("\"{}\"", pieces[last]));
            out.push(format!("achar({})", u32::from(c)));
            pieces.push(String::new());
        } else {
            pieces[last].push(c);
            if c == '"' {
                pieces[last].push(c);
            }
            if pieces[last].len() > 70 {
                out.push(format!("\"{}\"", pieces[last]));
                pieces.push(String::new());
            }
        }
    }
    if let Some(last) = pieces.last().filter(|last| !last.is_empty() || out.is_empty()) {
        out.push(format!("\"{last}\""));
    }
    out.join("// &\n   ")
}
