//! The frames of procedures: what they declare, and how those of messages end.

use super::super::Text;
use super::Fortran;

impl Fortran<'_> {
    pub(super) fn write_procedure(&self, procedures: &mut Text, name: &str, write: &str) {
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

    pub(super) fn read_procedure(&self, procedures: &mut Text, name: &str, tables: &str, read: &str) {
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

    /// The procedures from and to messages. `of` is the word in front of the type, `write` and `read` are what they call.
    pub(super) fn message(&self, procedures: &mut Text, name: &str, of: &str, [write, read]: [&str; 2]) {
        procedures.line(format!(
            "subroutine {name}_encode(self, writer, message, stat, errmsg)
   {of}({name}), intent(in) :: self
   type(linkspan_writer), intent(inout) :: writer
   type(linkspan_message), intent(inout) :: message
   integer, intent(out), optional :: stat
   character(:), allocatable, intent(inout), optional :: errmsg
   character(:), allocatable :: text
   integer :: outcome
   call {write}
   call writer%finish(message, outcome, text)
{TELL}end subroutine

subroutine {name}_decode(self, reader, message, stat, errmsg)
   {of}({name}), intent(inout) :: self
   type(linkspan_reader), intent(inout) :: reader
   type(linkspan_message), intent(in) :: message
   integer, intent(out), optional :: stat
   character(:), allocatable, intent(inout), optional :: errmsg
   character(:), allocatable :: text
   integer :: outcome
   call reader%begin(message)
   call {read}
   call reader%finish(outcome, text)
{TELL}end subroutine
"
        ));
    }
}

/// What the procedures of a type do that has bindings.
pub(super) const BOUND: [&str; 2] = ["self%write(writer)", "self%read(reader)"];

/// How a procedure ends that has `outcome` and `text`: with `stat` and `errmsg`, or the program stops.
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

/// The declarations of the loops' counters.
pub(super) fn counters(statements: &str) -> String {
    (1..=24)
        .filter(|at| statements.contains(&format!("do at_{at} ")))
        .map(|at| format!("integer :: at_{at}\n"))
        .collect()
}

pub(super) fn indent(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("   {line}\n") }).collect()
}
