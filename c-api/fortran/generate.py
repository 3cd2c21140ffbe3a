#!/usr/bin/env python3
"""Writes linkspan.f90 from linkspan.f90.in, services.f90.in and the C header; with --check only reports whether it is up to date.

What repeats is made here: the interfaces to C, the constants, `put` and `get` for each kind and rank, and what all
handles have in common.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE / "linkspan.f90"

# Name here, declaration, dtype in C. logical(c_bool) is a byte that is 0 or 1.
KINDS = [
    ("i8", "integer(int8)", "linkspan_i8"),
    ("i16", "integer(int16)", "linkspan_i16"),
    ("i32", "integer(int32)", "linkspan_i32"),
    ("i64", "integer(int64)", "linkspan_i64"),
    ("r32", "real(real32)", "linkspan_f32"),
    ("r64", "real(real64)", "linkspan_f64"),
    ("c32", "complex(real32)", "linkspan_c64"),
    ("c64", "complex(real64)", "linkspan_c128"),
    ("bool", "logical(c_bool)", "linkspan_bool"),
]
RANKS = range(1, 16)
# Arrays of more dimensions are put, and copied.
LOAN_RANKS = range(1, 8)
# Types that lend memory for arrays, and their names in C: a request is a message.
LENDERS = {"channel": "channel", "message": "request", "publisher": "publisher"}
HANDLES = ["channel", "listener", "server", "publisher", "subscriber", "region", "service", "controller", "writer", "reader"]
# Fortran does not tell a constant's name from a type's.
RENAMED = {"linkspan_forever": None, "linkspan_max_rank": None}
TAIL = """      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg"""


def header() -> str:
    text = (HERE.parent / "include" / "linkspan.h").read_text()
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def constants(code: str) -> list[tuple[str, str]]:
    found = []
    for name, value in re.findall(r"^#define (LINKSPAN_\w+) (-?\d+)$", code, flags=re.M):
        name = name.lower()
        if name not in RENAMED:
            found.append((name, value))
    assert len(found) > 50, found
    return found


def constant_lines(code: str) -> list[str]:
    # Of the default kind, which programs compare and pass and a compiler option may change; calls of C convert it.
    kind = lambda name: "(c_int64_t)" if name == "linkspan_default" else ""
    return [f"integer{kind(n)}, parameter :: {n} = {v}" for n, v in constants(code)]


def argument(text: str) -> tuple[str, str]:
    """One C argument as its Fortran name and declaration."""
    text = " ".join(text.replace("*", " * ").split())
    *words, name = text.split(" ")
    what = " ".join(w for w in words if w not in ("const", "struct"))
    const = words[0] == "const"
    by_value = {"int64_t": "integer(c_int64_t)", "uint64_t": "integer(c_int64_t)", "size_t": "integer(c_size_t)",
                "bool": "logical(c_bool)", "double": "real(c_double)", "int": "integer(c_int)",
                "int32_t": "integer(c_int32_t)", "float": "real(c_float)"}
    for alias in ["status", "encoding", "type", "dtype", "order", "role", "command", "state"]:
        by_value[f"linkspan_{alias}"] = "integer(c_int32_t)"
    structs = {"linkspan_array": "c_array", "linkspan_options": "c_options", "linkspan_error": "c_error",
               "linkspan_channel_info": "c_channel_info", "linkspan_message_info": "c_message_info",
               "linkspan_service_options": "c_service_options", "linkspan_task": "c_task",
               "linkspan_service_info": "c_service_info", "linkspan_command_request": "c_command_request"}
    if what in by_value:
        return name, f"{by_value[what]}, value :: {name}"
    if what == "char *" and const:
        return name, f"character(kind=c_char), intent(in), optional :: {name}(*)"
    base = what.removesuffix(" *")
    if base in by_value and const:
        return name, f"{by_value[base]}, intent(in), optional :: {name}(*)"
    if base in by_value:
        return name, f"{by_value[base]}, intent(out), optional :: {name}"
    if base in structs:
        return name, f"type({structs[base]}), intent({'in' if const else 'inout'}) :: {name}"
    if name == "messages" and not const:
        return name, f"type(c_ptr), intent(out) :: {name}(*)"
    if what.endswith("* *") and words.count("const") < 2:
        return name, f"type(c_ptr), intent(out) :: {name}"
    return name, f"type(c_ptr), value :: {name}"


def interfaces(code: str) -> list[str]:
    lines = []
    # Walks are omitted: Fortran reads by path.
    prototype = re.compile(r"^(?:const )?(\w+)\s+(\*?)(linkspan_\w+)\(([^)]*)\);", flags=re.M)
    for result, pointer, name, arguments in prototype.findall(code):
        if name.startswith("linkspan_walk_"):
            continue
        given = [] if arguments.strip() == "void" else [argument(a) for a in arguments.split(",")]
        short = "c_" + name.removeprefix("linkspan_")
        names = ", ".join(n for n, _ in given)
        if result == "void" and not pointer:
            head, tail, back = "subroutine", "end subroutine", None
        else:
            kinds = {"linkspan_status": "integer(c_int32_t)", "int64_t": "integer(c_int64_t)"}
            back = "type(c_ptr)" if pointer else kinds[result]
            head, tail = "function", "end function"
        lines.append(f'{head} {short}({names}) bind(C, name="{name}")' + (" result(outcome)" if back else ""))
        lines.append("   import")
        lines += [f"   {declaration}" for _, declaration in given]
        if back:
            lines.append(f"   {back} :: outcome")
        lines.append(tail)
    assert len(lines) > 300
    return lines


def split_long(line: str, width: int = 118) -> list[str]:
    """Breaks a line at commas, a comment at blanks."""
    indent = len(line) - len(line.lstrip())
    comment = line.lstrip().startswith("!")
    out = []
    while len(line) > width:
        at = line.rfind(" ", 0, width) if comment else line.rfind(", ", 0, width - 2) + 1
        assert at > indent, line
        out.append(line[:at] + ("" if comment else " &"))
        line = " " * indent + ("! " if comment else "   ") + line[at:].lstrip()
    return out + [line]


def colons(rank: int) -> str:
    return "(" + ", ".join([":"] * rank) + ")"


def specific_names(what: str) -> list[str]:
    if what == "get":
        names = [f"get_{k}_0" for k, _, _ in KINDS] + ["get_logical_0"] + [f"get_logical_{r}a" for r in RANKS]
        names += [f"get_{k}_{r}{form}" for k, _, _ in KINDS for r in RANKS for form in "ap"]
        return names + ["get_text", "get_texts", "get_timestamp"]
    names = [f"{what}_{k}" for k, _, _ in KINDS] + [f"{what}_logical"]
    return names + [f"{what}_text", f"{what}_texts", f"{what}_timestamp", f"{what}_message"]


def put_scalar(kind: str) -> str:
    """The code that puts a single number; `one` points to it."""
    c, wide = {"i": ("i64", "int(one, c_int64_t)"), "r": ("f64", "real(one, c_double)"),
               "b": ("bool", "one")}[kind[0]]
    return f"""
         if (present(key)) then
            status = put_at_{c}(self%handle, key, {wide})
         else
            status = c_message_put_{c}(self%handle, value={wide})
         end if"""


def put_procedures(kind: str, declaration: str, dtype: str) -> str:
    scalar = ""
    one = ""
    if kind[0] != "c":
        one = f"\n      {declaration}, pointer :: one"
        scalar = f"""
      if (rank(value) == 0) then
         call c_f_pointer(c_loc(value), one){put_scalar(kind)}
         return
      end if"""
    return f"""
   subroutine put_{kind}(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      {declaration}, intent(in), contiguous, target :: value(..)
{TAIL}
      call ensure(self)
      call finish(store_{kind}(self, value, key), stat, errmsg)
   end subroutine

   subroutine add_{kind}(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      {declaration}, intent(in), contiguous, target :: value(..)
{TAIL}
      call ensure(self)
      call finish(store_{kind}(self, value), stat, errmsg)
   end subroutine

   function store_{kind}(self, value, key) result(status)
      class(linkspan_message), intent(in) :: self
      {declaration}, intent(in), contiguous, target :: value(..)
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: status
      type(c_ptr) :: place{one}{scalar}
      place = c_null_ptr
      if (size(value) > 0) place = c_loc(value)
      status = put_elements(self, key, int({dtype}, c_int32_t), shape(value, kind=c_int64_t), place)
   end function
"""


def logical_procedures() -> str:
    """Logicals of the default kind have no portable memory layout: they become bytes."""
    return f"""
   subroutine put_logical(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      logical, intent(in), contiguous, target :: value(..)
{TAIL}
      call ensure(self)
      call finish(store_logical(self, value, key), stat, errmsg)
   end subroutine

   subroutine add_logical(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      logical, intent(in), contiguous, target :: value(..)
{TAIL}
      call ensure(self)
      call finish(store_logical(self, value), stat, errmsg)
   end subroutine

   function store_logical(self, value, key) result(status)
      class(linkspan_message), intent(in) :: self
      logical, intent(in), contiguous, target :: value(..)
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: status
      logical, pointer :: flat(:)
      logical(c_bool), allocatable, target :: bytes(:)
      type(c_ptr) :: place
      place = c_null_ptr
      if (size(value) > 0) then
         call c_f_pointer(c_loc(value), flat, [size(value)])
         bytes = logical(flat, c_bool)
         if (rank(value) == 0) then
            status = store_bool(self, bytes(1), key)
            return
         end if
         place = c_loc(bytes)
      end if
      status = put_elements(self, key, int(linkspan_bool, c_int32_t), shape(value, kind=c_int64_t), place)
   end function

   subroutine get_logical_0(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, intent(out) :: value
{TAIL}
      logical(c_bool) :: truth
      call finish(get_at_bool(self%handle, path, truth), stat, errmsg)
      value = truth
   end subroutine
"""


def get_logical_arrays(rank: int) -> str:
    """Arrays of the default kind are copied from those of bytes."""
    return f"""
   subroutine get_logical_{rank}a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value{colons(rank)}
{TAIL}
      logical(c_bool), allocatable :: bytes{colons(rank)}
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_{rank}a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, errmsg, why)
   end subroutine
"""


def get_scalar(kind: str, declaration: str, dtype: str) -> str:
    head = f"""
   subroutine get_{kind}_0(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      {declaration}, intent(out){', target' if kind[0] == 'c' else ''} :: value
{TAIL}
"""
    if kind in ("i64", "r64", "bool"):
        c = {"i64": "i64", "r64": "f64", "bool": "bool"}[kind]
        return head + f"""      call finish(get_at_{c}(self%handle, path, value), stat, errmsg)
   end subroutine
"""
    if kind == "r32":
        return head + """      real(real64) :: wide
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      value = 0
      status = get_at_f64(self%handle, path, wide)
      if (status == linkspan_ok) call narrow(wide, path, value, status, why)
      call finish(status, stat, errmsg, why)
   end subroutine
"""
    if kind[0] == "i":
        bits = kind[1:]
        return head + f"""      integer(int64) :: wide
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      value = 0
      status = get_at_i64(self%handle, path, wide)
      if (status == linkspan_ok) then
         if (wide < -int(huge(value), int64) - 1 .or. wide > huge(value)) then
            status = linkspan_out_of_range
            why = "an integer is there that does not fit {bits} bits, at path "//path
         else
            value = int(wide, int{bits})
         end if
      end if
      call finish(status, stat, errmsg, why)
   end subroutine
"""
    # A complex number is an array without dimensions; a plain number has no imaginary part.
    narrowing = """         single = 0
         if (status == linkspan_ok) call narrow(plain, path, single, status, why)
         value = cmplx(single)"""
    plain = {"c32": narrowing, "c64": "         value = cmplx(plain, kind=real64)"}[kind]
    single = "\n      real(real32) :: single" if kind == "c32" else ""
    return head + f"""      type(c_array) :: from
      integer(c_int32_t) :: status, type
      real(real64) :: plain{single}
      character(:), allocatable :: why
      why = ""
      value = 0
      status = c_message_get_type(self%handle, terminated(path), type)
      if (status == linkspan_ok .and. type == linkspan_type_ndarray) then
         call look_up(self, path, 0, from, status, why)
         if (status == linkspan_ok) status = copied(from, int({dtype}, c_int32_t), c_loc(value))
      else if (status == linkspan_ok) then
         status = get_at_f64(self%handle, path, plain)
{plain}
      end if
      call finish(status, stat, errmsg, why)
   end subroutine
"""


def get_list(kind: str) -> tuple[str, str]:
    """The code that reads a list of single numbers, which languages without typed arrays send, into one dimension."""
    declared = "\n      integer :: i, state"
    body = f"""
      if (is_list(self, path)) then
         allocate (value(self%count(path)))
         status = linkspan_ok
         do i = 1, size(value)
            call get_{kind}_0(self, below(path, i - 1), value(i), stat=state, errmsg=why)
            status = int(state, c_int32_t)
            if (status /= linkspan_ok) exit
         end do
         if (status /= linkspan_ok) deallocate (value)
         call finish(status, stat, errmsg, why)
         return
      end if"""
    return declared, body


def get_arrays(kind: str, declaration: str, dtype: str, rank: int) -> str:
    declared, lists = get_list(kind) if rank == 1 else ("", "")
    dims = ", ".join(f"from%dims({i})" for i in range(1, rank + 1))
    allocate = "\n".join(split_long(f"         allocate (value({dims}))"))
    return f"""
   subroutine get_{kind}_{rank}a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      {declaration}, allocatable, target, intent(out) :: value{colons(rank)}
{TAIL}
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why{declared}
      why = ""{lists}
      call look_up(self, path, {rank}, from, status, why)
      if (status == linkspan_ok) then
{allocate}
         if (size(value) > 0) status = copied(from, int({dtype}, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, errmsg, why)
   end subroutine

   subroutine get_{kind}_{rank}p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      {declaration}, pointer, intent(out) :: value{colons(rank)}
{TAIL}
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, {rank}, int({dtype}, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:{rank}))
      call finish(status, stat, errmsg, why)
   end subroutine
"""


def loan_procedures(name: str) -> str:
    """The procedures that lend memory for an array of each kind and rank."""
    out = f"""
   ! Takes memory of this shape; `lent` points to it.
   function {name}_lend(self, dtype, shape, lent) result(status)
      class(linkspan_{name}), intent(in) :: self
      integer(c_int32_t), intent(in) :: dtype
      integer, intent(in) :: shape(:)
      type(c_array), intent(inout) :: lent
      integer(c_int32_t) :: status
      status = c_{LENDERS[name]}_loan(self%handle, dtype, size(shape, kind=c_size_t), int(shape, c_int64_t), lent)
   end function
"""
    for kind, declaration, dtype in KINDS:
        for rank in LOAN_RANKS:
            out += f"""
   subroutine {name}_loan_{kind}_{rank}(self, array, shape, stat, errmsg)
      class(linkspan_{name}), intent(in) :: self
      {declaration}, pointer, intent(out) :: array{colons(rank)}
      integer, intent(in) :: shape({rank})
{TAIL}
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = {name}_lend(self, int({dtype}, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat, errmsg)
   end subroutine
"""
    return out


def loan_names(name: str) -> list[str]:
    return [f"{name}_loan_{k}_{r}" for k, _, _ in KINDS for r in LOAN_RANKS]


def handle_procedures(name: str) -> str:
    timed = name in ("channel", "server", "service")
    wait = ", nanoseconds(timeout)" if timed else ", linkspan_default" if name == "publisher" else ""
    closing = "" if name in ("region", "writer", "reader") else f"""
      if (c_associated(self%handle)) status = c_{name}_close(self%handle{wait})"""
    out = f"""
   ! ---------------------------------------------------------------------------------------------------- {name}s

   subroutine {name}_release(self)
      class(linkspan_{name}), intent(inout) :: self
      ! Its own handle, which is released once: there is no error.
      integer(c_int32_t) :: outcome
      outcome = c_{name}_free(self%handle)
      self%handle = c_null_ptr
   end subroutine

   impure elemental subroutine {name}_final(self)
      type(linkspan_{name}), intent(inout) :: self
      call {name}_release(self)
   end subroutine

   ! A copy would be released twice.
   subroutine {name}_assign(left, right)
      class(linkspan_{name}), intent(inout) :: left
      type(linkspan_{name}), intent(in) :: right
      if (c_associated(left%handle) .or. c_associated(right%handle)) &
         error stop "linkspan: a {name} is not copied; pass it as an argument, or point to it"
   end subroutine

   ! Closes it and gives back what it holds; what is closed already stays so.
   subroutine {name}_close(self, {'timeout, ' if timed else ''}stat, errmsg)
      class(linkspan_{name}), intent(inout) :: self
{'      real(real64), intent(in), optional :: timeout' + chr(10) if timed else ''}{TAIL}
      integer(c_int32_t) :: status
      status = linkspan_ok{closing}
      call {name}_release(self)
      call finish(status, stat, errmsg)
   end subroutine
"""
    if name in ("writer", "reader"):
        return out
    if name not in ("publisher", "region"):
        out += f"""
   ! A descriptor for event loops: readable while the object has something to give.
   function {name}_fileno(self, stat, errmsg) result(fd)
      class(linkspan_{name}), intent(in) :: self
{TAIL}
      integer :: fd
      integer(c_int) :: number
      call finish(c_{name}_fileno(self%handle, number), stat, errmsg)
      fd = number
   end function
"""
    for what in ["stats", "events"]:
        if name in ("listener", "region") or (what == "events" and name in ("service", "controller")):
            continue
        doc = ("Counters as a map." if what == "stats" else
               "What has happened since the last call: an array of maps with kind, at, missed and text.")
        out += f"""
   ! {doc}
   subroutine {name}_{what}(self, {what}, stat, errmsg)
      class(linkspan_{name}), intent(in) :: self
      type(linkspan_message), intent(inout) :: {what}
{TAIL}
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_{name}_{what}(self%handle, handle)
      if (status == linkspan_ok) call take({what}, handle)
      call finish(status, stat, errmsg)
   end subroutine
"""
    if name in ("channel", "subscriber"):
        out += f"""
   ! Receives a message; `message` is unchanged if the call fails.
   subroutine {name}_recv(self, message, timeout, stat, errmsg)
      class(linkspan_{name}), intent(in) :: self
      type(linkspan_message), intent(inout) :: message
      real(real64), intent(in), optional :: timeout
{TAIL}
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_{name}_recv(self%handle, nanoseconds(timeout), handle)
      if (status == linkspan_ok) call take(message, handle)
      call finish(status, stat, errmsg)
   end subroutine

   ! Waits for a message and also takes those that have arrived behind it, as many as messages has room for.
   ! The first number of them are new. They count as consumed with the next call that receives.
   subroutine {name}_recv_many(self, messages, number, timeout, stat, errmsg)
      class(linkspan_{name}), intent(in) :: self
      type(linkspan_message), intent(inout) :: messages(:)
      integer, intent(out) :: number
      real(real64), intent(in), optional :: timeout
{TAIL}
      type(c_ptr) :: handles(max(size(messages), 1))
      integer(c_size_t) :: count
      integer(c_int32_t) :: status
      integer :: i
      status = c_{name}_recv_many(self%handle, size(messages, kind=c_size_t), nanoseconds(timeout), handles, count)
      number = int(count)
      do i = 1, number
         call take(messages(i), handles(i))
      end do
      call finish(status, stat, errmsg)
   end subroutine

   ! Receives a message without waiting; linkspan_empty if none is available.
   subroutine {name}_try_recv(self, message, stat, errmsg)
      class(linkspan_{name}), intent(in) :: self
      type(linkspan_message), intent(inout) :: message
{TAIL}
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_{name}_try_recv(self%handle, handle)
      if (status == linkspan_ok) call take(message, handle)
      call finish(status, stat, errmsg)
   end subroutine

   ! With the option ack="manual": acknowledges all messages that were received.
   subroutine {name}_ack(self, stat, errmsg)
      class(linkspan_{name}), intent(in) :: self
{TAIL}
      call finish(c_{name}_ack(self%handle), stat, errmsg)
   end subroutine

   ! Whether a message is available.
   function {name}_poll(self, stat, errmsg) result(there)
      class(linkspan_{name}), intent(in) :: self
{TAIL}
      logical :: there
      logical(c_bool) :: found
      call finish(c_{name}_poll(self%handle, found), stat, errmsg)
      there = found
   end function
"""
    what = {"server": "request", "subscriber": "message"}.get(name)
    missed = """ It goes on where messages were missed: `missed()` of the message is how many just
   ! before it.""" if what == "message" else ""
    if what:
        out += f"""
   ! The next {what}, for ever without a time-out; false at close and at a stop signal. What `{what}` held is
   ! released first.{missed}
   function {name}_next(self, {what}, timeout, stat, errmsg) result(more)
      class(linkspan_{name}), intent(in) :: self
      type(linkspan_message), intent(inout) :: {what}
      real(real64), intent(in), optional :: timeout
{TAIL}
      logical :: more
      call {what}%release()
      call finish(c_{name}_next(self%handle, nanoseconds(timeout), {what}%handle), stat, errmsg)
      more = c_associated({what}%handle)
   end function
"""
    return out


def procedures() -> str:
    out = []
    for kind, declaration, dtype in KINDS:
        out.append(put_procedures(kind, declaration, dtype))
        out.append(get_scalar(kind, declaration, dtype))
        out += [get_arrays(kind, declaration, dtype, rank) for rank in RANKS]
    out.append(logical_procedures())
    out += [get_logical_arrays(rank) for rank in RANKS]
    return "".join(out).strip("\n")


def generated() -> str:
    code = header()
    names = [n for n, _ in constants(code) if n != "linkspan_default"]
    specifics = [n for what in ("put", "add", "get") for n in specific_names(what)]
    blocks = {
        "@generated-notice": ["! Written by generate.py from linkspan.f90.in and linkspan.h: change those."],
        "@constants": constant_lines(code),
        "@interfaces": interfaces(code),
        "@public-constants": ["public :: " + ", ".join(names)],
        "@private-bindings": [f"procedure, private :: {n}" for n in specifics],
        **{f"@private-{name}-loans": [f"procedure, private :: {n}" for n in loan_names(name)] for name in LENDERS},
        "@procedures": [procedures()],
        "@records": [(HERE / "records.f90.in").read_text().strip("\n")],
        "@services": [(HERE / "services.f90.in").read_text().strip("\n")],
        "@loans": ["".join(loan_procedures(name) for name in LENDERS).strip("\n")],
        "@handles": ["".join(handle_procedures(h) for h in HANDLES).strip("\n")],
    }
    lines = []
    for line in (HERE / "linkspan.f90.in").read_text().splitlines():
        mark = line.strip()
        if mark in blocks:
            indent = "" if mark in ("@procedures", "@handles", "@loans", "@services", "@records") else line[: len(line) - len(line.lstrip())]
            for text in blocks[mark]:
                lines += split_long(indent + text) if "\n" not in text else [text]
            continue
        for what in ("put", "add", "get"):
            line = line.replace(f"@{what}-names", ", ".join(specific_names(what)))
        for name in LENDERS:
            line = line.replace(f"@{name}-loan-names", ", ".join(loan_names(name)))
        lines += split_long(line)
    return "\n".join(part for line in tell_errmsg("\n".join(lines) + "\n").splitlines() for part in split_long(line)) + "\n"


def tell_errmsg(text: str) -> str:
    """Turns `finish(status, stat, errmsg)` into two calls.

    gfortran 12 passes a copy of an optional deferred-length argument's length on to another optional argument, and
    what is written there is lost; to an argument that is not optional it passes the length itself.
    """
    ending = re.compile(r'^( +)call finish\(((?:[^&\n]|&\n)*?),(?: &\n)? +stat, errmsg(, why|, "[^"]*")?\)\n', flags=re.M)
    text, count = ending.subn(
        lambda m: f"{m[1]}call finish({m[2]}, stat{m[3] or ''})\n"
        f"{m[1]}if (present(errmsg)) call explain(errmsg, stat{m[3] or ''})\n",
        text,
    )
    assert count > 200 and "stat, errmsg" not in "".join(re.findall(r"call finish\([^\n]*", text)), count
    return text


def main() -> int:
    text = generated()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text() != text:
            print(f"{TARGET.name} is out of date; run {Path(__file__).name}", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
