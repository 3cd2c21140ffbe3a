! A Fortran program at each end: `serve ENDPOINT` replies with the power of a wave to `call ENDPOINT`.
module impatience
   use, intrinsic :: iso_c_binding
   implicit none
contains
   function only_once(context) bind(C) result(go_on)
      type(c_ptr), value :: context
      logical(c_bool) :: go_on
      integer(c_int), pointer :: calls
      call c_f_pointer(context, calls)
      calls = calls + 1
      go_on = calls < 2
   end function
end module

program channel_test
   use linkspan
   use impatience
   implicit none
   character(256) :: role, endpoint
   call get_command_argument(1, role)
   call get_command_argument(2, endpoint)
   select case (role)
   case ("serve")
      call serve(trim(endpoint))
   case ("call")
      call ask(trim(endpoint))
   case ("publish")
      call publish(trim(endpoint))
   case ("subscribe")
      call subscribe(trim(endpoint))
   case default
      error stop "usage: channel serve|call|publish|subscribe ENDPOINT"
   end select
   print '(a)', "ok"

contains

   function power(wave)
      real(real64), intent(in) :: wave(:)
      real(real64), allocatable :: power(:)
      power = wave**2
   end function

   subroutine serve(name)
      character(*), intent(in) :: name
      type(linkspan_server)  :: server
      type(linkspan_message) :: request, reply
      real(real64), pointer  :: wave(:)
      character(:), allocatable :: why
      integer :: stat
      call server%serve(name)
      do while (server%next(request))                            ! ends at close or a stop signal
         if (request%has("quit")) then
            call reply%clear(); call reply%put("bye", .true.)
            call server%reply(request, reply)
            exit
         end if
         call request%get("wave", wave, stat=stat, errmsg=why)   ! a view, no copy
         if (stat /= linkspan_ok) then
            call server%fail(request, stat, "spectrum.no_wave", why)
            cycle
         end if
         call reply%clear(); call reply%put("power", power(wave))
         call server%reply(request, reply)
      end do
      call server%close()
   end subroutine

   subroutine ask(name)
      character(*), intent(in) :: name
      type(linkspan_channel) :: channel
      type(linkspan_message) :: request, reply, other
      type(linkspan_error) :: error
      real(real64), allocatable :: power(:)
      character(:), allocatable :: text
      type(linkspan_options) :: options
      integer(c_int), target :: calls = 0
      logical :: bye
      integer :: stat, i
      call channel%connect(name, timeout=10.0_real64)
      if (channel%role() /= linkspan_role_connector) error stop "role"
      if (channel%endpoint() /= name) error stop "endpoint"
      do i = 1, 10
         call request%clear()
         call request%put("op", "fft")
         call request%put("wave", [1.0_real64, 2.0_real64, real(i, real64)])
         call channel%call(request, reply, timeout=10.0_real64)
         call reply%get("power", power)
         if (any(power /= [1, 4, i**2])) error stop "power"
      end do
      if (reply%sequence() < 1) error stop "sequence"
      if (reply%encoding() /= linkspan_cbor) error stop "encoding"
      call request%clear()
      call request%put("op", "what")
      call channel%call(request, other, timeout=10.0_real64, stat=stat)
      if (stat /= linkspan_remote) error stop "the handler's failure"
      call linkspan_last_error(error)
      if (error%remote_type /= "spectrum.no_wave" .or. error%remote_code /= linkspan_missing) error stop "remote"
      if (index(error%remote_text, "wave") == 0) error stop "remote text"
      call channel%events(other)
      call other%get("0/kind", text)
      if (text /= "connected") error stop "events"
      call channel%recv(other, timeout=0.01_real64, stat=stat)
      if (stat == linkspan_ok) error stop "a server sends nothing on its own"
      call request%put("quit", .true.)
      call channel%call(request, reply, timeout=10.0_real64)
      call reply%get("bye", bye)
      call channel%close(timeout=5.0_real64)
      call channel%close()
      call channel%send(request, stat=stat)
      if (stat /= linkspan_invalid_state) error stop "closed"
      call channel%connect(name, linkspan_options(encoding="xml"), stat=stat)
      if (stat /= linkspan_unsupported) error stop "options are checked"
      options%on_wait = c_funloc(only_once)
      options%on_wait_context = c_loc(calls)
      call channel%connect(name//"/nobody", options, timeout=linkspan_forever, stat=stat)
      if (stat /= linkspan_cancelled .or. calls /= 2) error stop "on_wait"
      call channel%connect(name, timeout=-1.0_real64, stat=stat)
      if (stat /= linkspan_out_of_range) error stop "time-outs are checked"
      call batches(name//"/batch")
   end subroutine

   subroutine batches(name)
      character(*), intent(in) :: name
      type(linkspan_channel) :: there, here
      type(linkspan_publisher) :: out
      type(linkspan_subscriber) :: in
      type(linkspan_message) :: batch(20), taken(7)
      type(linkspan_error) :: error
      integer(int64) :: sent
      integer :: i, n, number, next, stat
      call there%open(name)
      call here%connect(name, timeout=10.0_real64)
      do i = 1, size(batch)
         call batch(i)%put("n", i)
      end do
      call here%send_many(batch, sent, timeout=10.0_real64)
      if (sent /= size(batch)) error stop "sent"
      next = 1
      do while (next <= size(batch))
         call there%recv_many(taken, number, timeout=10.0_real64)
         if (number < 1 .or. number > size(taken)) error stop "number"
         do i = 1, number
            call taken(i)%get("n", n)
            if (n /= next) error stop "order"
            next = next + 1
         end do
      end do
      call there%recv_many(taken, number, timeout=0.0_real64, stat=stat)
      if (stat /= linkspan_timeout .or. number /= 0) error stop "nothing more"
      call out%open(name//"/values")
      call in%subscribe(name//"/values")
      call out%send_many(batch(:7), sent)
      if (sent /= 7) error stop "published"
      next = 1
      do while (next <= 7)
         call in%recv_many(taken, number, timeout=10.0_real64)
         next = next + number
      end do
      call taken(number)%get("n", n)
      if (n /= 7) error stop "the last value"
      call out%flush(10.0_real64)
      call out%send_many(batch(:3), sent)
      call out%flush(0.02_real64, stat)
      call linkspan_last_error(error)
      ! A subscriber with a socket has already been sent them.
      if (index(name, "shm:") == 1 .and. (stat /= linkspan_timeout .or. error%missed /= 3)) error stop "not flushed"
      if (index(name, "shm:") /= 1 .and. stat /= linkspan_ok) error stop "flushed"
   end subroutine

   ! Publishes until there is a subscriber, then five more readings.
   subroutine publish(name)
      character(*), intent(in) :: name
      type(linkspan_publisher) :: out
      type(linkspan_subscriber) :: done
      type(linkspan_message) :: reading
      integer :: i, stat
      call out%open(name)
      call reading%put("celsius", 0)
      call out%send(reading)
      call done%subscribe(name//"/done")
      if (.not. done%next(reading, timeout=10.0_real64)) error stop "no subscriber"
      ! First, because the subscriber may leave after its last reading.
      call out%wait_for_subscribers(timeout=60.0_real64)
      ! The disconnect of the subscriber of `latest` may not be detected yet.
      do while (out%subscribers() > 1)
      end do
      if (out%subscribers() /= 1) error stop "one subscriber"
      call out%wait_for_subscribers(2, timeout=0.001_real64, stat=stat)
      if (stat /= linkspan_timeout) error stop "one of two"
      do i = 1, 5
         call reading%clear()
         call reading%put("celsius", i)
         call out%send(reading)
      end do
      if (.not. done%next(reading, timeout=10.0_real64)) error stop "no reader"
      call out%close()
      call done%close()
   end subroutine

   subroutine subscribe(name)
      character(*), intent(in) :: name
      type(linkspan_subscriber) :: readings
      type(linkspan_publisher) :: done
      type(linkspan_message) :: reading
      integer :: i, celsius
      call readings%subscribe(name)
      call readings%recv(reading, timeout=10.0_real64)
      call linkspan_latest(name, reading, timeout=10.0_real64)
      call reading%get("celsius", celsius)
      if (celsius /= 0) error stop "latest"
      call done%open(name//"/done")
      call done%send(reading)
      do i = 1, 5
         call readings%recv(reading, timeout=10.0_real64)
         call reading%get("celsius", celsius)
         if (celsius /= i) error stop "in order"
      end do
      call done%send(reading)
      call readings%close()
      ! The peer reads the last value with `latest`.
      do while (done%subscribers() > 0)
      end do
      call done%close()
   end subroutine

end program
