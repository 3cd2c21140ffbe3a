! Limits of values. Also compiled with -fdefault-integer-8.
program values_test
   use linkspan
   implicit none
   integer :: failures = 0

   call numbers()
   call arrays()
   call empty_arrays()
   call logicals()
   call high_ranks()
   call uuids_and_decimals()
   call keys_with_a_nul()
   call texts_that_are_none_leave_the_message_as_it_was()
   call timeouts()
   call every_procedure_takes_stat()
   call a_loop_over_a_slow_subscription_goes_on()
   if (failures > 0) error stop 1
   print '(a)', "ok"

contains

   subroutine check(condition, what)
      logical, intent(in) :: condition
      character(*), intent(in) :: what
      if (condition) return
      failures = failures + 1
      print '(2a)', "not so: ", what
   end subroutine

   subroutine numbers()
      type(linkspan_message) :: m
      real(real32) :: single
      real(real64) :: double
      complex(real32) :: z
      integer :: stat
      character(:), allocatable :: errmsg
      call m%put("large", 1.0e300_real64)
      call m%put("fits", -0.5_real64)
      call m%get("large", single, stat=stat, errmsg=errmsg)
      call check(stat == linkspan_out_of_range, "1e300 is refused")
      call check(index(errmsg, "at path large") > 0, "the refusal names the path")
      call m%get("large", z, stat=stat)
      call check(stat == linkspan_out_of_range, "1e300 is no complex number of 32 bits")
      call m%get("large", double)
      call check(double > 1.0e299_real64, "1e300 is a real of 64 bits")
      call m%get("fits", single)
      call check(abs(single + 0.5) < 1.0e-6, "what fits is there")
   end subroutine

   subroutine arrays()
      type(linkspan_message) :: m
      real(real64), allocatable :: wide(:, :)
      real(real64), allocatable :: one(:)
      complex(real64), allocatable :: z(:)
      integer :: stat
      call m%put("grid", reshape([1_int32, 2_int32, 3_int32, -4_int32, 5_int32, 6_int32], [2, 3]))
      call m%get("grid", wide)
      call check(all(shape(wide) == [2, 3]) .and. nint(wide(2, 2)) == -4, "integers widen to reals")
      call m%put("exact", [2_int64**53, -1_int64])
      call m%put("inexact", [2_int64**53 + 1_int64])
      call m%get("exact", one)
      call check(size(one) == 2 .and. nint(one(2)) == -1, "what a real holds exactly widens")
      call m%get("inexact", one, stat=stat)
      call check(stat == linkspan_out_of_range .and. .not. allocated(one), "what a real does not hold is refused")
      call m%get("exact", z, stat=stat)
      call check(stat == linkspan_wrong_type, "integers are no complex numbers")
      call m%put("real", [1.5_real32, 2.0_real32])
      call m%get("real", z)
      call check(size(z) == 2 .and. abs(z(1) - 1.5_real64) < 1.0e-12_real64, "reals widen to complex numbers")
   end subroutine

   subroutine empty_arrays()
      type(linkspan_message) :: m, back
      real(real64) :: none(0, 3)
      real(real64), allocatable :: copy(:, :)
      real(real64), pointer :: view(:, :)
      integer(int8), allocatable :: bytes(:)
      integer :: stat
      call m%put("none", none)
      call linkspan_encode(m, linkspan_cbor, bytes)
      call linkspan_decode(bytes, linkspan_cbor, back)
      call back%get("none", copy)
      call check(all(shape(copy) == [0, 3]), "an empty array keeps its shape")
      call back%get("none", view, stat=stat)
      call check(stat == linkspan_ok, "an empty array has a view")
      if (stat == linkspan_ok) call check(all(shape(view) == [0, 3]), "the view of an empty array keeps its shape")
   end subroutine

   subroutine logicals()
      type(linkspan_message) :: m
      logical, allocatable :: row(:), grid(:, :)
      integer :: stat
      call m%put("row", [.true., .false., .true.])
      call m%put("grid", reshape([.true., .false., .true., .true.], [2, 2]))
      call m%get("row", row)
      call check(size(row) == 3 .and. row(1) .and. .not. row(2), "default logicals come back")
      call m%get("grid", grid)
      call check(all(shape(grid) == [2, 2]) .and. .not. grid(2, 1) .and. grid(1, 2), "in two dimensions, too")
      call m%get("row", grid, stat=stat)
      call check(stat == linkspan_wrong_type .and. .not. allocated(grid), "another rank is refused")
      call m%begin_array("list")
      call m%add(.true.)
      call m%add(.false.)
      call m%end()
      call m%get("list", row)
      call check(size(row) == 2 .and. row(1) .and. .not. row(2), "a list of logicals is an array")
   end subroutine

   subroutine high_ranks()
      type(linkspan_message) :: m
      integer(int32) :: eight(2, 1, 1, 1, 1, 1, 1, 3), fifteen(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2)
      integer(int32), allocatable :: copy8(:, :, :, :, :, :, :, :), copy15(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer(int32), pointer :: view8(:, :, :, :, :, :, :, :)
      eight = reshape([1_int32, 2_int32, 3_int32, 4_int32, 5_int32, 6_int32], shape(eight))
      fifteen = reshape([1_int32, 2_int32, 3_int32, 4_int32], shape(fifteen))
      call m%put("8", eight)
      call m%put("15", fifteen)
      call m%get("8", copy8)
      call check(all(copy8 == eight), "rank 8")
      call m%get("8", view8)
      call check(all(view8 == eight), "a view of rank 8")
      call m%get("15", copy15)
      call check(all(copy15 == fifteen), "rank 15")
   end subroutine

   subroutine uuids_and_decimals()
      type(linkspan_message) :: m
      integer(int8) :: id(16), there(16)
      character(:), allocatable :: price
      integer :: i, stat
      id = [(int(i, int8), i=1, 16)]
      call m%put_uuid("id", id)
      call m%put_decimal("price", "1.10")
      call m%begin_array("more")
      call m%add_uuid(id)
      call m%add_decimal("-2")
      call m%end()
      call m%get_uuid("id", there)
      call check(all(there == id) .and. m%type_at("id") == linkspan_type_uuid, "a UUID")
      call m%get_uuid("more/0", there)
      call check(all(there == id), "a UUID in an array")
      call m%get_decimal("price", price)
      call check(price == "1.10" .and. m%type_at("price") == linkspan_type_decimal, "a decimal")
      call m%get_decimal("more/1", price)
      call check(price == "-2", "a decimal in an array")
      call m%get_decimal("id", price, stat=stat)
      call check(stat == linkspan_wrong_type, "a UUID is no decimal")
      call m%put_decimal("no", "one", stat=stat)
      call check(stat == linkspan_malformed, "a decimal that is none")
   end subroutine

   subroutine keys_with_a_nul()
      type(linkspan_message) :: m
      type(linkspan_subscriber) :: in
      type(linkspan_options) :: options
      character(*), parameter :: cut = "ab"//char(0)//"cd"
      character(:), allocatable :: errmsg
      integer :: stat, n
      call m%put("ab", 1)
      call m%put(cut, 2, stat=stat, errmsg=errmsg)
      call check(stat == linkspan_malformed .and. index(errmsg, "NUL") > 0, "a key with a NUL is refused")
      call m%get(cut, n, stat=stat)
      call check(stat == linkspan_malformed, "so is a path")
      call in%subscribe("shm:test/"//cut, stat=stat)
      call check(stat == linkspan_malformed, "so is an endpoint")
      options%client_id = cut
      call in%subscribe("shm:test/cut", options, stat=stat)
      call check(stat == linkspan_malformed, "so is an option")
   end subroutine

   subroutine texts_that_are_none_leave_the_message_as_it_was()
      type(linkspan_message) :: m, list
      character(2) :: words(2)
      integer :: stat, n
      words = ["ok", char(255)//" "]
      call m%put("words", 1)
      call m%put("words", words, stat=stat)
      call check(stat == linkspan_malformed, "bytes that are no text are refused among others")
      call m%get("words", n, stat=stat)
      call check(stat == linkspan_ok .and. n == 1, "a key keeps its value if another cannot be put")
      call m%put("next", 2)
      call m%get("next", n, stat=stat)
      call check(stat == linkspan_ok, "what is put next is not among the texts")
      call list%begin_array()
      call list%add(words, stat=stat)
      call check(stat == linkspan_malformed, "so are they in an array")
      call list%add(3)
      call list%end()
      call list%get("0", n, stat=stat)
      call check(stat == linkspan_ok .and. n == 3, "nothing of them is in the array")
   end subroutine

   subroutine timeouts()
      type(linkspan_publisher) :: out
      type(linkspan_subscriber) :: in
      type(linkspan_message) :: m
      type(linkspan_options) :: options
      character(:), allocatable :: errmsg
      real(real64) :: no_number, infinite
      integer :: stat
      call out%open("shm:test/zero")
      call in%subscribe("shm:test/zero")
      call in%recv(m, timeout=-1.0_real64, stat=stat, errmsg=errmsg)
      call check(stat == linkspan_out_of_range .and. index(errmsg, "linkspan_forever") > 0, "below zero is refused")
      no_number = 0
      no_number = no_number/no_number
      call in%recv(m, timeout=no_number, stat=stat, errmsg=errmsg)
      call check(stat == linkspan_out_of_range .and. index(errmsg, "not a number") > 0, "no number is refused")
      call in%recv(m, timeout=1.0e30_real64, stat=stat, errmsg=errmsg)
      call check(stat == linkspan_out_of_range .and. index(errmsg, "292 years") > 0, "1e30 s are refused")
      call in%close()
      options%timeout = -1
      call in%subscribe("shm:test/zero", options, stat=stat)
      call check(stat == linkspan_out_of_range, "options below zero are refused")
      options%timeout = no_number
      call in%subscribe("shm:test/zero", options, stat=stat)
      call check(stat == linkspan_out_of_range, "options with no number are refused")
      infinite = huge(infinite)
      infinite = infinite*2
      options%timeout = infinite
      call in%subscribe("shm:test/zero", options, stat=stat)
      call check(stat == linkspan_ok, "infinity is for ever")
      options%timeout = 0
      options%on_wait = c_funloc_of_stop()
      call in%subscribe("shm:test/zero", options)
      call in%recv(m, stat=stat)
      call check(stat == linkspan_timeout, "zero does not wait")
      call in%recv(m, timeout=linkspan_forever, stat=stat)
      call check(stat == linkspan_cancelled, "what the call says goes before")
      call in%close()
      call out%close()
   end subroutine

   function c_funloc_of_stop() result(pointer)
      use, intrinsic :: iso_c_binding, only: c_funptr, c_funloc
      type(c_funptr) :: pointer
      pointer = c_funloc(stop_waiting)
   end function

   function stop_waiting(context) bind(C) result(goes_on)
      use, intrinsic :: iso_c_binding, only: c_ptr
      type(c_ptr), value :: context
      logical(c_bool) :: goes_on
      associate (unused => context)
      end associate
      goes_on = .false._c_bool
   end function

   subroutine every_procedure_takes_stat()
      type(linkspan_channel) :: channel
      type(linkspan_message) :: m
      type(linkspan_timestamp) :: at
      character(:), allocatable :: text
      integer :: stat, number
      integer(int64) :: wide
      logical :: truth
      number = channel%role(stat=stat)
      call check(stat == linkspan_invalid_state, "role of what is closed")
      truth = channel%writable(stat=stat)
      call check(stat == linkspan_invalid_state, "writable of what is closed")
      text = channel%endpoint(stat=stat)
      call check(stat == linkspan_invalid_state .and. len(text) == 0, "endpoint of what is closed")
      truth = m%has("a", stat=stat)
      call check(stat == linkspan_invalid_state .and. .not. truth, "has of an empty message")
      call m%put("a", 1)
      truth = m%has("a") .and. .not. m%has("b") .and. .not. m%has("a/b", stat=stat)
      call check(truth .and. stat == linkspan_ok, "what is not there is no failure")
      wide = m%sequence(stat=stat) + m%missed(stat=stat)
      at = m%sent(stat=stat)
      text = m%source(stat=stat)
      number = m%encoding(stat=stat)
      call check(stat == linkspan_ok .and. wide == 0 .and. at%nanoseconds == 0 .and. len(text) == 0 .and. number == 0, &
                 "a message that was built here came from nowhere")
   end subroutine

   subroutine a_loop_over_a_slow_subscription_goes_on()
      type(linkspan_publisher) :: out
      type(linkspan_subscriber) :: in
      type(linkspan_message) :: m
      type(linkspan_options) :: small
      integer(int8) :: body(4000)
      integer(int64) :: got, missed
      integer :: i, stat
      body = 0
      small%buffer = 65536
      call out%open("shm:test/slow", small)
      call in%subscribe("shm:test/slow")
      call in%try_recv(m, stat=stat)
      call check(stat == linkspan_empty, "nothing was published")
      call m%add_bytes(body)
      do i = 1, 500
         call out%send(m)
      end do
      got = 0
      missed = 0
      do while (in%next(m))
         got = got + 1
         missed = missed + m%missed()
         if (m%sequence() == 500) exit
      end do
      call check(missed > 0 .and. got + missed == 500, "the loop continues with the number of missed messages")
      call in%close()
      call out%close()
   end subroutine

end program
