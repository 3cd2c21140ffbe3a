//! Packed records in Fortran: an interoperable type with the message's layout, copied by `transfer`.
//!
//! Such a type cannot bind procedures; the module's procedures take it as their first argument.

use linkspan::schema::{Kind, Layout, Width};
use linkspan::value::{DType, Order};

use super::super::native::comment;
use super::super::packed::{self, enum_bits, lengths};
use super::super::{Definition, Member, Shape, Text, TypeDef, describe};
use super::Fortran;
use super::lines::{literal, wrap};
use super::procedures::{body, indent};

pub(super) const USES: &str =
    "use, intrinsic :: iso_c_binding, only: c_bool, c_double, c_double_complex, c_float, c_float_complex, &
   c_f_pointer, c_loc, c_int8_t, c_int16_t, c_int32_t, c_int64_t";

impl Fortran<'_> {
    pub(super) fn packed_enumeration(&self, types: &mut Text, def: &TypeDef, values: &[(String, String)]) {
        let bits = enum_bits(values.len());
        for (at, (value, _)) in values.iter().enumerate() {
            // Numbers in the upper half are negative, with equal bits.
            let sign = 1i64 << (bits - 1);
            let number = ((at as i64) ^ sign) - sign;
            let number = if number == -sign {
                format!("-{}_c_int{bits}_t - 1_c_int{bits}_t", sign - 1)
            } else {
                format!("{number}_c_int{bits}_t")
            };
            let constant = format!("{}_{value}", def.name);
            types.line(wrap(&format!("integer(c_int{bits}_t), parameter, public :: {constant} = {number}")));
        }
    }

    pub(super) fn packed_record(&self, types: &mut Text, name: &str, doc: &str, members: &[Member]) {
        comment(types, "! ", doc);
        types.block(format!("type, bind(c), public :: {name}"), "end type\n", |types| {
            for member in members {
                let text = [describe(member).as_str(), note(&member.slot.shape)].join(" ");
                comment(types, "! ", text.trim());
                types.line(wrap(&self.packed_component(&member.slot.shape, &member.name)));
            }
        });
    }

    fn packed_component(&self, shape: &Shape, name: &str) -> String {
        let integer = |bits: u32| format!("integer(c_int{bits}_t) :: {name} = 0_c_int{bits}_t");
        match shape {
            Shape::Bool => format!("logical(c_bool) :: {name} = .false._c_bool"),
            Shape::Integer(width) => integer(bits(*width)),
            Shape::F32 => format!("real(c_float) :: {name} = 0.0_c_float"),
            Shape::F64 => format!("real(c_double) :: {name} = 0.0_c_double"),
            Shape::Timestamp => integer(64),
            Shape::Uuid => format!("integer(c_int8_t) :: {name}(16) = 0_c_int8_t"),
            Shape::NdArray { dtype, shape, order } => {
                let mut lengths: Vec<String> = lengths(shape.as_deref()).iter().map(u64::to_string).collect();
                if *order != Some(Order::Column) {
                    lengths.reverse();
                }
                let dimension =
                    if lengths.is_empty() { String::new() } else { format!("({})", lengths.join(", ")) };
                let zero = if *dtype == DType::Bool { ".false._c_bool" } else { "0" };
                format!("{} :: {name}{dimension} = {zero}", element(*dtype))
            }
            Shape::Named(at) => match &self.plan.types[*at].definition {
                Definition::Enum(values) => integer(enum_bits(values.len())),
                _ => format!("type({}) :: {name}", self.plan.types[*at].name),
            },
            // A packed record has no such field.
            _ => String::new(),
        }
    }

    pub(super) fn packing(&self, types: &mut Text, procedures: &mut Text, name: &str, layout: &Layout<'_>) {
        let size = layout.size;
        types.line(format!(
            "! The bytes of a message. This does not compile if the type has another layout or numbers are big-endian.
integer, parameter, public :: {name}_size = {size} / &
   merge(1, 0, storage_size({name}()) == 8 * {size} .and. &
   transfer(1_c_int32_t, 0_c_int8_t) == 1_c_int8_t)"
        ));
        // Only scalars are transferred without a temporary copy of the elements.
        types.line(format!(
            "type, bind(c) :: {name}_block\n   integer(c_int8_t) :: bytes({name}_size)\nend type"
        ));
        let procedures_of = ["pack", "unpack", "put", "get", "encode", "decode"];
        let public = procedures_of.map(|procedure| format!("{name}_{procedure}")).join(", ");
        types.line(wrap(&format!("public :: {public}")) + "\n");
        let clear = body(|text| {
            for (at, length) in packed::padding(layout) {
                text.line(format!("bytes({}:{}) = 0_c_int8_t", at + 1, at + length));
            }
        });
        procedures.line(format!(
            "! The bytes of a message. Bytes between the fields are zero.
pure subroutine {name}_pack(self, bytes)
   type({name}), intent(in) :: self
   integer(c_int8_t), intent(out) :: bytes({name}_size)
   type({name}_block) :: block
   block = transfer(self, block)
   bytes = block%bytes
{}end subroutine
",
            indent(&clear)
        ));
        let checks = checks(layout);
        const TAKE: &str = "self = transfer(block, self)\nif (present(stat)) stat = linkspan_ok\nreturn\n";
        // In a record of numbers every byte pattern is valid, so only their count is checked.
        let (taken, given, declared, fits) = match checks.is_empty() {
            true => (TAKE.to_owned(), "", "", String::new()),
            false => (
                format!("if ({name}_fits(block%bytes)) then\n{}end if\n", indent(TAKE)),
                "bytes, ",
                "   integer(c_int8_t), intent(in) :: bytes(*)\n",
                fits(name, &checks),
            ),
        };
        // Separate procedures report errors, to let gfortran keep their texts out of the path of valid records. An
        // optional text is passed on only if it is present, because gfortran loses its length otherwise.
        procedures.line(format!(
            "! Sets `self` from the bytes of a message. After an error `self` is unchanged: linkspan_wrong_type if there are not
! {size} bytes, linkspan_out_of_range for an invalid truth value or enum number.
subroutine {name}_unpack(self, bytes, stat, errmsg)
   type({name}), intent(inout) :: self
   integer(c_int8_t), intent(in), contiguous, target :: bytes(:)
   integer, intent(out), optional :: stat
   character(:), allocatable, intent(inout), optional :: errmsg
   type({name}_block), pointer :: block
   if (size(bytes) == {name}_size) then
      call c_f_pointer(c_loc(bytes), block)
{}   end if
   if (present(errmsg)) then
      call {name}_check({given}size(bytes), errmsg, stat)
   else
      call {name}_refuse({given}size(bytes), stat)
   end if
end subroutine

{fits}! Reports the fault in invalid bytes.
subroutine {name}_check({given}length, text, stat)
{declared}   integer, value :: length
   character(:), allocatable, intent(inout) :: text
   integer, intent(out), optional :: stat
   character(20) :: found
   integer :: outcome
   outcome = linkspan_out_of_range
   if (length /= {name}_size) then
      outcome = linkspan_wrong_type
      write (found, \"(i0)\") length
      text = \"{size} packed bytes are expected, \"//trim(found)//\" were found\"
{}   end if
   if (present(stat)) then
      stat = outcome
   else
      error stop \"linkspan: \"//text
   end if
end subroutine

! Reports the fault without an error text.
subroutine {name}_refuse({given}length, stat)
{declared}   integer, value :: length
   integer, intent(out), optional :: stat
   character(:), allocatable :: text
   call {name}_check({given}length, text, stat)
end subroutine
",
            indent(&indent(&taken)),
            indent(&body(|text| {
                for (wrong, why) in &checks {
                    text.line(format!("else if ({wrong}) then\n   text = {}", literal(why)));
                }
            }))
        ));
        self.message(procedures, name);
    }
}

