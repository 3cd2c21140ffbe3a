//! Functions through which the library accesses allocatable and optional components.

use super::super::native::fixed;
use super::super::{Shape, Text};
use super::Fortran;
use super::lines::wrap;
use super::part::{Host, Part, Presence};
use super::procedures::{body, indent};

pub(super) fn functions_of(host: &Host<'_>) -> Vec<&'static str> {
    let is_array = |part: &Part<'_>| matches!(part.shape, Shape::NdArray { .. });
    let any = |what: &dyn Fn(&Part<'_>) -> bool| host.parts.iter().any(what);
    let has_bytes = any(&|part| part.is_reached() && !is_array(part));
    let has_arrays = any(&|part| part.is_reached() && is_array(part));
    let may_miss = any(&|part| part.presence != Presence::Always);
    let needed = [
        ("view", has_bytes),
        ("resize", has_bytes),
        ("find", may_miss),
        ("make", may_miss),
        ("view_array", has_arrays),
        ("resize_array", has_arrays),
    ];
    needed.into_iter().filter(|(_, needed)| *needed).map(|(name, _)| name).collect()
}

/// Returns a function's additional arguments, its local variables, and its initial result.
fn frame(function: &str) -> [&'static str; 3] {
    match function {
        "view" => [", count", "   integer(c_size_t), intent(out) :: count\n", "   count = 0\n"],
        "resize" => [", count", "   integer(c_size_t), value :: count\n   integer :: stat\n", ""],
        "make" => ["", "   integer :: stat\n", ""],
        "view_array" => [", array", "   type(c_ptr), value :: array\n", ""],
        "resize_array" => [
            ", array",
            "   type(c_ptr), value :: array\n   integer(int64) :: n(15)\n   integer :: stat\n",
            "   n = linkspan_array_lengths(array)\n",
        ],
        _ => ["", "", ""],
    }
}

impl Fortran<'_> {
    pub(super) fn functions(&self, procedures: &mut Text, host: &Host<'_>) {
        let name = host.name;
        for function in functions_of(host) {
            let cases = body(|text| {
                for (at, part) in (1..).zip(&host.parts) {
                    let place = format!("self%{}", part.name);
                    if let Some(what) = case(function, part, &place) {
                        text.line(format!("case ({at})\n{}", indent(&what)).trim_end());
                    }
                }
            });
            let [more, declared, preset] = frame(function);
            let (mut declared, mut preset) = (declared.to_owned(), preset.to_owned());
            if !cases.contains("stat=stat") {
                declared = declared.replace("   integer :: stat\n", "");
            }
            if !cases.contains("n(1)") {
                declared = declared.replace("   integer(int64) :: n(15)\n", "");
                preset = preset.replace("   n = linkspan_array_lengths(array)\n", "");
            }
            let zero = match cases.contains("zero)") {
                true => "   character, target, save :: zero = \"0\"\n",
                false => "",
            };
            let (result, none) = match function {
                "view_array" => ("logical(c_bool) :: found", "found = .false._c_bool"),
                _ => ("type(c_ptr) :: found", "found = c_null_ptr"),
            };
            procedures.line(format!(
                "function {name}__{function}(at, which{more}) bind(C, name=\"\") result(found)
   type(c_ptr), value :: at
   integer(c_size_t), value :: which
{declared}{zero}   {result}
   type({name}), pointer :: self
   call c_f_pointer(at, self)
   {none}
{preset}   select case (which)
{}   end select
end function
",
                indent(&cases)
            ));
        }
    }
}

/// Returns a function's statements for a component, if it has any.
fn case(function: &str, part: &Part<'_>, place: &str) -> Option<String> {
    let is_array = matches!(part.shape, Shape::NdArray { .. });
    let is_text = matches!(part.shape, Shape::Text(_) | Shape::Decimal);
    let text = match function {
        "view" if part.is_reached() && !is_array => {
            let count = match is_text {
                true => format!("len({place}, c_size_t)"),
                false => format!("size({place}, kind=c_size_t)"),
            };
            let otherwise = match part.shape {
                Shape::Decimal => "else\n   count = 1\n   found = c_loc(zero)\n",
                _ => "",
            };
            format!(
                "if (allocated({place})) then\n   count = {count}\n   if (count > 0) found = c_loc({place})\n{otherwise}end if\n"
            )
        }
        // With `stat`, deallocating an unallocated component is not an error.
        "resize" if part.is_reached() && !is_array => {
            let room = match is_text {
                true => format!("allocate (character(len=count) :: {place}, stat=stat)"),
                false => format!("allocate ({place}(count), stat=stat)"),
            };
            format!(
                "deallocate ({place}, stat=stat)\n{room}\nif (stat == 0 .and. count > 0) found = c_loc({place})\n"
            )
        }
        "view_array" if part.is_reached() && is_array => view_array(part, place),
        "resize_array" if part.is_reached() && is_array => resize_array(part, place),
        "find" => find(part, place)?,
        "make" => make(part, place)?,
        _ => return None,
    };
    Some(text)
}

/// Returns the address that the library gets for a value: the type's, if functions access the value.
fn start(part: &Part<'_>, place: &str) -> String {
    if part.is_reached() { "at".to_owned() } else { format!("c_loc({place})") }
}

fn find(part: &Part<'_>, place: &str) -> Option<String> {
    let start = start(part, place);
    match &part.presence {
        Presence::Always => None,
        Presence::Optional => Some(format!("if (allocated({place})) then\n   found = {start}\nend if\n")),
        Presence::Variant(constant) => Some(format!(
            "if (self%kind == {constant}) then\n   if (allocated({place})) found = {start}\nend if\n"
        )),
    }
}

fn make(part: &Part<'_>, place: &str) -> Option<String> {
    let start = start(part, place);
    let kind = match &part.presence {
        Presence::Always => return None,
        Presence::Optional => String::new(),
        Presence::Variant(constant) => format!("self%kind = {constant}\n"),
    };
    let room = match part.is_reached() && !part.is_any_rank() {
        true => String::new(),
        false => format!(
            "if (.not. allocated({place})) then\n   allocate ({place}, stat=stat)\n   if (stat /= 0) return\nend if\n"
        ),
    };
    Some(format!("{kind}{room}found = {start}\n"))
}

fn view_array(part: &Part<'_>, place: &str) -> String {
    let call = match part.is_any_rank() {
        true => format!("found = linkspan_view_ndarray(array, {place})"),
        false => format!("found = linkspan_view_array(array, {place})"),
    };
    match part.is_any_rank() || is_inside(part) {
        true => call + "\n",
        false => format!("if (allocated({place})) then\n   {call}\nend if\n"),
    }
}

fn resize_array(part: &Part<'_>, place: &str) -> String {
    if part.is_any_rank() {
        return format!("found = linkspan_make_ndarray(array, {place})\n");
    }
    let found = format!("found = linkspan_array_place(array, {place})");
    let Shape::NdArray { shape: Some(lengths), .. } = part.shape else { return found };
    if is_inside(part) {
        return found + "\n";
    }
    let each: Vec<String> = (1..=lengths.len()).map(|at| format!("n({at})")).collect();
    let room = wrap(&format!("allocate ({place}({}), stat=stat)", each.join(", ")));
    format!("deallocate ({place}, stat=stat)\n{room}\nif (stat == 0) {found}\n")
}

fn is_inside(part: &Part<'_>) -> bool {
    !part.allocated && fixed(part.shape).is_some()
}
