//! Tables with which the library encodes and decodes derived types in one call. It accesses components inside a type
//! by offset, others by functions.

use linkspan::schema::Length;
use linkspan::value::Order;
use linkspan::{Encoding, Result, codec};

use super::super::native::{dtype_constant, names_width};
use super::super::{Shape, Text};
use super::Fortran;
use super::integers::whole;
use super::lines::wrap;
use super::part::{Host, Part, Presence, kind_of};
use super::procedures::{body, indent};

pub(super) const USES: &str =
    "use, intrinsic :: iso_c_binding, only: c_f_pointer, c_funloc, c_loc, c_null_ptr, c_ptr, &
   c_size_t, c_sizeof";

/// Returns a constant text of these bytes, in pieces that fit a line.
fn text_of(bytes: &[u8]) -> String {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b'"';
        let count = rest.iter().take(60).take_while(|byte| is_plain(byte)).count();
        if count == 0 {
            pieces.push(format!("char({first})"));
            rest = &rest[1..];
        } else {
            let (plain, others) = rest.split_at(count);
            pieces.push(format!("\"{}\"", String::from_utf8_lossy(plain)));
            rest = others;
        }
    }
    pieces.join("// &\n   ")
}

fn constant(types: &mut Text, name: &str, bytes: &[u8]) {
    types.line(format!("character(len={}), target, save :: {name} = &\n   {}", bytes.len(), text_of(bytes)));
}

