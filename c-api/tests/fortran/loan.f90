! Loans in Fortran: written through a pointer, moved into a message, viewed by the peer.
program loan_test
   use linkspan
   use, intrinsic :: iso_c_binding
   use, intrinsic :: iso_fortran_env, only: int8, int32, real64
   implicit none
   integer, parameter :: columns = 65536
   character(64) :: transport = "shm"
   if (command_argument_count() > 0) call get_command_argument(1, transport)
   call moved_and_viewed(trim(transport)//":test/loan", transport == "shm")
   call freed_and_refused(trim(transport)//":test/loan")
   call published(trim(transport)//":test/loan/published")
   call bytes_of_a_camera(trim(transport)//":test/loan/bytes")
   print '(a)', "ok"

contains

   subroutine pair(name, one, two)
      character(*), intent(in) :: name
      type(linkspan_channel), intent(inout) :: one, two
      type(linkspan_listener) :: listener
      type(linkspan_message) :: message
      call listener%listen(name)
      call one%connect(name, timeout=60.0_real64)
      call listener%accept(two, timeout=60.0_real64)
      call message%put("first", 1)
      call one%send(message, timeout=60.0_real64)
      call two%recv(message, timeout=60.0_real64)
      call listener%close()
   end subroutine

   subroutine moved_and_viewed(name, shares)
      character(*), intent(in) :: name
      logical, intent(in) :: shares
      type(linkspan_channel) :: one, two
      type(linkspan_message) :: message, got(4), stats
      real(real64), pointer :: wave(:, :), view(:, :), put(:, :)
      integer :: seed, count, stat
      ! gfortran reads a pointer's address when it passes it with assumed rank, and valgrind reports undefined ones.
      nullify (wave)
      call pair(name, one, two)
      do seed = 1, 4
         call one%loan(wave, [3, columns])
         if (any(shape(wave) /= [3, columns])) error stop "the shape of a loan"
         wave = seed
         wave(3, columns) = -1
         call message%clear()
         put => wave
         call message%put_loan("wave", wave)
         if (associated(wave)) error stop "a loan that was put is not the program's any more"
         call message%get("wave", wave)
         if (.not. associated(wave, put)) error stop "a loan was copied to its message"
         ! Other transports may need a receive during the send, so little is sent there.
         if (shares) then
            call one%send(message, timeout=60.0_real64)
            call two%recv(got(seed), timeout=60.0_real64)
         else
            got(seed) = message
            call message%release()
         end if
      end do
      call one%stats(stats)
      call stats%get("arrays_in_slots", count)
      if (count /= merge(4, 0, shares)) error stop "arrays in slots"
      call one%close(timeout=0.0_real64, stat=stat)
      call two%close()
      do seed = 1, 4
         call got(seed)%get("wave", view)      ! a view of the slot, column-major as it was written
         if (view(1, 1) /= seed .or. view(2, columns) /= seed .or. view(3, columns) /= -1) error stop "a view"
      end do
   end subroutine

   subroutine freed_and_refused(name)
      character(*), intent(in) :: name
      type(linkspan_channel) :: one, two
      type(linkspan_message) :: message
      integer(int32), pointer :: list(:), cube(:, :, :)
      integer(int32), pointer :: own(:), other(:)
      complex(real64), pointer :: wave(:)
      character(:), allocatable :: why
      integer :: i, stat
      nullify (list, cube, wave)
      call pair(name, one, two)
      do i = 1, 40
         call one%loan(wave, [columns])
         wave = (1, 2)
         call linkspan_loan_free(wave)
      end do
      if (associated(wave)) error stop "a loan that was freed"
      call message%clear()
      allocate (own(5))
      call message%put_loan("own", own, stat=stat, errmsg=why)
      if (stat /= linkspan_invalid_state .or. index(why, "no loan") == 0) error stop "what was not lent"
      call linkspan_loan_free(own, stat=stat)
      if (stat /= linkspan_invalid_state) error stop "what was not lent is not freed"
      if (.not. associated(own)) error stop "what was not lent stays"
      deallocate (own)
      call one%loan(list, [4])
      list = [1, 2, 3, 4]
      call message%begin_array("items")
      call message%put_loan("key", list, stat=stat)
      if (stat /= linkspan_invalid_state) error stop "a key in an array"
      other => list
      call message%add_loan(list)
      call message%end()
      call message%put_loan("again", other, stat=stat)
      if (stat /= linkspan_invalid_state) error stop "a loan is put once"
      call one%loan(cube, [2, 3, 4])
      cube = reshape([(i, i=1, 24)], [2, 3, 4])
      call message%put_loan("cube", cube)
      call one%send(message, timeout=60.0_real64)
      call two%recv(message, timeout=60.0_real64)
      call message%get("cube", cube)
      if (cube(2, 3, 4) /= 24 .or. cube(2, 1, 1) /= 2) error stop "a cube"
      call message%get("items/0", list)
      if (any(list /= [1, 2, 3, 4])) error stop "a list"
      call one%loan(cube, [2000000000, 2000000000, 2000000000], stat=stat)
      if (stat /= linkspan_too_large .or. associated(cube)) error stop "too large"
      call one%loan(cube, [2, -3, 4], stat=stat, errmsg=why)
      if (stat /= linkspan_out_of_range .or. associated(cube)) error stop "a negative length of an array"
      if (index(why, "-3") == 0) error stop "which length is negative"
      call one%close(timeout=0.0_real64, stat=stat)
      call one%loan(list, [4], stat=stat)
      if (stat /= linkspan_invalid_state) error stop "a closed channel"
      call message%loan(list, [4], stat=stat)
      if (stat /= linkspan_invalid_state) error stop "no request"
   end subroutine

   subroutine bytes_of_a_camera(name)
      character(*), intent(in) :: name
      type(linkspan_channel) :: one, two
      type(linkspan_message) :: message
      integer(int8), pointer :: frame(:), view(:), put(:)
      integer(int8), target :: own(4)
      character(:), allocatable :: why
      integer :: stat
      call pair(name, one, two)
      call one%loan_bytes(frame, 1000000)
      if (size(frame) /= 1000000) error stop "the length of a loan of bytes"
      frame = 9_int8
      call message%clear()
      call message%put("camera", "left")
      call message%put_loan_bytes("image", frame, 1000001, stat=stat, errmsg=why)
      if (stat /= linkspan_invalid_state .or. index(why, "1000001") == 0) error stop "more bytes than the loan has"
      call message%put_loan_bytes("image", frame, -1, stat=stat)
      if (stat /= linkspan_out_of_range .or. .not. associated(frame)) error stop "a negative length"
      put => frame
      call message%put_loan_bytes("image", frame, 100000)
      if (associated(frame)) error stop "a loan that was put is not the program's any more"
      call message%put_loan_bytes("again", put, stat=stat)
      if (stat /= linkspan_invalid_state) error stop "a loan is put once"
      call message%get_bytes("image", view)
      if (.not. associated(view, put(:100000))) error stop "bytes were copied to their message"
      call one%send(message, timeout=60.0_real64)
      call two%recv(message, timeout=60.0_real64)
      call message%get_bytes("image", view)
      if (size(view) /= 100000) error stop "the length that was sent"
      if (any(view /= 9_int8)) error stop "the bytes that were sent"
      call message%clear()
      call one%loan_bytes(frame, 70000)
      frame = 4_int8
      call message%add_loan_bytes(frame)
      call one%send(message, timeout=60.0_real64)
      call two%recv(message, timeout=60.0_real64)
      call message%get_bytes("", view)
      if (size(view) /= 70000) error stop "bytes alone"
      call one%loan_bytes(frame, 10)
      call linkspan_loan_bytes_free(frame)
      if (associated(frame)) error stop "a loan that was freed"
      call linkspan_loan_bytes_free(frame)
      frame => own
      call linkspan_loan_bytes_free(frame, stat=stat)
      if (stat /= linkspan_invalid_state .or. .not. associated(frame)) error stop "what was not lent"
      call one%loan_bytes(frame, -1, stat=stat)
      if (stat /= linkspan_out_of_range .or. associated(frame)) error stop "a loan of a negative length"
      call message%loan_bytes(frame, 1, stat=stat)
      if (stat /= linkspan_invalid_state) error stop "no request"
   end subroutine

   subroutine published(name)
      character(*), intent(in) :: name
      type(linkspan_publisher) :: publisher
      type(linkspan_subscriber) :: subscriber
      type(linkspan_message) :: message
      real(real64), pointer :: wave(:)
      logical :: there
      integer :: attempt, stat
      nullify (wave)
      call publisher%open(name)
      call subscriber%subscribe(name)
      ! Under valgrind the publisher may miss the first attempt.
      do attempt = 1, 20
         there = subscriber%poll()
         call publisher%wait_for_subscribers(1, timeout=1.0_real64, stat=stat)
         if (stat == linkspan_ok) exit
      end do
      if (stat /= linkspan_ok) error stop "no subscriber"
      call publisher%loan(wave, [20000])
      wave = 2.5_real64
      call message%add_loan(wave)
      call publisher%send(message)
      call subscriber%recv(message, timeout=60.0_real64)
      call message%get("", wave)
      if (any(wave /= 2.5_real64)) error stop "published"
   end subroutine
end program
