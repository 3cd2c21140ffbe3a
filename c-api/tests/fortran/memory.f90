! Long messages without memory in Fortran: linkspan_out_of_memory in stat, and the program continues.
program memory_test
   use linkspan
   use, intrinsic :: iso_c_binding
   use, intrinsic :: iso_fortran_env, only: int8, int64, real64
   implicit none

   type, bind(C) :: rlimit
      integer(c_long) :: current, most
   end type

   interface
      function getrlimit(of, limit) bind(C) result(failed)
         import
         integer(c_int), value :: of
         type(rlimit), intent(out) :: limit
         integer(c_int) :: failed
      end function
      function setrlimit(of, limit) bind(C) result(failed)
         import
         integer(c_int), value :: of
         type(rlimit), intent(in) :: limit
         integer(c_int) :: failed
      end function
      function mallopt(parameter, value) bind(C) result(done)
         import
         integer(c_int), value :: parameter, value
         integer(c_int) :: done
      end function
   end interface

   ! The library keeps no block of this length, and `room` fits neither a copy nor a view.
   integer, parameter :: length = 40*1024*1024, room = 12*1024*1024, line = 256, lines = length/line
   integer(c_int), parameter :: data_of_process = 2, addresses = 9, mmap_threshold = -3
   real(real64), parameter :: forever = 60.0_real64
   character(9), parameter :: names(3) = ["bytes    ", "text     ", "structure"]
   type(rlimit) :: before
   integer(c_int) :: limited
   integer(int8), allocatable :: bytes(:)
   real(real64), allocatable :: numbers(:)
   logical, allocatable :: flags(:)
   character(:), allocatable :: text
   integer :: failures = 0

   if (mallopt(mmap_threshold, 131072_c_int) /= 1) error stop "mallopt"
   allocate (bytes(length), numbers(length/8), flags(length))
   allocate (character(length) :: text)
   bytes = 7_int8
   numbers = 0.5_real64
   flags = .true.
   text(:) = repeat("x", length)
   call built_and_read()
   call encoded()
   call received()
   call published()
   call answered()
   ! Freed loans are memory for others.
   call lent()
   if (failures > 0) error stop 1
   print '(a)', "ok"

