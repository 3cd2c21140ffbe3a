//! The frames of procedures: their declarations, and the ends of those for messages.

use super::super::{Case, Text};
use super::Fortran;

impl Fortran<'_> {
    /// The procedures of a packed record from and to messages.
    pub(super) fn message(&self, procedures: &mut Text, name: &str) {
        let schema = self.plan.name(Case::Snake);
        procedures.line(format!(
            "subroutine {name}_encode(self, writer, message, stat, errmsg)
   type({name}), intent(in) :: self
   type(linkspan_writer), intent(inout) :: writer
   type(linkspan_message), intent(inout) :: message
   integer, intent(out), optional :: stat
   character(:), allocatable, intent(inout), optional :: errmsg
   character(:), allocatable :: text
   integer :: outcome
   call {name}_write(self, writer)
   call writer%finish(message, outcome, text)
{TELL}end subroutine

subroutine {name}_decode(self, reader, message, stat, errmsg)
   type({name}), intent(inout) :: self
   type(linkspan_reader), intent(inout) :: reader
   type(linkspan_message), intent(in) :: message
   integer, intent(out), optional :: stat
   character(:), allocatable, intent(inout), optional :: errmsg
   character(:), allocatable :: text
   integer :: outcome
   call linkspan_check_fingerprint(message, {schema}_fingerprint, outcome, text)
   if (outcome == linkspan_ok) then
      call reader%begin(message)
      call {name}_read(self, reader)
      call reader%finish(outcome, text)
   end if
{TELL}end subroutine
"
        ));
    }
}

/// The end of a procedure that has `outcome` and `text`: it sets `stat` and `errmsg`, or stops the program.
pub(super) const TELL: &str = "   if (present(stat)) stat = outcome
   if (outcome == linkspan_ok) return
   if (present(errmsg)) errmsg = text
   if (.not. present(stat)) error stop \"linkspan: \"//text
";

/// Statements, each at the left margin of a procedure.
pub(super) fn body(write: impl FnOnce(&mut Text)) -> String {
    let mut text = Text::new("   ");
    write(&mut text);
    text.finish()
}

pub(super) fn indent(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("   {line}\n") }).collect()
}
