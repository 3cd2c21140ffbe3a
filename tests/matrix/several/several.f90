! Subscribes to several names and prints name and number of each message, then the newest messages of a pattern.
program several
   use linkspan
   implicit none
   type(linkspan_subscriber) :: subscriber
   type(linkspan_message) :: message
   character(64), allocatable :: names(:)
   integer :: i
   allocate (names(command_argument_count()))
   do i = 1, size(names)
      call get_command_argument(i, names(i))
   end do
   call subscriber%subscribe(names)
   print '(a)', "ready"
   flush (6)
   do i = 1, 3
      call subscriber%recv(message, timeout=60.0_real64)
      call show()
   end do
   call linkspan_latest("several/*", message, timeout=60.0_real64)
   call show()
   call message%release()
   call subscriber%close()
contains
   subroutine show()
      integer(int64) :: number
      call message%get("i", number)
      print '(a, 1x, i0)', message%name(), number
   end subroutine
end program
