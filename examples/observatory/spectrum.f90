! The processing: hears observatory/waveform, publishes what its trigger says at observatory/triggers, and answers
! requests at observatory/spectrum: the power spectrum of the last N samples. The arithmetic is in seismology.f90.
program spectrum
   use linkspan
   use seismology
   implicit none

   integer(int64), parameter :: silence = 500000000  ! ns; so often it says at least that it lives
   integer(int64) :: until = 0, said = 0             ! ns: the next sample's instant; when something was last published
   integer :: next = 0                               ! the next sample's place in the recording
   type(linkspan_server) :: server
   type(linkspan_publisher) :: triggers
   type(linkspan_subscriber) :: waveform
   type(linkspan_message) :: request, block
   type(linkspan_timestamp) :: now
   character(:), allocatable :: text
   integer :: stat

   call server%serve("observatory/spectrum")
   call triggers%publish("observatory/triggers")
   call waveform%subscribe("observatory/waveform")
   do
      if (server%next(request, timeout=0.05_real64, stat=stat, errmsg=text)) then
         call answer()
      else if (stat == linkspan_ok) then
         exit ! closed
      else if (stat /= linkspan_timeout) then
         error stop text
      end if
      do ! a driver that is not there yet, or again, is waited for by the subscriber
         call waveform%try_recv(block, stat=stat)
         if (stat == linkspan_ok) call hear()
         if (stat /= linkspan_ok .and. stat /= linkspan_lagged) exit
      end do
      now = linkspan_now()
      if (now%nanoseconds - said > silence) call tell(0)
   end do

contains

   subroutine hear()
      real(real64), allocatable :: samples(:, :)
      type(linkspan_timestamp) :: at
      logical :: restart
      integer :: first
      call block%get("samples", samples)
      call block%get("first", first)
      call block%get("restart", restart)
      call block%get("rate", rate)
      call block%get("at", at)
      call watch(samples, abs(at%nanoseconds - until) > 1000000, restart)
      next = first + size(samples, 2)
      until = at%nanoseconds + duration(size(samples, 2))
      call tell(size(samples, 2))
   end subroutine

   ! Publishes the last n samples' triggers; of none, to say that it lives.
   subroutine tell(n)
      integer, intent(in) :: n
      type(linkspan_message) :: message
      call put_last(message, n)
      call triggers%send(message)
      now = linkspan_now()
      said = now%nanoseconds
   end subroutine

   subroutine put_last(message, n)
      type(linkspan_message), intent(inout) :: message
      integer, intent(in) :: n
      call message%put("at", linkspan_timestamp(until - duration(n)))
      call message%put("first", next - n)
      call message%put("ratio", ratio(longest - n + 1:))
      call message%put("on", on(longest - n + 1:))
   end subroutine

   ! Answers {op: "recent", samples} and {op: "spectrum", window}; what is wrong with a request is told to who asked.
   subroutine answer()
      character(:), allocatable :: op, why
      type(linkspan_message) :: reply
      integer :: n, wrong
      call request%get("op", op, stat=wrong, errmsg=why)
      if (wrong == linkspan_ok .and. op == "recent") then
         call request%get("samples", n, stat=wrong, errmsg=why)
         if (wrong == linkspan_ok) then
            n = max(0, min(n, heard))
            call put_last(reply, n)
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
