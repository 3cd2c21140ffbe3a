! Request and reply: `call serve` adds up the numbers of each request, `call` sends one.
program first_call
   use, intrinsic :: iso_fortran_env, only: error_unit
   use linkspan
   implicit none
   character(5) :: role
   call get_command_argument(1, role)
   if (role == "serve") then
      call serve()
   else
      call ask()
   end if

contains

   subroutine serve()
      type(linkspan_server) :: server
      type(linkspan_message) :: request, reply
      real(real64), pointer :: numbers(:)
      character(:), allocatable :: why, problem
      integer :: stat, answered
      call server%serve("first/call")
      do while (server%next(request)) ! until a signal asks to stop
         call request%get("numbers", numbers, stat=stat, errmsg=why) ! a view, no copy
         if (stat == linkspan_ok) then
            call reply%clear()
            call reply%put("sum", sum(numbers))
            call reply%put("from", "Fortran")
            call server%reply(request, reply, stat=answered, errmsg=problem)
         else ! one bad request is its caller's error, and the next one is served
            call server%fail(request, stat, "sum.Request", why, stat=answered, errmsg=problem)
         end if
         if (answered /= linkspan_ok) write (error_unit, '(a)') problem ! a caller that is gone, or that wants no reply
      end do
      call server%close()
   end subroutine

   subroutine ask()
      type(linkspan_channel) :: channel
      type(linkspan_message) :: request, reply
      real(real64) :: total
      character(:), allocatable :: from
      call channel%connect("first/call")
      call request%put("numbers", [1.0_real64, 2.0_real64, 3.5_real64])
      call channel%call(request, reply)
      call reply%get("sum", total)
      call reply%get("from", from)
      print '(a, f0.1, 2a)', "the sum is ", total, ", says ", from
      call channel%close()
   end subroutine
end program
