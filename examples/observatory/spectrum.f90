! The processing: subscribes to observatory/waveform, publishes its trigger at observatory/triggers, and answers
! requests at observatory/spectrum: the power spectrum of the last N samples. The arithmetic is in seismology.f90.
program spectrum
   use linkspan
   use seismology
   use observatory_triggers_messages
   use observatory_waveform_messages
   implicit none

   integer(int64), parameter :: silence = 500000000  ! ns; so often it says at least that it lives
   integer(int64) :: until = 0, said = 0             ! ns: the next sample's instant; when something was last published
   integer :: next = 0                               ! the next sample's place in the recording
   type(linkspan_server) :: server
   type(linkspan_publisher) :: triggers
   type(linkspan_subscriber) :: waveform
   type(linkspan_message) :: request, message
   type(linkspan_reader) :: reader
   type(linkspan_writer) :: writer
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
      do ! a driver that is not there yet, or again, is waited for by the subscriber
         call waveform%try_recv(message, stat=stat)
         if (stat == linkspan_ok) call hear()
         if (stat /= linkspan_ok .and. stat /= linkspan_lagged) exit
      end do
      now = linkspan_now()
      if (now%nanoseconds - said > silence) call tell(0)
   end do

contains

   subroutine hear()
      integer :: n
      call block%decode(reader, message)
      rate = block%rate
      n = size(block%samples, 2)
      call watch(block%samples, abs(block%at%nanoseconds - until) > 1000000, block%restart)
      next = block%first + n
      until = block%at%nanoseconds + duration(n)
      call tell(n)
   end subroutine

   ! Publishes the last n samples' triggers; of none, to say that it lives.
   subroutine tell(n)
      integer, intent(in) :: n
      type(linkspan_message) :: told
      type(observatory_triggers) :: last
      last = of_last(n)
      call last%encode(writer, told)
      call triggers%send(told)
      now = linkspan_now()
      said = now%nanoseconds
   end subroutine

   function of_last(n) result(last)
      integer, intent(in) :: n
      type(observatory_triggers) :: last
      last%at = linkspan_timestamp(until - duration(n))
      last%first = next - n
      allocate (last%ratio, source=ratio(longest - n + 1:))
      allocate (last%on, source=on(longest - n + 1:))
   end function

   ! Answers {op: "recent", samples} and {op: "spectrum", window}; an invalid request is answered by an error.
   subroutine answer()
      character(:), allocatable :: op, why
      type(linkspan_message) :: reply
      type(observatory_triggers) :: last
      integer :: n, wrong
      call request%get("op", op, stat=wrong, errmsg=why)
      if (wrong == linkspan_ok .and. op == "recent") then
         call request%get("samples", n, stat=wrong, errmsg=why)
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
         call request%get("window", n, stat=wrong, errmsg=why)
         if (wrong == linkspan_ok) then
            why = objection(n)
            if (why /= "") wrong = linkspan_out_of_range
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
         call server%fail(request, wrong, "observatory.Request", why, stat=stat)
      end if
   end subroutine

   ! Nanoseconds that n samples take.
   integer(int64) function duration(n)
      integer, intent(in) :: n
      duration = nint(n/rate*1.0e9_real64, int64)
   end function
end program
