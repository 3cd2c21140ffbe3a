"""The procedures that lend memory for arrays."""

from generator.kinds import KEY_IS_THERE, KINDS, LENDERS, TAIL


def loan_procedures(name: str) -> str:
    """Returns the procedures that lend memory for an array of each kind and any rank."""
    out = f"""
   ! Lends memory of this shape; `lent` points to it.
   function {name}_lend(self, dtype, shape, rank, lent) result(status)
      class(linkspan_{name}), intent(in) :: self
      integer, intent(in) :: dtype, shape(:), rank
      type(c_array), intent(inout) :: lent
      integer(c_int32_t) :: status
      if (any(shape < 0)) then
         status = negative(minval(shape))
      else if (size(shape) == rank) then
         status = c_{LENDERS[name]}_loan(self%handle, int(dtype, c_int32_t), size(shape, kind=c_size_t), &
                                         int(shape, c_int64_t), lent)
      else
         status = refused(linkspan_wrong_type, "loan(array, shape): the pointer has "//decimal(rank)// &
                          " dimensions, and the shape "//decimal(size(shape))//" lengths")
      end if
   end function

   subroutine {name}_loan_bytes(self, bytes, length, stat, errmsg)
      class(linkspan_{name}), intent(in) :: self
      integer(int8), pointer, intent(inout) :: bytes(:)
      integer, intent(in) :: length
{TAIL}
      type(c_ptr) :: place
      integer(c_int32_t) :: status
      nullify (bytes)
      if (length < 0) then
         call finish(negative(length), stat, errmsg)
         return
      end if
      status = c_{LENDERS[name]}_loan_bytes(self%handle, int(length, c_size_t), place)
      if (status == linkspan_ok) call c_f_pointer(place, bytes, [length])
      call finish(status, stat, errmsg)
   end subroutine
"""
    for kind, declaration, dtype in KINDS:
        out += f"""
   subroutine {name}_loan_{kind}(self, array, shape, stat, errmsg)
      class(linkspan_{name}), intent(in) :: self
      {declaration}, pointer, intent(inout) :: array(..)
      integer, intent(in) :: shape(:)
{TAIL}
      type(c_array) :: lent
      integer(c_int32_t) :: status
      status = {name}_lend(self, {dtype}, shape, rank(array), lent)
      call point_{kind}(lent%data, lent%dims, array)
      call finish(status, stat, errmsg)
   end subroutine
"""
    return out


def loan_names(name: str) -> list[str]:
    return [f"{name}_loan_{k}" for k, _, _ in KINDS]


def put_loan_procedures() -> str:
    """Returns the procedures that move a loan into a message or free it, and nullify the pointer."""
    out = ""
    for kind, declaration, _ in KINDS:
        for name, key in (("put", "key, "), ("add", "")):
            declared = "      character(*), intent(in) :: key\n" if key else ""
            checked = KEY_IS_THERE if key else ""
            out += f"""
   subroutine {name}_loan_{kind}(self, {key}array, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
{declared}      {declaration}, pointer, intent(inout) :: array(..)
{TAIL}
      integer(c_int32_t) :: status
      call ensure(self)
{checked}      status = moved(self, c_loc(array){', key' if key else ''})
      if (status == linkspan_ok) call point_{kind}(c_null_ptr, [integer(c_int64_t) :: 15], array)
      call finish(status, stat, errmsg)
   end subroutine
"""
        out += f"""
   subroutine loan_free_{kind}(array, stat, errmsg)
      {declaration}, pointer, intent(inout) :: array(..)
{TAIL}
      type(c_array) :: given
      integer(c_int32_t) :: status
      given%data = c_loc(array)
      status = c_loan_free(given)
      if (status == linkspan_ok) call point_{kind}(c_null_ptr, given%dims, array)
      call finish(status, stat, errmsg)
   end subroutine
"""
    return out.replace("[integer(c_int64_t) :: 15]", "no_dims")


def put_loan_names(what: str) -> list[str]:
    return [f"{what}_loan_{k}" for k, _, _ in KINDS]
