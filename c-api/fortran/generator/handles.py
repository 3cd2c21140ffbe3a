"""The common procedures of the types with a handle."""

from generator.kinds import TAIL


def handle_procedures(name: str) -> str:
    timed = name in ("channel", "server", "service")
    wait = ", nanoseconds(timeout)" if timed else ", linkspan_default" if name == "publisher" else ""
    closing = "" if name in ("pending_reply", "region") else f"""
      if (c_associated(self%handle)) status = c_{name}_close(self%handle{wait})"""
    out = f"""
   ! ---------------------------------------------------------------------------------------------------- {name}s

   subroutine {name}_release(self)
      class(linkspan_{name}), intent(inout) :: self
      ! A handle of this object is released only once, so the call cannot fail.
      integer(c_int32_t) :: outcome
      outcome = c_{name}_free(self%handle)
      self%handle = c_null_ptr
   end subroutine

   impure elemental subroutine {name}_final(self)
      type(linkspan_{name}), intent(inout) :: self
      call {name}_release(self)
   end subroutine

   ! A copy would be released twice.
   subroutine {name}_assign(left, right)
      class(linkspan_{name}), intent(inout) :: left
      type(linkspan_{name}), intent(in) :: right
      if (c_associated(left%handle) .or. c_associated(right%handle)) &
         error stop "linkspan: a {name} is not copied; pass it as an argument, or point to it"
   end subroutine

   ! Closes it and releases its resources. A second call does nothing.
   subroutine {name}_close(self, {'timeout, ' if timed else ''}stat, errmsg)
      class(linkspan_{name}), intent(inout) :: self
{'      real(real64), intent(in), optional :: timeout' + chr(10) if timed else ''}{TAIL}
      integer(c_int32_t) :: status
      status = linkspan_ok{closing}
      call {name}_release(self)
      call finish(status, stat, errmsg)
   end subroutine
"""
    if name == "pending_reply":
        return out
    if name not in ("publisher", "region"):
        out += f"""
   ! Returns a descriptor for event loops, readable while the object has messages or events.
   function {name}_fileno(self, stat, errmsg) result(fd)
      class(linkspan_{name}), intent(in) :: self
{TAIL}
      integer :: fd
      integer(c_int) :: number
      call finish(c_{name}_fileno(self%handle, number), stat, errmsg)
      fd = number
   end function
"""
    for what in ["stats", "events"]:
        if name == "region" or (what == "events" and name in ("service", "controller")):
            continue
        doc = ("Gives counters as a map." if what == "stats" else
               "Gives the events since the last call: an array of maps with kind, at, missed and text.")
        out += f"""
   ! {doc}
   subroutine {name}_{what}(self, {what}, stat, errmsg)
      class(linkspan_{name}), intent(in) :: self
      type(linkspan_message), intent(inout) :: {what}
{TAIL}
      call {what}%release()
      call finish(c_{name}_{what}(self%handle, {what}%handle), stat, errmsg)
   end subroutine
"""
    flushed = {
        "channel": "the peer has consumed all sent messages; the text of an error has the number of unconsumed ones",
        "publisher": "every connected subscriber has all messages; the text of an error has the number of messages left",
    }
    if name in flushed:
        out += f"""
   ! Waits until {flushed[name]}. The {name} stays open.
   subroutine {name}_flush(self, timeout, stat, errmsg)
      class(linkspan_{name}), intent(in) :: self
      real(real64), intent(in), optional :: timeout
{TAIL}
      call finish(c_{name}_flush(self%handle, nanoseconds(timeout)), stat, errmsg)
   end subroutine
"""
    if name in ("channel", "subscriber"):
        out += f"""
   ! Receives a message. The call first releases `message`, which stays empty after a failure.
   subroutine {name}_recv(self, message, timeout, stat, errmsg)
      class(linkspan_{name}), intent(in) :: self
      type(linkspan_message), intent(inout) :: message
      real(real64), intent(in), optional :: timeout
{TAIL}
      call message%release()
      call finish(c_{name}_recv(self%handle, nanoseconds(timeout), message%handle), stat, errmsg)
   end subroutine

   ! Waits for a message and takes it and the next ones that have arrived, at most the size of messages.
   !
   ! The first `number` elements are new, and the others empty. They count as consumed at the next call that receives.
   subroutine {name}_recv_many(self, messages, number, timeout, stat, errmsg)
      class(linkspan_{name}), intent(in) :: self
      type(linkspan_message), intent(inout) :: messages(:)
      integer, intent(out) :: number
      real(real64), intent(in), optional :: timeout
{TAIL}
      type(c_ptr), allocatable :: handles(:)
      integer(c_size_t) :: count
      integer(c_int32_t) :: status
      integer :: i
      number = 0
      if (are_missing(messages)) then
         call finish(unallocated("the array of messages"), stat, errmsg)
         return
      end if
      allocate (handles(max(size(messages), 1)))
      do i = 1, size(messages)
         call messages(i)%release()
      end do
      status = c_{name}_recv_many(self%handle, size(messages, kind=c_size_t), nanoseconds(timeout), handles, count)
      number = int(count)
      do i = 1, number
         messages(i)%handle = handles(i)
      end do
      call finish(status, stat, errmsg)
   end subroutine

   ! Receives a message without waiting; linkspan_empty if none is available.
   subroutine {name}_try_recv(self, message, stat, errmsg)
      class(linkspan_{name}), intent(in) :: self
      type(linkspan_message), intent(inout) :: message
{TAIL}
      call message%release()
      call finish(c_{name}_try_recv(self%handle, message%handle), stat, errmsg)
   end subroutine

   ! Acknowledges all received messages, with the option ack="manual".
   subroutine {name}_ack(self, stat, errmsg)
      class(linkspan_{name}), intent(in) :: self
{TAIL}
      call finish(c_{name}_ack(self%handle), stat, errmsg)
   end subroutine

   ! Returns whether a message is available.
   function {name}_poll(self, stat, errmsg) result(there)
      class(linkspan_{name}), intent(in) :: self
{TAIL}
      logical :: there
      logical(c_bool) :: found
      call finish(c_{name}_poll(self%handle, found), stat, errmsg)
      there = found
   end function
"""
    what = {"server": "request", "subscriber": "message"}.get(name)
    missed = """ After missed messages it continues: `missed()` of the message
   ! is their number just before it.""" if what == "message" else ""
    if what:
        out += f"""
   ! Waits for the next {what}, for ever without a time-out; false at close and at a stop signal.
   !
   ! The call first releases `{what}`.{missed}
   function {name}_next(self, {what}, timeout, stat, errmsg) result(more)
      class(linkspan_{name}), intent(in) :: self
      type(linkspan_message), intent(inout) :: {what}
      real(real64), intent(in), optional :: timeout
{TAIL}
      logical :: more
      call {what}%release()
      call finish(c_{name}_next(self%handle, nanoseconds(timeout), {what}%handle), stat, errmsg)
      more = c_associated({what}%handle)
   end function
"""
    return out
