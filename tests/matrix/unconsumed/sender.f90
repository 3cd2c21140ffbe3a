! Sends 1,000 messages, flushes to learn the consumed number, and ends without close: a program's variables are not
! finalized.
program sender
   use linkspan
   use, intrinsic :: iso_fortran_env, only: real64
   implicit none
   type(linkspan_channel) :: channel
   type(linkspan_message) :: message
   type(linkspan_options) :: options
   character(200) :: endpoint
   character(:), allocatable :: text
   integer :: i, stat
   call get_command_argument(1, endpoint)
   call channel%connect(trim(endpoint), options)
   do i = 1, 1000
      call message%clear()
      call message%put("i", i)
      call channel%send(message)
   end do
   call channel%flush(0.05_real64, stat, text)
   if (stat /= linkspan_timeout) error stop 3
   print '(a)', text
   flush (6)
   read (*, *, iostat=i)
end program
