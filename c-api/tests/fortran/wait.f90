! Waiting for several objects, and the state after a failed call.
program wait_test
   use linkspan
   implicit none
   character(64) :: transport, name
   call get_command_argument(1, transport)
   call first_of_several(trim(transport))
   name = trim(transport)//":test/empty"
   call nothing_is_left(name)
   print '(a)', "ok"

contains

   subroutine check(ok, what)
      logical, intent(in) :: ok
      character(*), intent(in) :: what
      if (.not. ok) error stop what
   end subroutine

   subroutine first_of_several(transport)
      character(*), intent(in) :: transport
      type(linkspan_publisher) :: publishers(2)
      type(linkspan_subscriber) :: readings(2)
      type(linkspan_message) :: message, got
      logical :: ready(2), short(1)
      integer :: i, turn, sender, number, stat
      character(:), allocatable :: why
      do i = 1, 2
         call publishers(i)%open(transport//":test/wait"//achar(48 + i))
         call readings(i)%subscribe(transport//":test/wait"//achar(48 + i))
         call publishers(i)%wait_for_subscribers(timeout=60.0_real64)
      end do
      do turn = 1, 4
         sender = 1 + mod(turn, 2)
         call message%clear()
         call message%put("turn", turn)
         call publishers(sender)%send(message)
         number = 0
         do while (number == 0)
            call linkspan_wait([readings(1)%fileno(), readings(2)%fileno()], ready, timeout=60.0_real64)
            call check(any(ready), "none is ready")
            do i = 1, 2
               if (.not. ready(i)) cycle
               call readings(i)%try_recv(got, stat=stat)
               if (stat /= linkspan_ok) cycle
               call check(i == sender, "another sender's message")
               call got%get("turn", number)
            end do
         end do
         call check(number == turn, "another message")
      end do
      do
         call linkspan_wait([readings(1)%fileno(), readings(2)%fileno()], ready, timeout=0.0_real64, stat=stat)
         if (stat /= linkspan_ok) exit
         do i = 1, 2
            call readings(i)%try_recv(got, stat=stat)
            call check(stat == linkspan_empty, "nothing more was sent")
         end do
      end do
      call check(stat == linkspan_timeout .and. .not. any(ready), "no message is there")
      call linkspan_wait([readings(1)%fileno(), readings(2)%fileno()], short, stat=stat, errmsg=why)
      call check(stat == linkspan_wrong_type .and. index(why, "1 elements for 2 descriptors") > 0, "one truth for two")
   end subroutine

   ! Receiving calls release their argument first, even if they fail.
   subroutine nothing_is_left(name)
      character(*), intent(in) :: name
      type(linkspan_publisher) :: out
      type(linkspan_subscriber) :: in
      type(linkspan_message) :: message, several(2)
      type(linkspan_message), allocatable :: none(:)
      integer :: stat, number
      logical :: more
      character(40) :: told
      character(:), allocatable :: why
      call out%open(name)
      call in%subscribe(name)
      call out%wait_for_subscribers(timeout=60.0_real64)
      call message%put("n", 1)
      call out%send(message)
      call in%recv(message, timeout=60.0_real64)
      call message%get("n", number)
      call check(number == 1, "a message")
      call in%recv(message, timeout=0.0_real64, stat=stat)
      call check(stat == linkspan_timeout .and. holds_nothing(message), "recv")
      call message%put("n", 1)
      call in%try_recv(message, stat=stat)
      call check(stat == linkspan_empty .and. holds_nothing(message), "try_recv")
      call message%put("n", 1)
      more = in%next(message, timeout=0.0_real64, stat=stat)
      call check(stat == linkspan_timeout .and. .not. more .and. holds_nothing(message), "next")
      call several(1)%put("n", 1)
      call several(2)%put("n", 1)
      call in%recv_many(several, number, timeout=0.0_real64, stat=stat)
      call check(stat == linkspan_timeout .and. number == 0, "recv_many")
      call check(holds_nothing(several(1)) .and. holds_nothing(several(2)), "recv_many")
      call message%put("n", 1)
      call linkspan_decode([1_int8, 2_int8], linkspan_cbor, message, stat=stat)
      call check(stat == linkspan_malformed .and. holds_nothing(message), "decode")
      call message%put("n", 1)
      call linkspan_latest("unix:test/nowhere", message, stat=stat)
      call check(stat == linkspan_not_found .and. holds_nothing(message), "latest")
      call message%put("n", 1)
      call linkspan_schema(name, message, stat=stat)
      call check(stat == linkspan_missing .and. holds_nothing(message), "schema")
      call message%put("n", 1)
      call several(1)%put("n", 1)
      call several(1)%get_message("none", message, stat=stat, errmsg=why)
      call linkspan_last_error(told)
      call check(stat == linkspan_missing .and. len(why) > 0 .and. told == why(:min(len(why), 40)), "the text of the last error")
      call check(holds_nothing(message), "get_message")
      call in%recv_many(none, number, timeout=0.0_real64, stat=stat, errmsg=why)
      call check(stat == linkspan_invalid_state .and. index(why, "is not allocated") > 0, "recv_many into nothing")
      allocate (none(0))
      call out%send_many(none)
      call in%recv_many(none, number, timeout=0.0_real64, stat=stat)
      call check(stat /= linkspan_invalid_state .and. number == 0, "room for none")
   end subroutine

   function holds_nothing(message) result(is)
      type(linkspan_message), intent(in) :: message
      logical :: is
      integer :: stat, count
      character(:), allocatable :: why
      count = message%count("", stat=stat, errmsg=why)
      is = stat == linkspan_invalid_state
      if (is) is = index(why, "holds nothing") > 0
   end function

end program
