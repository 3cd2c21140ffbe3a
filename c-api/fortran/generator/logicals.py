"""The procedures for logicals of the default kind."""

from generator.kinds import KEY_IS_THERE, TAIL


def logical_procedures() -> str:
    """Returns procedures that convert default logicals to bytes, because their layout is not portable."""
    return f"""
   subroutine put_logical(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      logical, intent(in), contiguous, target :: value(..)
{TAIL}
      call ensure(self)
{KEY_IS_THERE}      call finish(store_logical(self, value, key), stat, errmsg)
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
      integer :: failed
      type(c_ptr) :: place
      if (is_missing(value)) then
         status = unallocated("what is put", key)
         return
      end if
      place = c_null_ptr
      if (size(value) > 0) then
         call c_f_pointer(c_loc(value), flat, [size(value)])
         allocate (bytes(size(value)), stat=failed)
         if (failed /= 0) then
            status = no_memory(size(value, kind=int64))
            return
         end if
         bytes(:) = logical(flat, c_bool)
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