fn fits(name: &str, checks: &[(String, String)]) -> String {
    let tests: String = checks.iter().map(|(wrong, _)| format!("if ({wrong}) fits = .false.\n")).collect();
    format!(
        "pure function {name}_fits(bytes) result(fits)
   integer(c_int8_t), intent(in) :: bytes({name}_size)
   logical :: fits
   fits = .true.
{}end function

",
        indent(&tests)
    )
}

/// Returns the conditions for invalid truth values or enum numbers, each with its error text.
fn checks(layout: &Layout<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for place in &layout.fields {
        let (first, last, path) = (place.offset + 1, place.offset + place.size, &place.path);
        match &place.of.kind {
            Kind::Bool if first == last => found.push((
                format!("iand(bytes({first}), not(1_c_int8_t)) /= 0_c_int8_t"),
                format!("{path}: a truth value of 0 or 1 is expected"),
            )),
            Kind::Bool | Kind::NdArray { dtype: DType::Bool, .. } => found.push((
                format!("any(iand(bytes({first}:{last}), not(1_c_int8_t)) /= 0_c_int8_t)"),
                format!("{path}: a truth value of 0 or 1 is expected"),
            )),
            Kind::Enum(values) => {
                let (bits, count) = (8 * place.size, values.len());
                let number = match bits {
                    8 => format!("bytes({first})"),
                    _ => format!("transfer(bytes({first}:{last}), 0_c_int{bits}_t)"),
                };
                let mask = (1i64 << bits) - 1;
                found.push((
                    format!("iand(int({number}, c_int64_t), {mask}_c_int64_t) >= {count}_c_int64_t"),
                    format!("{path}: an enum's number below {count} is expected"),
                ));
            }
            _ => {}
        }
    }
    found
}

fn note(shape: &Shape) -> &'static str {
    match shape {
        Shape::Timestamp => "Nanoseconds since 1970-01-01T00:00:00Z.",
        Shape::Integer(Width::U8 | Width::U16 | Width::U32 | Width::U64) => {
            "Unsigned numbers in the upper half appear as negative numbers with equal bits."
        }
        Shape::NdArray { shape: Some(shape), order, .. }
            if shape.len() > 1 && *order != Some(Order::Column) =>
        {
            "Its lengths are reversed here."
        }
        _ => "",
    }
}

fn bits(width: Width) -> u32 {
    match width {
        Width::I8 | Width::U8 => 8,
        Width::I16 | Width::U16 => 16,
        Width::I32 | Width::U32 => 32,
        _ => 64,
    }
}

/// Returns an array's element type; unsigned elements have the signed type with equal bits.
fn element(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "logical(c_bool)",
        DType::I8 | DType::U8 => "integer(c_int8_t)",
        DType::I16 | DType::U16 => "integer(c_int16_t)",
        DType::I32 | DType::U32 => "integer(c_int32_t)",
        DType::I64 | DType::U64 => "integer(c_int64_t)",
        DType::F32 => "real(c_float)",
        DType::C64 => "complex(c_float_complex)",
        DType::C128 => "complex(c_double_complex)",
        _ => "real(c_double)",
    }
}
