"""The procedures that lend memory for arrays."""

from generator.kinds import KINDS, LENDERS, TAIL


def loan_procedures(name: str) -> str:
    """The procedures that lend memory for an array of each kind, of any rank."""
    out = f"""
   ! Takes memory of this shape; `lent` points to it.
   function {name}_lend(self, dtype, shape, rank, lent) result(status)
      class(linkspan_{name}), intent(in) :: self
      integer, intent(in) :: dtype, shape(:), rank
      type(c_array), intent(inout) :: lent
      integer(c_int32_t) :: status
      if (size(shape) == rank) then
         status = c_{LENDERS[name]}_loan(self%handle, int(dtype, c_int32_t), size(shape, kind=c_size_t), &
                                         int(shape, c_int64_t), lent)
      else
         status = refused(linkspan_wrong_type, "loan(array, shape): the pointer has "//decimal(rank)// &
                          " dimensions, and the shape "//decimal(size(shape))//" lengths")
      end if
   end function
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
