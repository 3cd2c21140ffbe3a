"""The procedures that read numbers and arrays of numbers from a message."""

from generator.kinds import TAIL, colons
from generator.layout import split_long


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
