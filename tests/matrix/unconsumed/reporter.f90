! Sends 1,000 messages and ends without close. One message is consumed, and the callback gets the number of the others.
module reports
   use, intrinsic :: iso_c_binding
   implicit none
contains
   subroutine report(context, missed) bind(C)
      type(c_ptr), value :: context
      integer(c_int64_t), value :: missed
      integer, pointer :: calls
      call c_f_pointer(context, calls)
      calls = calls + 1
      print '(a, i0, a, i0)', "unconsumed ", missed, ", call ", calls
      flush (6)
   end subroutine
end module

program reporter
   use linkspan
   use reports
   use, intrinsic :: iso_fortran_env, only: int64, real64
   implicit none
   type(linkspan_channel) :: channel
   type(linkspan_message) :: message
   type(linkspan_options) :: options
   type(linkspan_error) :: error
   integer, target :: calls = 0
   character(200) :: endpoint, way
   integer :: i, stat
   call get_command_argument(1, endpoint)
   call get_command_argument(2, way)
   options%on_unconsumed = c_funloc(report)
   options%on_unconsumed_context = c_loc(calls)
   call channel%connect(trim(endpoint), options)
   do i = 1, 1000
      call message%clear()
      call message%put("i", i)
      call channel%send(message)
   end do
   do
      call channel%flush(0.02_real64, stat)
      if (stat /= linkspan_timeout) error stop 3
      call linkspan_last_error(error)
      if (error%missed == 999_int64) exit
   end do
   print '(a)', "sent"
   flush (6)
   read (*, *, iostat=i)
   call message%release()
   if (way == "free") call ended(channel)
contains
   ! The return finalizes the local variable that got the channel by move_alloc.
   subroutine ended(channel)
      type(linkspan_channel), intent(inout) :: channel
      call finalized(channel)
   end subroutine

   subroutine finalized(channel)
      type(linkspan_channel), intent(out) :: channel
      if (.false.) call channel%close()
   end subroutine
end program
