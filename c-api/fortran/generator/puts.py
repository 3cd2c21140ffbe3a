"""The procedures that put numbers and arrays of numbers into a message."""

from generator.kinds import KEY_IS_THERE, TAIL


def put_scalar(kind: str) -> str:
    """Returns the code that puts a single number; `one` points to it."""
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
      if (rank(value) == 0 .and. .not. is_missing(value)) then
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
{KEY_IS_THERE}      call finish(store_{kind}(self, value, key), stat, errmsg)
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
      if (is_missing(value)) then
         status = unallocated("what is put", key)
         return
      end if
      place = c_null_ptr
      if (size(value) > 0) place = c_loc(value)
      status = put_elements(self, key, int({dtype}, c_int32_t), shape(value, kind=c_int64_t), place)
   end function
"""
