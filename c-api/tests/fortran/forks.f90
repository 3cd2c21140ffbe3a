! Forks: in a child, each call of an inherited object fails with linkspan_invalid_state and ends nothing of the parent.
program forks
   use, intrinsic :: iso_fortran_env, only: error_unit
   use, intrinsic :: iso_c_binding, only: c_int
   use linkspan
   implicit none

   interface
      function c_fork() bind(C, name="fork") result(pid)
         import :: c_int
         integer(c_int) :: pid
      end function
      function c_waitpid(pid, status, options) bind(C, name="waitpid") result(ended)
         import :: c_int
         integer(c_int), value :: pid, options
         integer(c_int), intent(out) :: status
         integer(c_int) :: ended
      end function
      function c_alarm(seconds) bind(C, name="alarm") result(left)
         import :: c_int
         integer(c_int), value :: seconds
         integer(c_int) :: left
      end function
      subroutine c_exit(code) bind(C, name="_exit")
         import :: c_int
         integer(c_int), value :: code
      end subroutine
   end interface

   real(real64), parameter :: soon = 20
   integer, parameter :: rounds = 4
   character(64) :: transport
   type(linkspan_publisher) :: out
   type(linkspan_subscriber) :: in, several
   type(linkspan_listener) :: listener
   type(linkspan_channel) :: near, far, client
   type(linkspan_server) :: server
   type(linkspan_pending_reply) :: pending
   type(linkspan_message) :: request, value, got
   integer :: number
   integer(c_int) :: pid, status

   call get_command_argument(1, transport)
   call out%open(named("topic"))
   call in%subscribe(named("topic"))
   call several%subscribe([named("topic")])
   call listener%listen(named("pair"))
   call near%connect(named("pair"), timeout=soon)
   call listener%accept(far, timeout=soon)
   call server%serve(named("asked"))
   call client%connect(named("asked"), timeout=soon)
   call value%put("n", 1)
   call out%send(value)
   call in%recv(got, timeout=soon)
   call several%recv(got, timeout=soon)
   call client%start_call(value, pending, timeout=soon)
   if (.not. server%next(request, timeout=soon)) error stop "no request"
   do number = 1, rounds
      pid = c_fork()
      if (pid == 0) call child(number)
      if (c_waitpid(pid, status, 0_c_int) /= pid) error stop "no child"
      if (status /= 0) then
         write (error_unit, "(a, i0, a, i0)") "child ", number, " ended with ", status
         error stop 1
      end if
   end do
   ! The children have not sent, consumed or ended anything.
   call out%send(value)
   call in%recv(got, timeout=soon)
   call several%recv(got, timeout=soon)
   call near%send(value, timeout=soon)
   call far%recv(got, timeout=soon)
   call server%reply(request, value)
   call client%finish_call(pending, got, timeout=soon)
   ! Variables of a main program are not finalized.
   call several%close()
   call in%close()
   call out%close()
   ! Its close consumes the message.
   call far%close(timeout=soon)
   call near%close(timeout=soon)
   call listener%close()
   call client%close(timeout=soon)
   call server%close(timeout=soon)
   print "(a)", "ok"

contains

   function named(name) result(endpoint)
      character(*), intent(in) :: name
      character(:), allocatable :: endpoint
      endpoint = trim(transport)//":test/forks-"//name
   end function

   subroutine refused(what, stat)
      character(*), intent(in) :: what
      integer, intent(in) :: stat
      if (stat == linkspan_invalid_state) return
      write (error_unit, "(2a, i0)") what, " is not refused in a child: ", stat
      flush (error_unit)
      call c_exit(1_c_int)
   end subroutine

   subroutine child(number)
      integer, intent(in) :: number
      type(linkspan_publisher) :: own
      type(linkspan_message) :: newest
      character(12) :: digits
      integer :: stat, n
      logical :: is
      integer(c_int) :: left
      left = c_alarm(100_c_int)
      call out%send(value, stat=stat)
      call refused("send of a publisher", stat)
      call out%flush(timeout=soon, stat=stat)
      call refused("flush of a publisher", stat)
      call in%recv(got, timeout=soon, stat=stat)
      call refused("recv of a subscriber", stat)
      call in%try_recv(got, stat=stat)
      call refused("try_recv of a subscriber", stat)
      is = in%poll(stat=stat)
      call refused("poll of a subscriber", stat)
      n = in%fileno(stat=stat)
      call refused("fileno of a subscriber", stat)
      call in%ack(stat=stat)
      call refused("ack of a subscriber", stat)
      call several%recv(got, timeout=soon, stat=stat)
      call refused("recv of a subscriber to several names", stat)
      call listener%accept(client, timeout=soon, stat=stat)
      call refused("accept", stat)
      n = listener%fileno(stat=stat)
      call refused("fileno of a listener", stat)
      call near%send(value, timeout=soon, stat=stat)
      call refused("send of a channel", stat)
      call near%call(value, got, timeout=soon, stat=stat)
      call refused("call of a channel", stat)
      call far%recv(got, timeout=soon, stat=stat)
      call refused("recv of a channel", stat)
      call far%try_recv(got, stat=stat)
      call refused("try_recv of a channel", stat)
      is = far%poll(stat=stat)
      call refused("poll of a channel", stat)
      n = far%fileno(stat=stat)
      call refused("fileno of a channel", stat)
      call far%ack(stat=stat)
      call refused("ack of a channel", stat)
      is = server%next(got, timeout=soon, stat=stat)
      call refused("next of a server", stat)
      n = server%fileno(stat=stat)
      call refused("fileno of a server", stat)
      call server%reply(request, value, stat=stat)
      call refused("reply", stat)
      call server%ack(request, stat=stat)
      call refused("ack of a server", stat)
      call out%close(stat=stat)
      call in%close(stat=stat)
      call several%close(stat=stat)
      call near%close(timeout=soon, stat=stat)
      call far%close(timeout=soon, stat=stat)
      call listener%close(stat=stat)
      call server%close(timeout=soon, stat=stat)
      write (digits, "(i0)") number
      call own%open(named("child-"//trim(digits)))
      call own%send(value)
      call linkspan_latest(named("child-"//trim(digits)), newest, timeout=soon)
      call own%close()
      call c_exit(0_c_int)
   end subroutine
end program
