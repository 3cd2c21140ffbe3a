//! The frames of procedures: their declarations, and the ends of procedures for messages.

use super::super::{Case, Text};
use super::Fortran;

impl Fortran<'_> {
    pub(super) fn message(&self, procedures: &mut Text, name: &str) {
        let schema = self.plan.name(Case::Snake);
        procedures.line(format!(
            "subroutine {name}_encode(self, message, stat, errmsg)
   type({name}), intent(in) :: self
   type(linkspan_message), intent(inout) :: message
   integer, intent(out), optional :: stat
   character(:), allocatable, intent(inout), optional :: errmsg
   character(:), allocatable :: text
   integer :: outcome
   call message%clear()
   call {name}_put(self, message, stat=outcome, errmsg=text)
{TELL}end subroutine

subroutine {name}_decode(self, message, stat, errmsg)
   type({name}), intent(inout) :: self
   type(linkspan_message), intent(in) :: message
   integer, intent(out), optional :: stat
   character(:), allocatable, intent(inout), optional :: errmsg
   character(:), allocatable :: text
   integer :: outcome
   call linkspan_check_fingerprint(message, {schema}_fingerprint, outcome, text)
   if (outcome == linkspan_ok) call {name}_get(self, message, \"\", outcome, text)
{TELL}end subroutine

! Puts the record as one value into a message: under `key` in a map. Without `key` it is appended to an array or
! becomes the whole value.
subroutine {name}_put(self, message, key, stat, errmsg)
   type({name}), intent(in) :: self
   type(linkspan_message), intent(inout) :: message
   character(*), intent(in), optional :: key
   integer, intent(out), optional :: stat
   character(:), allocatable, intent(inout), optional :: errmsg
   character(:), allocatable :: text
   integer :: outcome
   integer(c_int8_t) :: bytes({name}_size)
   call {name}_pack(self, bytes)
   if (present(key)) then
      call message%put_bytes(key, bytes, outcome, text)
   else
      call message%add_bytes(bytes, outcome, text)
   end if
{TELL}end subroutine

! Reads the value at a path of a message. If the path is empty, the message
! must be of this schema.
subroutine {name}_get(self, message, path, stat, errmsg)
   type({name}), intent(inout) :: self
   type(linkspan_message), intent(in) :: message
   character(*), intent(in) :: path
   integer, intent(out), optional :: stat
   character(:), allocatable, intent(inout), optional :: errmsg
   character(:), allocatable :: text
   integer :: outcome
   integer(c_int8_t), allocatable :: bytes(:)
   call message%get_bytes(path, bytes, outcome, text)
   if (outcome == linkspan_ok) then
      if (path == \"\") call linkspan_check_fingerprint(message, &
         {schema}_fingerprint, outcome, text)
   end if
   if (outcome == linkspan_ok) call {name}_unpack(self, bytes, outcome, text)
{TELL}end subroutine
"
        ));
    }
}

/// The end of a procedure with `outcome` and `text`: it sets `stat` and `errmsg`, or stops the program.
pub(super) const TELL: &str = "   if (present(stat)) stat = outcome
   if (outcome == linkspan_ok) return
   if (present(errmsg)) errmsg = text
   if (.not. present(stat)) error stop \"linkspan: \"//text
";

/// Returns statements without indentation.
pub(super) fn body(write: impl FnOnce(&mut Text)) -> String {
    let mut text = Text::new("   ");
    write(&mut text);
    text.finish()
}

pub(super) fn indent(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("   {line}\n") }).collect()
}
