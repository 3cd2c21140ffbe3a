! Calls in two steps, answered in reverse order between other messages.
program calls_test
   use linkspan
   implicit none
   character(64) :: transport
   call get_command_argument(1, transport)
   call tried(trim(transport)//":test/calls")
   print '(a)', "ok"

contains

   subroutine tried(name)
      character(*), intent(in) :: name
      type(linkspan_listener) :: listener
      type(linkspan_channel) :: near, far
      type(linkspan_pending_reply) :: pending(3)
      type(linkspan_message) :: message, reply, requests(3)
      character(:), allocatable :: text
      integer :: i, number, stat
      call listener%listen(name)
      call near%connect(name)
      call listener%accept(far)
      do i = 1, 3
         call message%clear()
         call message%put("n", i)
         call near%start_call(message, pending(i))
      end do
      do i = 1, 3
         call far%recv(requests(i))
      end do
      call near%finish_call(pending(1), message, timeout=0.0_real64, stat=stat)
      if (stat /= linkspan_timeout) error stop "nothing has arrived"
      call answer(far, requests(3))
      call answer(far, requests(2))
      call message%clear()
      call message%put("n", 7)
      call far%send(message)
      ! It comes after two replies, which are kept.
      call near%recv(message)
      call message%get("n", number)
      if (number /= 7) error stop "the message in between"
      call answer(far, requests(1))
      do i = 1, 3
         call near%finish_call(pending(i), message, timeout=10.0_real64)
         call message%get("n", number)
         if (number /= 100 + i) error stop "the reply to another request"
      end do
      call near%stats(message)
      call message%get("dropped", number)
      if (number /= 0) error stop "dropped"
      ! A finished or closed request is not pending; another request takes its place.
      call near%finish_call(pending(1), message, stat=stat)
      if (stat /= linkspan_invalid_state) error stop "a request is finished once"
      call message%clear()
      call message%put("n", 8)
      call near%start_call(message, pending(1))
      call pending(1)%close()
      call near%finish_call(pending(1), reply, stat=stat, errmsg=text)
      if (stat /= linkspan_invalid_state) error stop "there is no request in it"
      if (index(text, "the linkspan_pending_reply holds no request: ") /= 1) error stop "the text of a request that was closed"
      call message%put("n", 9)
      call near%start_call(message, pending(1))
      call far%recv(requests(1))
      call requests(1)%get("n", number)
      if (number /= 9) error stop "the request that was closed is withdrawn"
      ! No further call acknowledges the last messages.
      call near%close(timeout=0.0_real64, stat=stat)
      call far%close(timeout=0.0_real64, stat=stat)
   end subroutine

   subroutine answer(channel, request)
      type(linkspan_channel), intent(in) :: channel
      type(linkspan_message), intent(in) :: request
      type(linkspan_message) :: reply
      integer :: number
      call request%get("n", number)
      call reply%put("n", number + 100)
      call channel%reply(request, reply)
   end subroutine

end program