contains

   ! Limits further data (for copies) or addresses (for views) of this process to `room`.
   subroutine short(of)
      integer(c_int), intent(in) :: of
      integer(int64) :: pages(6)
      type(rlimit) :: now
      integer :: unit
      open (newunit=unit, file="/proc/self/statm", action="read")
      read (unit, *) pages
      close (unit)
      limited = of
      if (getrlimit(of, before) /= 0) error stop "getrlimit"
      now = before
      now%current = pages(merge(1, 6, of == addresses))*4096 + room
      if (setrlimit(of, now) /= 0) error stop "setrlimit"
   end subroutine

   subroutine enough()
      if (setrlimit(limited, before) /= 0) error stop "setrlimit"
   end subroutine

   ! Ends the limit, and checks the text of the error.
   subroutine refused(what, stat, why)
      character(*), intent(in) :: what
      integer, intent(in) :: stat
      character(:), allocatable, intent(inout) :: why
      call enough()
      if (stat /= linkspan_out_of_memory) then
         print '(a, ": ", i0)', what, stat
         failures = failures + 1
      else if (index(why, "memory") == 0) then
         print '(a, ": ", a)', what, why
         failures = failures + 1
      end if
      why = ""
   end subroutine

   subroutine check(what, is)
      character(*), intent(in) :: what
      logical, intent(in) :: is
      if (is) return
      print '(a)', what
      failures = failures + 1
   end subroutine

   subroutine built_and_read()
      type(linkspan_message) :: m
      character(:), allocatable :: why, copy, copies(:)
      integer(int8), allocatable :: some(:)
      real(real64), allocatable :: wave(:), plane(:, :)
      real(real64), pointer :: view(:)
      complex(real64), allocatable :: wider(:)
      logical, allocatable :: truths(:)
      integer :: stat, i
      call m%put("before", 1)
      call short(data_of_process)
      call m%put_bytes("c", bytes, stat=stat, errmsg=why)
      call refused("put bytes", stat, why)
      call short(data_of_process)
      call m%put("c", text, stat=stat, errmsg=why)
      call refused("put text", stat, why)
      call short(data_of_process)
      call m%put("c", numbers, stat=stat, errmsg=why)
      call refused("put numbers", stat, why)
      call short(data_of_process)
      call m%put("c", flags, stat=stat, errmsg=why)
      call refused("put logicals", stat, why)
      call check("what was put before an error", m%count("") == 1 .and. .not. m%has("c"))
      call m%put_bytes("bytes", bytes)
      call m%put("text", text)
      call m%put("numbers", numbers)
      call m%put("plane", reshape(numbers, [2, size(numbers)/2]))
      call m%put("flags", flags)
      call short(data_of_process)
      call m%get_bytes("bytes", some, stat=stat, errmsg=why)
      call refused("get bytes", stat, why)
      call short(data_of_process)
      call m%get("text", copy, stat=stat, errmsg=why)
      call refused("get a text", stat, why)
      call short(data_of_process)
      call m%get("numbers", wave, stat=stat, errmsg=why)
      call refused("get numbers", stat, why)
      call short(data_of_process)
      call m%get("plane", plane, stat=stat, errmsg=why)
      call refused("get numbers of rank 2", stat, why)
      call short(data_of_process)
      call m%get("numbers", wider, stat=stat, errmsg=why)
      call refused("get wider numbers", stat, why)
      call short(data_of_process)
      call m%get("flags", truths, stat=stat, errmsg=why)
      call refused("get logicals", stat, why)
      call check("what was not got", .not. (allocated(some) .or. allocated(copy) .or. allocated(wave) .or. &
                                            allocated(plane) .or. allocated(wider) .or. allocated(truths)))
      ! Reading into the program's memory, or as a view, needs none.
      allocate (wave(size(numbers)))
      call short(data_of_process)
      call m%get_into("text", text, stat=stat)
      call check("a text into one of fixed length", stat == linkspan_ok)
      call m%get_into("numbers", wave, stat=stat)
      call check("numbers into an array", stat == linkspan_ok)
      call m%get("numbers", view, stat=stat)
      call check("a view of numbers", stat == linkspan_ok)
      call enough()
      call check("numbers", all(wave == 0.5_real64) .and. all(view == 0.5_real64))
      call m%get_bytes("bytes", some)
      call check("bytes", all(some == 7_int8))
      call m%get("text", copy)
      call check("text", copy == text)
      call m%get("flags", truths)
      call check("logicals", size(truths) == length .and. all(truths))
      ! One long text: all texts of the array are padded to its length.
      call m%clear()
      call m%begin_array()
      call m%add(text(:length/4))
      do i = 1, 3
         call m%add("short")
      end do
      call m%end()
      call short(data_of_process)
      call m%get("", copies, stat=stat, errmsg=why)
      call refused("get texts", stat, why)
      call m%get("", copies)
      call check("texts", size(copies) == 4 .and. len(copies) == length/4 .and. copies(4) == "short")
   end subroutine

   subroutine encoded()
      type(linkspan_message) :: m, other
      character(:), allocatable :: why
      integer(int8), allocatable :: coded(:), again(:)
      integer(int8), pointer :: view(:)
      integer :: stat
      call m%put_bytes("c", bytes)
      call short(data_of_process)
      call linkspan_encode(m, linkspan_cbor, coded, stat=stat, errmsg=why)
      call refused("encode", stat, why)
      ! The library has memory for its copy, but the module lacks memory for the program's copy.
      call one_copy()
      call linkspan_encode(m, linkspan_cbor, coded, stat=stat, errmsg=why)
      call refused("the second copy of what is encoded", stat, why)
      call linkspan_encode(m, linkspan_cbor, coded)
      call short(data_of_process)
      call linkspan_decode(coded, linkspan_cbor, other, stat=stat, errmsg=why)
      call refused("decode", stat, why)
      call short(data_of_process)
      call linkspan_transcode(coded, linkspan_cbor, linkspan_smile, again, stat=stat, errmsg=why)
      call refused("transcode", stat, why)
      call linkspan_decode(coded, linkspan_cbor, other)
      call other%get_bytes("c", view)
      call check("what was encoded and decoded", size(view) == length .and. all(view == 7_int8))
   end subroutine

   ! Like `short`, with room for one copy.
   subroutine one_copy()
      type(rlimit) :: now
      call short(data_of_process)
      if (getrlimit(data_of_process, now) /= 0) error stop "getrlimit"
      now%current = now%current + length
      if (setrlimit(data_of_process, now) /= 0) error stop "setrlimit"
   end subroutine

   subroutine pair(name, one, two)
      character(*), intent(in) :: name
      type(linkspan_channel), intent(inout) :: one, two
      type(linkspan_listener) :: listener
      type(linkspan_message) :: message
      call listener%listen(name)
      call one%connect(name, timeout=forever)
      call listener%accept(two, timeout=forever)
      call message%put("first", 1)
      call one%send(message, timeout=forever)
      call two%recv(message, timeout=forever)
      call listener%close()
   end subroutine

   subroutine lent()
      type :: of_bytes
         integer(int8), pointer :: place(:) => null()
      end type
      type :: of_numbers
         real(real64), pointer :: place(:) => null()
      end type
      type(linkspan_channel) :: one, two
      type(of_bytes) :: frames(6)
      type(of_numbers) :: waves(6)
      character(:), allocatable :: why
      integer :: stat, i
      call pair("shm:memory/lent", one, two)
      ! Memory kept by the library may serve the first loans.
      call short(addresses)
      do i = 1, 6
         call one%loan_bytes(frames(i)%place, length, stat=stat, errmsg=why)
         if (stat /= linkspan_ok) exit
      end do
      call refused("a loan of bytes", stat, why)
      call short(addresses)
      do i = 1, 6
         call one%loan(waves(i)%place, [length/8], stat=stat, errmsg=why)
         if (stat /= linkspan_ok) exit
      end do
      call refused("a loan of numbers", stat, why)
      do i = 1, 6
         call linkspan_loan_bytes_free(frames(i)%place)
         call linkspan_loan_free(waves(i)%place)
      end do
      call one%loan_bytes(frames(1)%place, length)
      frames(1)%place = 3_int8
      call linkspan_loan_bytes_free(frames(1)%place)
   end subroutine

   subroutine fill(m, kind)
      type(linkspan_message), intent(inout) :: m
      integer, intent(in) :: kind
      integer :: i
      call m%clear()
      select case (kind)
      case (1)
         call m%put_bytes("c", bytes)
      case (2)
         call m%put("c", text)
      case (3)
         call m%begin_array("c")
         do i = 1, lines
            call m%add(text(:line))
         end do
         call m%end()
      end select
   end subroutine

   subroutine whole(m, kind)
      type(linkspan_message), intent(in) :: m
      integer, intent(in) :: kind
      integer(int8), pointer :: view(:)
      character(:), allocatable :: copy, copies(:)
      select case (kind)
      case (1)
         call m%get_bytes("c", view)
         call check("bytes that came", size(view) == length .and. all(view == 7_int8))
      case (2)
         call m%get("c", copy)
         call check("a text that came", len(copy) == length .and. copy == text)
      case (3)
         call m%get("c", copies)
         call check("texts that came", size(copies) == lines .and. all(copies == text(:line)))
      end select
   end subroutine

   subroutine received()
      type(linkspan_channel) :: one, two
      type(linkspan_message) :: m, next, got, stats
      character(:), allocatable :: why
      integer :: kind, stat, number
      call pair("shm:memory/test", one, two)
      do kind = 1, 3
         call fill(m, kind)
         call next%clear()
         call next%put("next", kind)
         ! The message is in a slot, which the limit below does not count.
         call one%send(m, timeout=forever)
         call one%send(next, timeout=forever)
         call short(data_of_process)
         call two%recv(got, timeout=forever, stat=stat, errmsg=why)
         call refused("recv of "//names(kind), stat, why)
         call short(data_of_process)
         call two%try_recv(got, stat=stat, errmsg=why)
         call refused("try_recv of "//names(kind), stat, why)
         call two%recv(got, timeout=forever)
         call whole(got, kind)
         call two%recv(got, timeout=forever)
         call got%get("next", number)
         call check("the next message", number == kind)
         ! The sender has no addresses for a slot and no memory for a copy.
         call short(addresses)
         call one%send(m, timeout=forever, stat=stat, errmsg=why)
         if (stat == linkspan_ok) then
            call enough()
            call two%recv(got, timeout=forever)
            call whole(got, kind)
         else
            call refused("send of "//names(kind), stat, why)
         end if
         call one%send(next, timeout=forever)
         call two%recv(got, timeout=forever)
         call got%get("next", number)
         call check("the message behind one that could not be sent", number == kind)
      end do
      call two%stats(stats)
      call stats%get("missed", number)
      call check("what was missed", number == 0)
   end subroutine

   subroutine published()
      type(linkspan_publisher) :: publisher
      type(linkspan_subscriber) :: subscriber
      type(linkspan_message) :: m, next, got
      character(:), allocatable :: why
      integer :: kind, stat, number
      logical :: there
      call publisher%open("shm:memory/published")
      call subscriber%subscribe("shm:memory/published")
      there = subscriber%poll()
      call publisher%wait_for_subscribers(1, timeout=forever)
      do kind = 1, 3
         call fill(m, kind)
         call next%clear()
         call next%put("next", kind)
         call publisher%send(m)
         call publisher%send(next)
         call short(data_of_process)
         call subscriber%recv(got, timeout=forever, stat=stat, errmsg=why)
         if (stat == linkspan_ok) then
            call enough()
            call whole(got, kind)
         else
            ! The publisher does not wait, so the message counts as missed.
            call refused("recv by a subscriber of "//names(kind), stat, why)
            call subscriber%recv(got, timeout=forever, stat=stat)
            call check("Lagged behind a message without memory", stat == linkspan_lagged)
         end if
         call subscriber%recv(got, timeout=forever)
         call got%get("next", number)
         call check("what was published next", number == kind)
      end do
   end subroutine

   subroutine answered()
      type(linkspan_server) :: server
      type(linkspan_channel) :: client
      type(linkspan_message) :: m, request, got
      type(linkspan_pending_reply) :: pending
      character(:), allocatable :: why
      integer :: kind, stat
      logical :: more
      call server%serve("shm:memory/answered")
      call client%connect("shm:memory/answered", timeout=forever)
      call m%put("first", 0)
      do kind = 0, 3
         if (kind > 0) call fill(m, kind)
         call request%clear()
         call request%put("kind", kind)
         call client%start_call(request, pending, timeout=forever)
         more = server%next(got, timeout=forever)
         call server%reply(got, m)
         if (kind > 0) then
            call short(data_of_process)
            call client%finish_call(pending, got, timeout=forever, stat=stat, errmsg=why)
            if (stat == linkspan_ok) then
               ! It fit memory that the allocator has kept.
               call enough()
               call whole(got, kind)
               cycle
            end if
            call refused("a reply of "//names(kind), stat, why)
         end if
         call client%finish_call(pending, got, timeout=forever)
         if (kind > 0) call whole(got, kind)
      end do
   end subroutine
end program
