"""The procedures that read numbers and arrays of numbers from a message.

gfortran finds a scalar ambiguous with an array of assumed rank. `get` therefore has a procedure for each rank, which
calls the assumed-rank procedure of its kind.
"""

from generator.kinds import KINDS, RANKS, TAIL, colons
from generator.layout import split_long

HEAD = """      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path"""
LOGICAL = ("logical", "logical", "linkspan_bool")


def ranks(statement: str, indent: int = 6) -> str:
    """Returns a statement for each rank of `value`, with {dims} replaced by the lengths."""
    lines = [" " * indent + "select rank (value)"]
    for rank in RANKS:
        lines.append(" " * indent + f"rank ({rank})")
        dims = ", ".join(f"dims({i})" for i in RANKS[:rank])
        lines += split_long(" " * indent + "   " + statement.format(dims=dims, rank=rank))
    return "\n".join([*lines, " " * indent + "end select"])


def get_scalar(kind: str, declaration: str, dtype: str) -> str:
    if kind in ("i64", "r64", "bool"):
        target, first = "", ""
        call = f"get_at_{ {'i64': 'i64', 'r64': 'f64', 'bool': 'bool'}[kind] }(self%handle, path, value)"
    else:
        target, first = ", target", "      value = 0\n"
        call = f"get_number(self, path, {dtype}, c_loc(value))"
    return f"""
   subroutine get_{kind}_0(self, path, value, stat, errmsg)
{HEAD}
      {declaration}, intent(out){target} :: value
{TAIL}
{first}      call finish({call}, stat, errmsg)
   end subroutine
"""


def get_arrays(kind: str, declaration: str, rank: int) -> str:
    out = f"""
   subroutine get_{kind}_{rank}a(self, path, value, stat, errmsg)
{HEAD}
      {declaration}, allocatable, intent(out) :: value{colons(rank)}
{TAIL}
      call finish(fetch_{kind}(self, path, value), stat, errmsg)
   end subroutine
"""
    if kind == "logical":
        return out
    return out + f"""
   subroutine get_{kind}_{rank}p(self, path, value, stat, errmsg)
{HEAD}
      {declaration}, pointer, intent(out) :: value{colons(rank)}
{TAIL}
      ! The pointer has no state before this, and gfortran would pass that on.
      nullify (value)
      call finish(view_{kind}(self, path, value), stat, errmsg)
   end subroutine
"""


def fetch(kind: str, declaration: str, dtype: str) -> str:
    """Returns the procedure that allocates and fills an array of any rank."""
    fill = "fill_logicals(self, path, value)" if kind == "logical" else f"fill_array(self, path, {dtype}, value)"
    return f"""
   function fetch_{kind}(self, path, value) result(status)
{HEAD}
      {declaration}, allocatable, target, intent(inout) :: value(..)
      integer(c_int32_t) :: status
      integer(c_int64_t) :: dims(15)
      integer :: failed
      status = get_shape(self, path, rank(value), dims)
      if (status /= linkspan_ok) return
      failed = 0
{ranks("allocate (value({dims}), stat=failed)")}
      if (failed /= 0) then
         status = no_memory(product(dims(:rank(value)))*(storage_size(value)/8))
         return
      end if
      status = {fill}
      if (status /= linkspan_ok) call drop_{kind}(value)
   end function

   ! Deallocates an array of any rank, by intent(out).
   subroutine drop_{kind}(value)
      {declaration}, allocatable, intent(out) :: value(..)
      select rank (value)
      rank (0)
      end select
   end subroutine
"""


def view(kind: str, declaration: str, dtype: str) -> str:
    """Returns the procedures that make a pointer of any rank a view of C memory."""
    return f"""
   function view_{kind}(self, path, value) result(status)
{HEAD}
      {declaration}, pointer, intent(inout) :: value(..)
      integer(c_int32_t) :: status
      type(c_array) :: from
      status = get_view(self, path, {dtype}, rank(value), from)
      call point_{kind}(from%data, from%dims, value)
   end function

   ! Points to an array of these lengths; to nothing if place is null.
   subroutine point_{kind}(place, dims, value)
      type(c_ptr), intent(in) :: place
      integer(c_int64_t), intent(in) :: dims(15)
      {declaration}, pointer, intent(inout) :: value(..)
      if (.not. c_associated(place)) then
{ranks("nullify (value)", 9)}
         return
      end if
{ranks("call c_f_pointer(place, value, dims(:{rank}))")}
   end subroutine
"""


def get_into(kind: str, declaration: str, dtype: str) -> str:
    fill = "fill_logicals(self, path, value)" if kind == "logical" else f"fill_array(self, path, {dtype}, value)"
    return f"""
   subroutine into_{kind}(self, path, value, stat, errmsg)
{HEAD}
      {declaration}, contiguous, target, intent(inout) :: value(..)
{TAIL}
      call finish({fill}, stat, errmsg)
   end subroutine
"""


def get_procedures() -> str:
    out = []
    for kind, declaration, dtype in [*KINDS, LOGICAL]:
        if kind != "logical":
            out += [get_scalar(kind, declaration, dtype), view(kind, declaration, dtype)]
        out += [get_into(kind, declaration, dtype), fetch(kind, declaration, dtype)]
        out += [get_arrays(kind, declaration, rank) for rank in RANKS]
    return "".join(out)


def get_names() -> list[str]:
    names = [f"get_{k}_0" for k, _, _ in KINDS] + ["get_logical_0"] + [f"get_logical_{r}a" for r in RANKS]
    names += [f"get_{k}_{r}{form}" for k, _, _ in KINDS for r in RANKS for form in "ap"]
    return names + ["get_text", "get_texts", "get_timestamp"]


def into_names() -> list[str]:
    return [f"into_{k}" for k, _, _ in [*KINDS, LOGICAL]] + ["into_text"]
