//! Derived types: their components, and the holder types of lists and maps.

use linkspan::schema::Width;
use linkspan::value::{DType, Value};

use super::super::native::{comment, fixed, names_width};
use super::super::{Definition, Member, Shape, Text, describe};
use super::generator::{Fortran, Holder};
use super::integers::{integer_of, kind};
use super::lines::wrap;

impl Fortran<'_> {
    pub(super) fn derived(
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
                words += " A number above huge(0_int64) appears as the negative number with equal bits.";
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
                    "! Makes this the value of a message: encode(message, stat, errmsg).
procedure :: encode => {name}_encode
! Reads the value of a message: decode(message, stat, errmsg).
procedure :: decode => {name}_decode
! Encodes this value: to_bytes(encoding, bytes, stat, errmsg).
procedure :: to_bytes => {name}_to_bytes
! Reads the value from encoded bytes: from_bytes(bytes, encoding, stat, errmsg).
procedure :: from_bytes => {name}_from_bytes"
                ));
            }
            text.line(format!(
                "procedure :: set_defaults => {name}_set_defaults
! Puts this into a message: put(message, key, stat, errmsg). Without a key it is appended to an array or becomes
! the whole value.
procedure :: put => {name}_put
! Reads the value at a path of a message: get(message, path, stat, errmsg).
procedure :: get => {name}_get"
            ));
        });
    }

    /// Writes holder types, from this one on. Each follows the types that it contains.
    pub(super) fn define_holders(&mut self, types: &mut Text, from: usize) {
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

    /// Returns whether values of this kind can be an array's elements.
    pub(super) fn is_element(&self, shape: &Shape) -> bool {
        matches!(
            shape,
            Shape::Bool | Shape::Integer(_) | Shape::F32 | Shape::F64 | Shape::Timestamp | Shape::Named(_)
        )
    }

    pub(super) fn component(
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

    /// Returns the type of a list's or map's values; adds a holder if the type cannot be an element.
    pub(super) fn element_type(&mut self, shape: &Shape, path: &str, has_key: bool) -> String {
        if !has_key && self.is_element(shape) {
            let plain = self.component(shape, "x", path, true, None);
            return plain.trim_end_matches(", allocatable :: x").to_owned();
        }
        self.holders.push(Holder { name: path.to_owned(), shape: shape.clone(), has_key });
        format!("type({path})")
    }

    pub(super) fn names<'n>(
        &self,
        text: &mut Text,
        name: &str,
        names: impl Iterator<Item = &'n str>,
        public: bool,
    ) {
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
}

/// Returns whether it would be an array of fixed shape; holders also allocate those.
pub(super) fn is_fixed(shape: &Shape) -> bool {
    matches!(shape, Shape::Uuid) || fixed(shape).is_some()
}

/// Returns an array's element type; unsigned elements have the signed type with equal bits.
pub(super) fn element(dtype: DType) -> &'static str {
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

pub(super) fn zero(dtype: DType) -> &'static str {
    if dtype == DType::Bool { ".false._c_bool" } else { "0" }
}
