! The controller in Fortran. See README.md.
program controller_peer
   use linkspan
   implicit none
   type(linkspan_controller) :: controller
   character(65536) :: line
   integer :: stat
   call controller%open()
   do
      read (*, '(a)', iostat=stat) line
      if (stat /= 0) exit
      call carry_out(trim(line))
      flush (6)
   end do
   call controller%close()

contains

   ! Carries out a line `SERVICE COMMAND WITHIN ARGUMENTS`.
   subroutine carry_out(line)
      character(*), intent(in) :: line
      type(linkspan_message) :: arguments, value
      character(:), allocatable :: service, command, rest, why
      integer(int8), allocatable :: json(:)
      real(real64) :: within
      rest = line
      call cut(rest, service)
      call cut(rest, command)
      call cut(rest, why)
      read (why, *) within
      json = transfer(rest, json, len(rest))
      call linkspan_decode(json, linkspan_json, arguments, stat, why)
      if (stat == 0) call controller%command(service, command, value, arguments, timeout=within, stat=stat, errmsg=why)
      if (stat == 0) then
         call linkspan_encode(value, linkspan_json, json)
         print '(2a)', "DONE ", transfer(json, repeat(" ", size(json)))
      else
         print '(a,i0,2a)', "ERROR ", stat, " ", on_one_line(why)
      end if
   end subroutine

   ! Removes the first word from the rest.
   subroutine cut(rest, word)
      character(:), allocatable, intent(inout) :: rest
      character(:), allocatable, intent(out) :: word
      integer :: at
      at = index(rest, " ")
      word = rest(:at - 1)
      rest = rest(at + 1:)
   end subroutine

   function on_one_line(text) result(line)
      character(*), intent(in) :: text
      character(len(text)) :: line
      integer :: i
      line = text
      do i = 1, len(text)
         if (iachar(text(i:i)) < 32) line(i:i) = " "
      end do
   end function
end program