fn ended(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

impl Fortran<'_> {
    pub(super) fn enum_table(
        &self,
        types: &mut Text,
        procedures: &mut Text,
        name: &str,
        values: &[(String, String)],
    ) {
        let (count, width) = (values.len(), names_width(values.iter().map(|(_, wire)| wire.as_str())) + 1);
        let texts: Vec<String> = values.iter().map(|(_, wire)| format!("\"{wire}\"//achar(0)")).collect();
        types.line(wrap(&format!(
            "character(len={width}), target, save :: {name}__texts({count}) = [character(len={width}) :: {}]",
            texts.join(", ")
        )));
        types.line(format!("type(c_ptr), target, save :: {name}__pointers({count})"));
        types.line(format!("type(linkspan_record_type), target, save :: {name}__type"));
        procedures.line(format!(
            "subroutine {name}__fill()
   integer :: at
   do at = 1, {count}
      {name}__pointers(at) = c_loc({name}__texts(at))
   end do
   {name}__type%kind = linkspan_record_enum
   {name}__type%size = int(storage_size(at)/8, c_size_t)
   {name}__type%names = c_loc({name}__pointers)
   {name}__type%count = {count}_c_size_t
end subroutine
"
        ));
    }

    /// Writes the tables of holder types, starting with this one.
    pub(super) fn holder_tables(&self, types: &mut Text, procedures: &mut Text, from: usize) -> Result<()> {
        for holder in &self.holders[from..] {
            let host = Host::of_holder(holder);
            self.host_table(types, procedures, &host)?;
            // A list's holder contains only the item; a map's holder begins with the key.
            self.fill(procedures, &host, &whole_size(holder.name.as_str()));
        }
        Ok(())
    }

    /// Writes the table of a record or, with the kind `union`, of a union.
    pub(super) fn record_table(
        &self,
        types: &mut Text,
        procedures: &mut Text,
        host: &Host<'_>,
        kind: &str,
    ) -> Result<()> {
        let name = host.name;
        types.line(format!("type(linkspan_record_type), target, save :: {name}__type"));
        self.host_table(types, procedures, host)?;
        let done = format!(
            "{name}__type%kind = linkspan_record_{kind}
{name}__type%size = int(storage_size(at)/8, c_size_t)
{name}__type%fields = &
   c_loc({name}__fields)
{name}__type%count = {}_c_size_t
{}",
            host.parts.len(),
            of_record(name, &format!("{name}__type"))
        );
        self.fill(procedures, host, &done);
        self.table_function(types, procedures, name);
        Ok(())
    }

    /// Writes the table of a message that is neither a record nor a union. Its type has one component, at offset 0.
    pub(super) fn message_table(
        &self,
        types: &mut Text,
        procedures: &mut Text,
        host: &Host<'_>,
    ) -> Result<()> {
        let name = host.name;
        self.host_table(types, procedures, host)?;
        let of = match host.parts.first().map(|part| part.shape) {
            Some(Shape::Named(of)) => format!("{}__type", self.plan.types[*of].name),
            _ => format!("{name}__types"),
        };
        let is_reached = host.parts.iter().any(Part::is_reached);
        let size = if is_reached { whole_size(name) + "\n" } else { String::new() };
        self.fill(procedures, host, &(size + &of_record(name, &of)));
        self.table_function(types, procedures, name);
        Ok(())
    }

    fn table_function(&self, types: &mut Text, procedures: &mut Text, name: &str) {
        types.line(format!("type(linkspan_record), target, save :: {name}__record\n"));
        procedures.line(format!(
            "function {name}__table() result(table)
   type(c_ptr) :: table
   table = linkspan_table({name}__record, &
      c_funloc({name}__fill))
end function
"
        ));
    }

    /// Writes the parts of a type's table, and the functions that it names.
    fn host_table(&self, types: &mut Text, procedures: &mut Text, host: &Host<'_>) -> Result<()> {
        let (name, count) = (host.name, host.parts.len().max(1));
        types.line(format!(
            "! The tables that the library uses to read and fill {name}.
type(linkspan_record_type), target, save :: {name}__types({count})
type(linkspan_record_type), target, save :: {name}__items({count})
type(linkspan_record_field), target, save :: {name}__fields({count})"
        ));
        if !super::access::functions_of(host).is_empty() {
            types.line(format!("type(linkspan_record_access), target, save :: {name}__access"));
        }
        for (at, part) in (1..).zip(&host.parts) {
            constant(
                types,
                &format!("{name}__key_{at}"),
                &ended(part.member.map_or("", |member| member.key.as_str())),
            );
            if let Shape::NdArray { shape: Some(lengths), .. } = part.shape
                && !lengths.is_empty()
            {
                let all: Vec<String> = lengths.iter().map(length).collect();
                types.line(wrap(&format!(
                    "integer(int64), target, save :: {name}__dims_{at}({}) = [{}]",
                    all.len(),
                    all.join(", ")
                )));
            }
            let Some(member) = part.member else { continue };
            if let Some(default) = &member.default {
                constant(types, &format!("{name}__default_{at}"), &codec::encode(default, Encoding::Cbor)?);
            }
            if !member.aliases.is_empty() {
                let all: Vec<u8> = member.aliases.iter().flat_map(|alias| ended(alias)).collect();
                constant(types, &format!("{name}__older_{at}"), &all);
                let places = member.aliases.len() + 1;
                types.line(format!("type(c_ptr), target, save :: {name}__aliases_{at}({places})"));
            }
        }
        self.functions(procedures, host);
        Ok(())
    }

    fn fill(&self, procedures: &mut Text, host: &Host<'_>, done: &str) {
        let name = host.name;
        let fill = body(|text| {
            let mut named: Vec<String> =
                host.parts.iter().filter_map(|part| self.other(name, part.name, part.shape)).collect();
            named.sort_unstable();
            named.dedup();
            named.iter().for_each(|of| text.line(format!("call {of}__fill()")));
            for function in super::access::functions_of(host) {
                text.line(format!("{name}__access%{function} = &\n   c_funloc({name}__{function})"));
            }
            text.line(format!(
                "associate (f => {name}__fields, &\n   t => {name}__types, &\n   i => {name}__items)"
            ));
            for (at, part) in (1..).zip(&host.parts) {
                self.fill_field(text, name, at, part);
            }
            text.line("end associate");
            text.line(done);
        });
        procedures.line(format!(
            "subroutine {name}__fill() bind(C, name=\"\")\n   type({name}), target, save :: at\n{}end subroutine\n",
            indent(&fill)
        ));
    }

    /// Returns the derived type or enum of a component or its values, if any.
    fn other(&self, host: &str, part: &str, shape: &Shape) -> Option<String> {
        match shape {
            Shape::Named(at) => Some(self.plan.types[*at].name.clone()),
            Shape::List(of, _) if !self.is_element(&of.shape) => Some(format!("{host}_{part}_item")),
            Shape::List(of, _) => self.other(host, part, &of.shape),
            Shape::Map(_) => Some(format!("{host}_{part}_entry")),
            _ => None,
        }
    }

    fn fill_field(&self, text: &mut Text, name: &str, at: usize, part: &Part<'_>) {
        let place = format!("at%{}", part.name);
        text.line(format!("f({at})%key = c_loc({name}__key_{at})"));
        if let Some(member) = part.member {
            if member.default.is_some() {
                text.line(format!(
                    "f({at})%default_value = c_loc({name}__default_{at})\nf({at})%default_length = len({name}__default_{at}, c_size_t)"
                ));
            }
            let mut begin = 1;
            for (number, alias) in (1..).zip(&member.aliases) {
                let end = begin + alias.len();
                text.line(format!(
                    "{name}__aliases_{at}({number}) = &\n   c_loc({name}__older_{at}({begin}:{end}))"
                ));
                begin = end + 1;
            }
            if !member.aliases.is_empty() {
                text.line(format!(
                    "{name}__aliases_{at}({}) = c_null_ptr\nf({at})%aliases = c_loc({name}__aliases_{at})",
                    member.aliases.len() + 1
                ));
            }
        }
        if part.presence == Presence::Optional {
            text.line(format!("f({at})%optional = .true._c_bool"));
        }
        if part.presence != Presence::Always {
            text.line(format!("f({at})%access = c_loc({name}__access)\nf({at})%which = {at}_c_size_t"));
        } else if !part.is_reached() {
            text.line(format!("f({at})%offset = linkspan_offset(c_loc(at), c_loc({place}))"));
        }
        if let Shape::Named(of) = part.shape {
            text.line(format!("f({at})%of = c_loc({}__type)", self.plan.types[*of].name));
            return;
        }
        text.line(format!("f({at})%of = c_loc(t({at}))"));
        self.describe(text, name, at, part, &place);
    }

    /// Describes the type of an unnamed component, and its items.
    fn describe(&self, text: &mut Text, name: &str, at: usize, part: &Part<'_>, place: &str) {
        text.line(format!("t({at})%kind = {}", part.kind()));
        if part.is_reached() {
            text.line(format!("t({at})%access = c_loc({name}__access)\nt({at})%which = {at}_c_size_t"));
        } else {
            let whole = match part.shape {
                Shape::Uuid | Shape::NdArray { .. } => format!("size({place})*(storage_size({place})/8)"),
                _ => format!("storage_size({place})/8"),
            };
            text.line(format!("t({at})%size = int({whole}, c_size_t)"));
        }
        let item_size = format!("t({at})%item_size = int(storage_size({place})/8, c_size_t)");
        match part.shape {
            Shape::Bool => text.line(truth(&format!("t({at})"))),
            Shape::NdArray { dtype, shape, order } => {
                let order = match order {
                    _ if !part.is_reached() => "linkspan_column",
                    Some(Order::Row) => "linkspan_row",
                    Some(Order::Column) => "linkspan_column",
                    _ => "-1",
                };
                let rank = shape.as_ref().map_or("-1".to_owned(), |lengths| lengths.len().to_string());
                let dtype = dtype_constant(*dtype).to_ascii_lowercase();
                text.line(format!("t({at})%dtype = {dtype}\nt({at})%order = {order}\nt({at})%rank = {rank}"));
                if rank != "-1" && rank != "0" {
                    text.line(format!("t({at})%dims = c_loc({name}__dims_{at})"));
                }
            }
            Shape::Map(_) => {
                let of = format!("{name}_{}_entry", part.name);
                text.line(format!(
                    "{item_size}\nt({at})%fields = &\n   c_loc({of}__fields)\nt({at})%count = 2"
                ));
            }
            Shape::List(of, _) => {
                text.line(item_size);
                match &of.shape {
                    Shape::Named(of) => {
                        text.line(format!("t({at})%of = c_loc({}__type)", self.plan.types[*of].name));
                    }
                    items if self.is_element(items) => {
                        text.line(format!(
                            "t({at})%of = c_loc(i({at}))\ni({at})%kind = linkspan_record_{}\ni({at})%size = int(storage_size({place})/8, c_size_t)",
                            kind_of(items)
                        ));
                        if *items == Shape::Bool {
                            text.line(truth(&format!("i({at})")));
                        }
                    }
                    _ => text.line(format!("t({at})%of = &\n   c_loc({name}_{}_item__types)", part.name)),
                }
            }
            _ => {}
        }
    }
}

/// Sets the number that represents true.
fn truth(of: &str) -> String {
    format!("{of}%count = int(transfer(.true., 0), c_size_t)")
}

/// Sets a type's size to its first component's, which functions access or which is the whole type.
fn whole_size(name: &str) -> String {
    format!("{name}__types(1)%size = int(storage_size(at)/8, c_size_t)")
}

/// Returns the statements that make a type the root of a message.
fn of_record(name: &str, of: &str) -> String {
    format!("{name}__record%of = c_loc({of})\n{name}__record%size = &\n   c_sizeof({name}__record)")
}

/// Returns a length in a table; all bits set allow any length.
fn length(length: &Length) -> String {
    match length {
        Length::Fixed(length) => whole(i128::from(*length)),
        _ => "-1_int64".to_owned(),
    }
}
