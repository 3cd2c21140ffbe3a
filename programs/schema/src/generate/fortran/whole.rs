//! Procedures that encode and decode a type: they pass the value's address and table to the library.

use super::super::{Case, Text};
use super::Fortran;
use super::procedures::TELL;

const TOLD: &str = "   integer, intent(out), optional :: stat
   character(:), allocatable, intent(inout), optional :: errmsg
";

/// Their local variables. An optional text is not passed on, because gfortran 12 loses its length.
const LOCAL: &str = "   character(:), allocatable :: text
   integer :: outcome
";

const INNER: &str = "   integer, intent(out) :: outcome
   character(:), allocatable, intent(inout) :: text
";

impl Fortran<'_> {
    /// Writes the procedures that put a value into a message and read it from one. The root also gets the
    /// fingerprint.
    pub(super) fn part_procedures(&self, procedures: &mut Text, name: &str, is_root: bool) {
        let schema = self.plan.name(Case::Snake);
        let fingerprint =
            if is_root { format!(", &\n      fingerprint={schema}_fingerprint") } else { String::new() };
        procedures.line(format!(
            "subroutine {name}_put(self, message, key, stat, errmsg)
   class({name}), intent(in) :: self
   type(linkspan_message), intent(inout) :: message
   character(*), intent(in), optional :: key
{TOLD}{LOCAL}   call {name}__put_part(self, message, key, outcome, text)
{TELL}end subroutine

subroutine {name}__put_part(self, message, key, outcome, text)
   type({name}), intent(in), target :: self
   type(linkspan_message), intent(inout) :: message
   character(*), intent(in), optional :: key
{INNER}   call linkspan_put_part({name}__table(), c_loc(self), &
      message, key, outcome, text)
end subroutine

subroutine {name}_get(self, message, path, stat, errmsg)
   class({name}), intent(inout) :: self
   type(linkspan_message), intent(in) :: message
   character(*), intent(in) :: path
{TOLD}{LOCAL}   call self%set_defaults()
   call {name}__get(self, message, path, outcome, text)
{TELL}end subroutine

subroutine {name}__get(self, message, path, outcome, text)
   type({name}), intent(inout), target :: self
   type(linkspan_message), intent(in) :: message
   character(*), intent(in) :: path
{INNER}   call linkspan_get_record({name}__table(), c_loc(self), &
      message, path, outcome, text{fingerprint})
end subroutine
"
        ));
    }

    pub(super) fn whole_procedures(&self, procedures: &mut Text, name: &str) {
        procedures.line(format!(
            "subroutine {name}_encode(self, message, stat, errmsg)
   class({name}), intent(in) :: self
   type(linkspan_message), intent(inout) :: message
{TOLD}{LOCAL}   call {name}__put(self, message, outcome, text)
{TELL}end subroutine

subroutine {name}__put(self, message, outcome, text)
   type({name}), intent(in), target :: self
   type(linkspan_message), intent(inout) :: message
{INNER}   call linkspan_put_record({name}__table(), c_loc(self), &
      message, outcome, text)
end subroutine

subroutine {name}_decode(self, message, stat, errmsg)
   class({name}), intent(inout) :: self
   type(linkspan_message), intent(in) :: message
{TOLD}{LOCAL}   call self%set_defaults()
   call {name}__get(self, message, \"\", outcome, text)
{TELL}end subroutine

subroutine {name}_to_bytes(self, encoding, bytes, stat, errmsg)
   class({name}), intent(in) :: self
   integer, intent(in) :: encoding
   integer(int8), allocatable, intent(out) :: bytes(:)
{TOLD}{LOCAL}   call {name}__put_bytes(self, encoding, bytes, outcome, text)
{TELL}end subroutine

subroutine {name}__put_bytes(self, encoding, bytes, outcome, text)
   type({name}), intent(in), target :: self
   integer, intent(in) :: encoding
   integer(int8), allocatable, intent(out) :: bytes(:)
{INNER}   call linkspan_encode_record({name}__table(), c_loc(self), &
      encoding, bytes, outcome, text)
end subroutine

subroutine {name}_from_bytes(self, bytes, encoding, stat, errmsg)
   class({name}), intent(inout) :: self
   integer(int8), intent(in), contiguous :: bytes(:)
   integer, intent(in) :: encoding
{TOLD}{LOCAL}   call self%set_defaults()
   call {name}__get_bytes(self, bytes, encoding, outcome, text)
{TELL}end subroutine

subroutine {name}__get_bytes(self, bytes, encoding, outcome, text)
   type({name}), intent(inout), target :: self
   integer(int8), intent(in), contiguous :: bytes(:)
   integer, intent(in) :: encoding
{INNER}   call linkspan_decode_record({name}__table(), c_loc(self), &
      bytes, encoding, outcome, text)
end subroutine
"
        ));
    }
}
