"""The procedures that lend memory for arrays."""

from generator.kinds import KINDS, LENDERS, LOAN_RANKS, TAIL, colons


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
