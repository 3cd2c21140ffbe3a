! The processing: subscribes to observatory/waveform, publishes its trigger at observatory/triggers, and answers
! requests at observatory/spectrum with the power spectrum of the last N samples. seismology.f90 has the arithmetic.
program spectrum
   use linkspan
   use seismology
   use observatory_triggers_messages
   use observatory_waveform_messages
   implicit none

   integer(int64), parameter :: period = 500000000   ! ns; the longest time between two publications
   integer(int64) :: until = 0, published = 0        ! ns: the next sample's instant; the time of the last publication
   integer :: next = 0                               ! the next sample's place in the recording
   type(linkspan_server) :: server
   type(linkspan_publisher) :: triggers
   type(linkspan_subscriber) :: waveform
   type(linkspan_message) :: request, message
   type(linkspan_options) :: options
   type(observatory_waveform) :: block
   type(linkspan_timestamp) :: now
   character(:), allocatable :: text
   integer :: stat

   call server%serve("observatory/spectrum")
   options%schema = observatory_triggers_schema()
   call triggers%open("observatory/triggers", options)
   options%schema = observatory_waveform_schema()
   call waveform%subscribe("observatory/waveform", options)
   do
      if (server%next(request, timeout=0.05_real64, stat=stat, errmsg=text)) then
         call answer()
      else if (stat == linkspan_ok) then
         exit ! closed
      else if (stat /= linkspan_timeout) then
         error stop text
      end if
      do ! without a publisher, the subscriber waits for one
         call waveform%try_recv(message, stat=stat)
         if (stat == linkspan_ok) call process_block()
         if (stat /= linkspan_ok .and. stat /= linkspan_lagged) exit
      end do
      now = linkspan_now()
      if (now%nanoseconds - published > period) call publish(0)
   end do

contains

   subroutine process_block()
      integer :: n
      call block%decode(message)
      rate = block%rate
      n = size(block%samples, 2)
      call watch(block%samples, abs(block%at%nanoseconds - until) > 1000000, block%restart)
      next = block%first + n
      until = block%at%nanoseconds + duration(n)
      call publish(n)
   end subroutine

   ! Publishes the triggers of the last n samples; with 0, a sign that the program runs.
   subroutine publish(n)
      integer, intent(in) :: n
      type(linkspan_message) :: state
      type(observatory_triggers) :: last
      last = of_last(n)
      call last%encode(state)
      call triggers%send(state)
      now = linkspan_now()
      published = now%nanoseconds
   end subroutine

   ! Returns the triggers of the last n samples.
   function of_last(n) result(last)
      integer, intent(in) :: n
      type(observatory_triggers) :: last
      last%at = linkspan_timestamp(until - duration(n))
      last%first = next - n
      allocate (last%ratio, source=ratio(longest - n + 1:))
      allocate (last%on, source=on(longest - n + 1:))
   end function

   ! Answers {op: "recent", samples} and {op: "spectrum", window}; an invalid request gets an error.
   subroutine answer()
      character(:), allocatable :: op, reason
      type(linkspan_message) :: reply
      type(observatory_triggers) :: last
      integer :: n, wrong
      call request%get("op", op, stat=wrong, errmsg=reason)
      if (wrong == linkspan_ok .and. op == "recent") then
         call request%get("samples", n, stat=wrong, errmsg=reason)
         if (wrong == linkspan_ok) then
            n = max(0, min(n, received))
            last = of_last(n)
            call reply%put("at", last%at)
            call reply%put("first", last%first)
            call reply%put("ratio", last%ratio)
            call reply%put("on", last%on)
            call reply%put("samples", wave(:, longest - n + 1:))
         end if
      else if (wrong == linkspan_ok) then
         call request%get("window", n, stat=wrong, errmsg=reason)
         if (wrong == linkspan_ok) then
            reason = objection(n)
            if (reason /= "") wrong = linkspan_out_of_range
         end if
         if (wrong == linkspan_ok) then
            call reply%put("window", n)
            call reply%put("step", rate/n)
            call reply%put("power", power(n))
         end if
      end if
      if (wrong == linkspan_ok) then
         call server%reply(request, reply, stat=stat)
      else
         call server%fail(request, wrong, "observatory.Request", reason, stat=stat)
      end if
   end subroutine

   ! Returns the duration of n samples in nanoseconds.
   integer(int64) function duration(n)
      integer, intent(in) :: n
      duration = nint(n/rate*1.0e9_real64, int64)
   end function
end program
