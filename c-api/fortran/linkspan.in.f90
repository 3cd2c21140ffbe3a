! Linkspan for Fortran 2018: `use linkspan`.
!
! Handles are released by `close` (messages by `release`); finalizers only help where that was forgotten. Every
! procedure takes `stat=` and `errmsg=`; without `stat=` a failure stops the program with its text. Time-outs are
! seconds; `linkspan_forever` waits for ever, and no time-out means the options' (30 s where they say nothing).
! Keys and paths: keys and positions from zero joined by `/`, as in every language; `""` is the whole value.
!
! SPDX-License-Identifier: MIT OR Apache-2.0
@generated-notice

! What C exports, as it is in linkspan.h.
module linkspan_c_interface
   use, intrinsic :: iso_c_binding
   implicit none
   public

   @constants

   type, bind(C) :: c_array
      integer(c_int32_t) :: dtype = 0
      integer(c_int32_t) :: order = 0
      integer(c_size_t) :: rank = 0
      integer(c_int64_t) :: dims(15) = 0
      type(c_ptr) :: data = c_null_ptr
      integer(c_size_t) :: length = 0
   end type

   type, bind(C) :: c_options
      integer(c_size_t) :: size = 0
      type(c_ptr) :: encoding = c_null_ptr
      integer(c_int64_t) :: timeout = 0
      type(c_ptr) :: client_id = c_null_ptr
      integer(c_int64_t) :: buffer = 0
      integer(c_int64_t) :: limit = 0
      type(c_ptr) :: delivery = c_null_ptr
      type(c_ptr) :: ack = c_null_ptr
      type(c_ptr) :: framing = c_null_ptr
      integer(c_int32_t) :: mode = 0
      type(c_ptr) :: group = c_null_ptr
      type(c_ptr) :: allow_uids = c_null_ptr
      integer(c_size_t) :: allow_uids_count = 0
      type(c_ptr) :: allow_gids = c_null_ptr
      integer(c_size_t) :: allow_gids_count = 0
      integer(c_int32_t) :: spin = 0
      logical(c_bool) :: immutable = .false._c_bool
      logical(c_bool) :: durable = .false._c_bool
      type(c_ptr) :: schema = c_null_ptr
      type(c_funptr) :: on_wait = c_null_funptr
      type(c_ptr) :: on_wait_context = c_null_ptr
   end type

   type, bind(C) :: c_channel_state
      integer(c_size_t) :: size = 0
      integer(c_int32_t) :: role = 0
      logical(c_bool) :: readable = .false._c_bool
      logical(c_bool) :: writable = .false._c_bool
      type(c_ptr) :: endpoint = c_null_ptr
      integer(c_size_t) :: endpoint_length = 0
   end type

   type, bind(C) :: c_message_info
      integer(c_size_t) :: size = 0
      integer(c_int64_t) :: sequence = 0
      integer(c_int64_t) :: sent = 0
      integer(c_int64_t) :: missed = 0
      integer(c_int32_t) :: encoding = 0
      logical(c_bool) :: is_request = .false._c_bool
      type(c_ptr) :: source = c_null_ptr
      integer(c_size_t) :: source_length = 0
      type(c_ptr) :: body = c_null_ptr
      integer(c_size_t) :: body_length = 0
   end type

   type, bind(C) :: c_error
      integer(c_size_t) :: size = 0
      integer(c_int32_t) :: status = 0
      logical(c_bool) :: retryable = .false._c_bool
      type(c_ptr) :: text = c_null_ptr
      type(c_ptr) :: endpoint = c_null_ptr
      type(c_ptr) :: path = c_null_ptr
      integer(c_int64_t) :: offset = -1
      integer(c_int64_t) :: missed = 0
      integer(c_int32_t) :: os_error = 0
      integer(c_int64_t) :: remote_code = 0
      type(c_ptr) :: remote_type = c_null_ptr
      type(c_ptr) :: remote_text = c_null_ptr
      type(c_ptr) :: remote_data = c_null_ptr
      integer(c_size_t) :: remote_data_length = 0
   end type

   interface
      @interfaces
   end interface

end module

module linkspan
   use, intrinsic :: iso_c_binding
   use, intrinsic :: iso_fortran_env, only: int8, int16, int32, int64, real32, real64
   use linkspan_c_interface
   implicit none
   private

   @public-constants

   ! A time-out: for ever, which has to be written out.
   real(real64), parameter, public :: linkspan_forever = huge(1.0_real64)

   public :: linkspan_message, linkspan_channel, linkspan_listener, linkspan_server
   public :: linkspan_publisher, linkspan_subscriber, linkspan_options, linkspan_timestamp, linkspan_error
   public :: linkspan_encode, linkspan_decode, linkspan_transcode
   public :: linkspan_encoding_name, linkspan_encoding_of, linkspan_status_name, linkspan_version
   public :: linkspan_latest, linkspan_last_error, linkspan_now
   public :: int8, int16, int32, int64, real32, real64, c_bool

   ! Nanoseconds since 1970-01-01T00:00:00Z.
   type :: linkspan_timestamp
      integer(int64) :: nanoseconds = 0
   end type

   ! What a failed call left behind; see linkspan_last_error.
   type :: linkspan_error
      integer :: status = linkspan_ok
      logical :: retryable = .false.
      character(:), allocatable :: text, endpoint, path
      integer(int64) :: offset = -1
      integer(int64) :: missed = 0
      ! What the other side's handler answered, for linkspan_remote; the data is CBOR.
      integer(int64) :: remote_code = 0
      character(:), allocatable :: remote_type, remote_text
      integer(int8), allocatable :: remote_data(:)
   end type

   ! What an endpoint is opened with; what is not named has its default.
   type :: linkspan_options
      character(:), allocatable :: encoding
      ! Seconds that a call waits which is not told otherwise.
      real(real64) :: timeout = -1
      character(:), allocatable :: client_id
      integer(int64) :: buffer = 0
      integer(int64) :: limit = 0
      character(:), allocatable :: delivery
      character(:), allocatable :: ack
      character(:), allocatable :: framing
      integer :: mode = 0
      character(:), allocatable :: group
      integer(int32), allocatable :: allow_uids(:)
      integer(int32), allocatable :: allow_gids(:)
      ! Microseconds to look again and again before sleeping; -1 for not at all.
      integer :: spin = 0
      logical :: immutable = .false.
      logical :: durable = .false.
      character(:), allocatable :: schema
      ! c_funloc of `logical(c_bool) function f(context) bind(C)` with `type(c_ptr), value :: context`: runs about
      ! every 100 ms while a call waits; false ends the wait with linkspan_cancelled.
      type(c_funptr) :: on_wait = c_null_funptr
      type(c_ptr) :: on_wait_context = c_null_ptr
   end type

   ! A message: one value, and for a received one where it came from. Assignment adds a reference to the same
   ! message; pointers that `get` gave live until the message is changed or its last reference goes.
   type :: linkspan_message
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: clear => message_clear
      procedure :: release => message_release
      ! put(key, value): numbers, logicals, complex numbers, text, timestamps; arrays of rank 1 to 7 as N-d arrays.
      generic :: put => @put-names
      ! add(value): the same at the end of an open array, or as the whole value of an empty message.
      generic :: add => @add-names
      procedure :: put_null => message_put_null
      procedure :: put_bytes => message_put_bytes
      procedure :: begin_map => message_begin_map
      procedure :: begin_array => message_begin_array
      procedure :: end => message_end
      ! get(path, value): into scalars, allocatables (always; indices are kept, wider kinds are filled), pointers
      ! (views: the exact kind, column-major from rank 2).
      generic :: get => @get-names
      procedure :: get_bytes => message_get_bytes
      procedure :: get_message => message_get_message
      procedure :: has => message_has
      procedure :: count => message_count
      procedure :: type_at => message_type_at
      procedure :: rank_at => message_rank_at
      procedure :: get_key => message_get_key
      procedure :: sequence => message_sequence
      procedure :: sent => message_sent
      procedure :: missed => message_missed
      procedure :: source => message_source
      procedure :: encoding => message_encoding
      procedure, private :: message_assign
      generic :: assignment(=) => message_assign
      @private-bindings
      final :: message_final
   end type

   ! A channel: two ends, messages both ways, requests and replies.
   type :: linkspan_channel
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: open => channel_open
      procedure :: connect => channel_connect
      procedure :: send => channel_send
      procedure :: try_send => channel_try_send
      procedure :: recv => channel_recv
      procedure :: try_recv => channel_try_recv
      procedure :: poll => channel_poll
      procedure :: call => channel_call
      procedure :: reply => channel_reply
      procedure :: events => channel_events
      procedure :: stats => channel_stats
      procedure :: role => channel_role
      procedure :: readable => channel_readable
      procedure :: writable => channel_writable
      procedure :: endpoint => channel_endpoint
      procedure :: fileno => channel_fileno
      procedure :: close => channel_close
      procedure, private :: channel_assign
      generic :: assignment(=) => channel_assign
      final :: channel_final
   end type

   ! Waits for peers at an endpoint.
   type :: linkspan_listener
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: listen => listener_listen
      procedure :: accept => listener_accept
      procedure :: fileno => listener_fileno
      procedure :: close => listener_close
      procedure, private :: listener_assign
      generic :: assignment(=) => listener_assign
      final :: listener_final
   end type

   ! Answers the requests of any number of clients.
   type :: linkspan_server
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: serve => server_serve
      procedure :: next => server_next
      procedure :: reply => server_reply
      procedure :: fail => server_fail
      procedure :: events => server_events
      procedure :: stats => server_stats
      procedure :: fileno => server_fileno
      procedure :: close => server_close
      procedure, private :: server_assign
      generic :: assignment(=) => server_assign
      final :: server_final
   end type

   ! Sends to any number of subscribers, and never waits for a slow one.
   type :: linkspan_publisher
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: publish => publisher_publish
      procedure :: send => publisher_send
      procedure :: subscribers => publisher_subscribers
      procedure :: stats => publisher_stats
      procedure :: close => publisher_close
      procedure, private :: publisher_assign
      generic :: assignment(=) => publisher_assign
      final :: publisher_final
   end type

   ! Receives what a publisher sends.
   type :: linkspan_subscriber
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: subscribe => subscriber_subscribe
      procedure :: recv => subscriber_recv
      procedure :: try_recv => subscriber_try_recv
      procedure :: next => subscriber_next
      procedure :: poll => subscriber_poll
      procedure :: events => subscriber_events
      procedure :: stats => subscriber_stats
      procedure :: fileno => subscriber_fileno
      procedure :: close => subscriber_close
      procedure, private :: subscriber_assign
      generic :: assignment(=) => subscriber_assign
      final :: subscriber_final
   end type

   ! The options as C reads them, with the texts that they point to.
   type :: lent_options
      type(c_options) :: c
      character(:), allocatable :: encoding, client_id, delivery, ack, framing, group, schema
   end type

contains

   ! ------------------------------------------------------------------------------------------- texts and failures

   ! A copy of a C string.
   function text_of(pointer) result(text)
      type(c_ptr), intent(in) :: pointer
      character(:), allocatable :: text
      character(kind=c_char), pointer :: letters(:)
      integer :: length
      if (.not. c_associated(pointer)) then
         text = ""
         return
      end if
      call c_f_pointer(pointer, letters, [huge(0)])
      length = 0
      do while (letters(length + 1) /= c_null_char)
         length = length + 1
      end do
      text = text_of_length(pointer, int(length, c_size_t))
   end function

   ! A copy of so many letters.
   function text_of_length(pointer, length) result(text)
      type(c_ptr), intent(in) :: pointer
      integer(c_size_t), intent(in) :: length
      character(:), allocatable :: text
      character(kind=c_char), pointer :: letters(:)
      integer :: i
      allocate (character(int(length)) :: text)
      if (length == 0) return
      call c_f_pointer(pointer, letters, [length])
      do i = 1, int(length)
         text(i:i) = letters(i)
      end do
   end function

   ! A copy of so many bytes.
   function bytes_of(pointer, length) result(bytes)
      type(c_ptr), intent(in) :: pointer
      integer(c_size_t), intent(in) :: length
      integer(int8), allocatable :: bytes(:)
      integer(int8), pointer :: view(:)
      allocate (bytes(length))
      if (length == 0) return
      call c_f_pointer(pointer, view, [length])
      bytes = view
   end function

   ! Ends every call: reports through stat, or stops the program where nobody asked for it. `why` is the text of a
   ! failure that was found on this side.
   subroutine finish(status, stat, why)
      integer(c_int32_t), intent(in) :: status
      integer, intent(out), optional :: stat
      character(*), intent(in), optional :: why
      character(:), allocatable :: text
      character(12) :: number
      if (present(stat)) stat = status
      if (status == linkspan_ok .or. present(stat)) return
      text = last_text(why)
      write (number, '(i0)') status
      text = "linkspan: "//linkspan_status_name(int(status))//" ("//trim(number)//"): "//text
      error stop text
   end subroutine

   ! Tells what happened to somebody who asked for it.
   subroutine explain(errmsg, stat, why)
      character(:), allocatable, intent(inout) :: errmsg
      integer, intent(in), optional :: stat
      character(*), intent(in), optional :: why
      if (.not. present(stat)) return
      if (stat /= linkspan_ok) errmsg = last_text(why)
   end subroutine

   function last_text(why) result(text)
      character(*), intent(in), optional :: why
      character(:), allocatable :: text
      text = ""
      if (present(why)) text = why
      if (len(text) == 0) text = text_of(c_last_error_text())
   end function

   ! Seconds to C's nanoseconds.
   function nanoseconds(timeout) result(ns)
      real(real64), intent(in), optional :: timeout
      integer(c_int64_t) :: ns
      ns = linkspan_default
      if (.not. present(timeout)) return
      if (timeout >= 9.2e9_real64) then
         ns = huge(ns)
      else if (timeout >= 0) then
         ns = int(timeout*1.0e9_real64, c_int64_t)
      else
         ns = -2 ! refused by the core, NaN too
      end if
   end function

   ! The options as C reads them. `lent` keeps the texts and has to outlive the call that they are for.
   subroutine lend(options, lent)
      type(linkspan_options), intent(in), optional, target :: options
      type(lent_options), intent(inout), target :: lent
      lent%c%size = c_sizeof(lent%c)
      if (.not. present(options)) return
      call lend_text(options%encoding, lent%encoding, lent%c%encoding)
      call lend_text(options%client_id, lent%client_id, lent%c%client_id)
      call lend_text(options%delivery, lent%delivery, lent%c%delivery)
      call lend_text(options%ack, lent%ack, lent%c%ack)
      call lend_text(options%framing, lent%framing, lent%c%framing)
      call lend_text(options%group, lent%group, lent%c%group)
      call lend_text(options%schema, lent%schema, lent%c%schema)
      if (options%timeout >= 0) lent%c%timeout = nanoseconds(options%timeout)
      lent%c%buffer = options%buffer
      lent%c%limit = options%limit
      lent%c%mode = int(options%mode, c_int32_t)
      lent%c%spin = int(options%spin, c_int32_t)
      lent%c%immutable = logical(options%immutable, c_bool)
      lent%c%durable = logical(options%durable, c_bool)
      lent%c%on_wait = options%on_wait
      lent%c%on_wait_context = options%on_wait_context
      if (allocated(options%allow_uids)) then
         lent%c%allow_uids = c_loc(options%allow_uids)
         lent%c%allow_uids_count = size(options%allow_uids, kind=c_size_t)
      end if
      if (allocated(options%allow_gids)) then
         lent%c%allow_gids = c_loc(options%allow_gids)
         lent%c%allow_gids_count = size(options%allow_gids, kind=c_size_t)
      end if
   end subroutine

   subroutine lend_text(given, kept, pointer)
      character(:), allocatable, intent(in) :: given
      character(:), allocatable, intent(inout), target :: kept
      type(c_ptr), intent(inout) :: pointer
      if (.not. allocated(given)) return
      kept = given//c_null_char
      pointer = c_loc(kept)
   end subroutine

   ! Takes a message over that C gave, in place of the one that was there.
   subroutine take(message, handle)
      type(linkspan_message), intent(inout) :: message
      type(c_ptr), intent(in) :: handle
      call message%release()
      message%handle = handle
   end subroutine

   ! The version of the library that is running.
   function linkspan_version() result(version)
      character(:), allocatable :: version
      version = text_of(c_version())
   end function

   ! The name of a status: "Timeout".
   function linkspan_status_name(status) result(name)
      integer, intent(in) :: status
      character(:), allocatable :: name
      name = text_of(c_status_name(int(status, c_int32_t)))
   end function

   ! All that is known about the last call of this thread that failed.
   subroutine linkspan_last_error(error)
      type(linkspan_error), intent(out) :: error
      type(c_error) :: c
      c%size = c_sizeof(c)
      error%status = c_last_error(c)
      error%retryable = c%retryable
      error%text = text_of(c%text)
      error%endpoint = text_of(c%endpoint)
      error%path = text_of(c%path)
      error%offset = c%offset
      error%missed = c%missed
      error%remote_code = c%remote_code
      error%remote_type = text_of(c%remote_type)
      error%remote_text = text_of(c%remote_text)
      error%remote_data = bytes_of(c%remote_data, c%remote_data_length)
   end subroutine

   ! The system clock's time.
   function linkspan_now() result(now)
      type(linkspan_timestamp) :: now
      now%nanoseconds = c_timestamp_now()
   end function

   ! ------------------------------------------------------------------------------------------------------ codecs

   ! The name of an encoding: "cbor".
   function linkspan_encoding_name(encoding) result(name)
      integer, intent(in) :: encoding
      character(:), allocatable :: name
      name = text_of(c_encoding_name(int(encoding, c_int32_t)))
   end function

   ! The encoding of a name.
   function linkspan_encoding_of(name, stat, errmsg) result(encoding)
      character(*), intent(in) :: name
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: encoding
      integer(c_int32_t) :: number
      call finish(c_encoding_from_name(name//c_null_char, number), stat, errmsg)
      encoding = number
   end function

   ! Writes a message's value in an encoding.
   subroutine linkspan_encode(message, encoding, bytes, stat, errmsg)
      type(linkspan_message), intent(in) :: message
      integer, intent(in) :: encoding
      integer(int8), allocatable, intent(out) :: bytes(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: pointer
      integer(c_size_t) :: length
      integer(c_int32_t) :: status
      status = c_encode(message%handle, int(encoding, c_int32_t), pointer, length)
      if (status == linkspan_ok) then
         bytes = bytes_of(pointer, length)
         call c_free(pointer, length)
      end if
      call finish(status, stat, errmsg)
   end subroutine

   ! Reads the value that bytes of an encoding hold.
   subroutine linkspan_decode(bytes, encoding, message, stat, errmsg)
      integer(int8), intent(in), contiguous, target :: bytes(:)
      integer, intent(in) :: encoding
      type(linkspan_message), intent(inout) :: message
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_decode(place_of(bytes), size(bytes, kind=c_size_t), int(encoding, c_int32_t), handle)
      if (status == linkspan_ok) call take(message, handle)
      call finish(status, stat, errmsg)
   end subroutine

   ! Writes the value that bytes of one encoding hold in another.
   subroutine linkspan_transcode(bytes, from, to, result, stat, errmsg)
      integer(int8), intent(in), contiguous, target :: bytes(:)
      integer, intent(in) :: from, to
      integer(int8), allocatable, intent(out) :: result(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: pointer
      integer(c_size_t) :: length
      integer(c_int32_t) :: status
      status = c_transcode(place_of(bytes), size(bytes, kind=c_size_t), int(from, c_int32_t), &
                           int(to, c_int32_t), pointer, length)
      if (status == linkspan_ok) then
         result = bytes_of(pointer, length)
         call c_free(pointer, length)
      end if
      call finish(status, stat, errmsg)
   end subroutine

   ! Where bytes lie; nowhere if there are none.
   function place_of(bytes) result(pointer)
      integer(int8), intent(in), contiguous, target :: bytes(:)
      type(c_ptr) :: pointer
      pointer = c_null_ptr
      if (size(bytes) > 0) pointer = c_loc(bytes)
   end function

   ! ---------------------------------------------------------------------------------------- messages: life, parts

   ! A message that was never used gets its handle here.
   subroutine ensure(self)
      class(linkspan_message), intent(inout) :: self
      if (.not. c_associated(self%handle)) call finish(c_message_new(self%handle))
   end subroutine

   ! Empties the message, to build another value in it. Other references keep what they have.
   subroutine message_clear(self)
      class(linkspan_message), intent(inout) :: self
      call self%release()
      call ensure(self)
   end subroutine

   subroutine message_release(self)
      class(linkspan_message), intent(inout) :: self
      call c_message_release(self%handle)
      self%handle = c_null_ptr
   end subroutine

   subroutine message_final(self)
      type(linkspan_message), intent(inout) :: self
      call self%release()
   end subroutine

   subroutine message_assign(left, right)
      class(linkspan_message), intent(inout) :: left
      type(linkspan_message), intent(in) :: right
      type(c_ptr) :: handle
      handle = right%handle
      if (c_associated(handle)) call finish(c_message_retain(handle))
      call left%release()
      left%handle = handle
   end subroutine

   subroutine message_put_null(self, key, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_null(self%handle, key//c_null_char), stat, errmsg)
   end subroutine

   subroutine message_put_bytes(self, key, bytes, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      integer(int8), intent(in), contiguous, target :: bytes(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_bytes(self%handle, key//c_null_char, place_of(bytes), &
                                      size(bytes, kind=c_size_t)), stat, errmsg)
   end subroutine

   ! Begins a map under a key, or without one in an array or an empty message.
   subroutine message_begin_map(self, key, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in), optional :: key
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      if (present(key)) then
         call finish(c_message_begin_map(self%handle, key//c_null_char), stat, errmsg)
      else
         call finish(c_message_begin_map(self%handle), stat, errmsg)
      end if
   end subroutine

   ! Begins an array of values under a key, or without one in an array or an empty message.
   subroutine message_begin_array(self, key, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in), optional :: key
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      if (present(key)) then
         call finish(c_message_begin_array(self%handle, key//c_null_char), stat, errmsg)
      else
         call finish(c_message_begin_array(self%handle), stat, errmsg)
      end if
   end subroutine

   ! Ends the innermost map or array that was begun.
   subroutine message_end(self, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_message_end(self%handle), stat, errmsg)
   end subroutine

   subroutine message_get_bytes(self, path, bytes, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, intent(out) :: bytes(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: pointer
      integer(c_size_t) :: length
      integer(c_int32_t) :: status
      status = c_message_get_bytes(self%handle, path//c_null_char, pointer, length)
      if (status == linkspan_ok) bytes = bytes_of(pointer, length)
      call finish(status, stat, errmsg)
   end subroutine

   ! Copies the value at a path into a message of its own.
   subroutine message_get_message(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      type(linkspan_message), intent(inout) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_message_get_message(self%handle, path//c_null_char, handle)
      if (status == linkspan_ok) call take(value, handle)
      call finish(status, stat, errmsg)
   end subroutine

   ! Whether there is a value at a path.
   function message_has(self, path) result(has)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical :: has
      integer(c_int32_t) :: type
      has = c_message_get_type(self%handle, path//c_null_char, type) == linkspan_ok
   end function

   ! How many values lie in the array or map at a path.
   function message_count(self, path, stat, errmsg) result(count)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: count
      integer(c_size_t) :: number
      call finish(c_message_count(self%handle, path//c_null_char, number), stat, errmsg)
      count = int(number)
   end function

   ! The kind of the value at a path: linkspan_type_float and so on.
   function message_type_at(self, path, stat, errmsg) result(type)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: type
      integer(c_int32_t) :: number
      call finish(c_message_get_type(self%handle, path//c_null_char, number), stat, errmsg)
      type = number
   end function

   ! The rank of the N-d array at a path.
   function message_rank_at(self, path, stat, errmsg) result(rank)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: rank
      type(c_array) :: array
      call finish(c_message_get_array(self%handle, path//c_null_char, array), stat, errmsg)
      rank = int(array%rank)
   end function

   ! The key at a position from zero of the map at a path.
   subroutine message_get_key(self, path, position, key, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer, intent(in) :: position
      character(:), allocatable, intent(out) :: key
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: pointer
      integer(c_size_t) :: length
      integer(c_int32_t) :: status
      status = c_message_get_key(self%handle, path//c_null_char, int(position, c_size_t), pointer, length)
      if (status == linkspan_ok) key = text_of_length(pointer, length)
      call finish(status, stat, errmsg)
   end subroutine

   ! Where a message came from; all zero for one that was built here.
   function came_from(self) result(info)
      class(linkspan_message), intent(in) :: self
      type(c_message_info) :: info
      info%size = c_sizeof(info)
      if (c_message_look(self%handle, info) /= linkspan_ok) info = c_message_info()
   end function

   ! Its number in the sender's session, from 1; 0 for a message that was built here.
   function message_sequence(self) result(sequence)
      class(linkspan_message), intent(in) :: self
      integer(int64) :: sequence
      type(c_message_info) :: info
      info = came_from(self)
      sequence = info%sequence
   end function

   ! When it was sent.
   function message_sent(self) result(sent)
      class(linkspan_message), intent(in) :: self
      type(linkspan_timestamp) :: sent
      type(c_message_info) :: info
      info = came_from(self)
      sent%nanoseconds = info%sent
   end function

   ! How many messages were missed just before it.
   function message_missed(self) result(missed)
      class(linkspan_message), intent(in) :: self
      integer(int64) :: missed
      type(c_message_info) :: info
      info = came_from(self)
      missed = info%missed
   end function

   ! Who sent it.
   function message_source(self) result(source)
      class(linkspan_message), intent(in) :: self
      character(:), allocatable :: source
      type(c_message_info) :: info
      info = came_from(self)
      source = text_of_length(info%source, info%source_length)
   end function

   ! How its body is written: linkspan_cbor and so on.
   function message_encoding(self) result(encoding)
      class(linkspan_message), intent(in) :: self
      integer :: encoding
      type(c_message_info) :: info
      info = came_from(self)
      encoding = info%encoding
   end function

   ! ------------------------------------------------------------------------------------------- messages: put, get

   ! Puts an N-d array; column-major, as it lies. One dimension has no order and is said to be in C's.
   function put_elements(self, key, dtype, shape, place) result(status)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in), optional :: key
      integer(c_int32_t), intent(in) :: dtype
      integer(c_int64_t), intent(in) :: shape(:)
      type(c_ptr), intent(in) :: place
      integer(c_int32_t) :: status
      type(c_array) :: array
      array%dtype = dtype
      array%order = merge(linkspan_column, linkspan_row, size(shape) > 1)
      array%rank = size(shape, kind=c_size_t)
      ! gfortran 12 says -1 for the extent of an empty array constructor.
      array%dims(:size(shape)) = max(shape, 0_c_int64_t)
      array%data = place
      if (present(key)) then
         status = c_message_put_array(self%handle, key//c_null_char, array)
      else
         status = c_message_put_array(self%handle, array=array)
      end if
   end function

   ! Looks an N-d array up and checks its rank.
   subroutine look_up(self, path, rank, array, status, why)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer, intent(in) :: rank
      type(c_array), intent(inout) :: array
      integer(c_int32_t), intent(out) :: status
      character(:), allocatable, intent(inout) :: why
      character(80) :: text
      status = c_message_get_array(self%handle, path//c_null_char, array)
      if (status /= linkspan_ok) return
      if (array%rank == rank) return
      write (text, '(a, i0, a, i0, a)') "an array of rank ", array%rank, " is there, one of rank ", rank, &
         " was asked for"
      why = trim(text)//", at path "//path
      status = linkspan_wrong_type
   end subroutine

   ! Looks an N-d array up for a view: it needs the exact kind, and Fortran's order from rank 2.
   subroutine look_up_view(self, path, rank, dtype, array, status, why)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer, intent(in) :: rank
      integer(c_int32_t), intent(in) :: dtype
      type(c_array), intent(inout) :: array
      integer(c_int32_t), intent(out) :: status
      character(:), allocatable, intent(inout) :: why
      call look_up(self, path, rank, array, status, why)
      if (status /= linkspan_ok) return
      if (array%dtype /= dtype) then
         why = "an array of "//dtype_name(array%dtype)//" is there, a pointer to "//dtype_name(dtype)// &
               " was given; get it into an allocatable of a kind that holds it, at path "//path
         status = linkspan_wrong_type
      else if (array%order /= linkspan_column .and. count(array%dims(:rank) /= 1) > 1) then
         why = "the array is row-major, a pointer views column-major data; get it into an allocatable, at path "// &
               path
         status = linkspan_wrong_type
      end if
   end subroutine

   function dtype_name(dtype) result(name)
      integer(c_int32_t), intent(in) :: dtype
      character(:), allocatable :: name
      character(4), parameter :: names(0:12) = ["bool", "i8  ", "i16 ", "i32 ", "i64 ", "u8  ", "u16 ", &
                                                "u32 ", "u64 ", "f32 ", "f64 ", "c64 ", "c128"]
      name = "unknown elements"
      if (dtype >= 0 .and. dtype <= 12) name = trim(names(dtype))
   end function

   ! Copies an N-d array to a place with room for it; indices are kept, wider kinds are filled.
   function copied(from, dtype, place) result(status)
      type(c_array), intent(in) :: from
      integer(c_int32_t), intent(in) :: dtype
      type(c_ptr), intent(in) :: place
      integer(c_int32_t) :: status
      type(c_array) :: to
      to = from
      to%dtype = dtype
      to%order = linkspan_column
      to%data = place
      status = c_array_copy(from, to)
   end function

   @procedures

   ! Text goes as it is given; the elements of an array without their trailing blanks, as an array of texts.
   subroutine put_text(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      character(*), intent(in) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_text(self, value, key), stat, errmsg)
   end subroutine

   subroutine add_text(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_text(self, value), stat, errmsg)
   end subroutine

   function store_text(self, value, key) result(status)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in), target :: value
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: status
      if (present(key)) then
         status = c_message_put_text(self%handle, key//c_null_char, value, len(value, kind=c_size_t))
      else
         status = c_message_put_text(self%handle, text=value, length=len(value, kind=c_size_t))
      end if
   end function

   subroutine put_texts(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      character(*), intent(in) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int32_t) :: status
      call ensure(self)
      status = c_message_begin_array(self%handle, key//c_null_char)
      if (status == linkspan_ok) status = store_texts(self, value)
      call finish(status, stat, errmsg)
   end subroutine

   subroutine add_texts(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int32_t) :: status
      call ensure(self)
      status = c_message_begin_array(self%handle)
      if (status == linkspan_ok) status = store_texts(self, value)
      call finish(status, stat, errmsg)
   end subroutine

   function store_texts(self, value) result(status)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: value(:)
      integer(c_int32_t) :: status
      integer :: i
      status = linkspan_ok
      do i = 1, size(value)
         if (status == linkspan_ok) status = store_text(self, trim(value(i)))
      end do
      if (status == linkspan_ok) status = c_message_end(self%handle)
   end function

   subroutine get_text(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      character(:), allocatable, intent(out) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: pointer
      integer(c_size_t) :: length
      integer(c_int32_t) :: status
      status = c_message_get_text(self%handle, path//c_null_char, pointer, length)
      if (status == linkspan_ok) value = text_of_length(pointer, length)
      call finish(status, stat, errmsg)
   end subroutine

   ! An array of texts, each with blanks behind it to the length of the longest.
   subroutine get_texts(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      character(:), allocatable, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: pointer
      integer(c_size_t) :: number, length, longest
      integer(c_int32_t) :: status, type
      integer :: i
      character(:), allocatable :: why
      why = ""
      longest = 0
      number = 0
      status = c_message_get_type(self%handle, path//c_null_char, type)
      if (status == linkspan_ok .and. type /= linkspan_type_array) then
         status = linkspan_wrong_type
         why = "no array of texts is there, one was asked for, at path "//path
      end if
      if (status == linkspan_ok) status = c_message_count(self%handle, path//c_null_char, number)
      do i = 0, int(number) - 1
         if (status /= linkspan_ok) exit
         status = c_message_get_text(self%handle, below(path, i)//c_null_char, pointer, length)
         longest = max(longest, length)
      end do
      if (status == linkspan_ok) then
         allocate (character(int(longest)) :: value(number))
         do i = 0, int(number) - 1
            status = c_message_get_text(self%handle, below(path, i)//c_null_char, pointer, length)
            value(i + 1) = text_of_length(pointer, length)
         end do
      end if
      call finish(status, stat, errmsg, why)
   end subroutine

   function below(path, position) result(full)
      character(*), intent(in) :: path
      integer, intent(in) :: position
      character(:), allocatable :: full
      character(12) :: number
      write (number, '(i0)') position
      full = trim(number)
      if (len(path) > 0) full = path//"/"//full
   end function

   subroutine put_timestamp(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      type(linkspan_timestamp), intent(in) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_timestamp(self%handle, key//c_null_char, value%nanoseconds), stat, errmsg)
   end subroutine

   subroutine add_timestamp(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      type(linkspan_timestamp), intent(in) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_timestamp(self%handle, nanoseconds=value%nanoseconds), stat, errmsg)
   end subroutine

   subroutine get_timestamp(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      type(linkspan_timestamp), intent(out) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_message_get_timestamp(self%handle, path//c_null_char, value%nanoseconds), stat, errmsg)
   end subroutine

   subroutine put_message(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      type(linkspan_message), intent(in) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_message(self%handle, key//c_null_char, value%handle), stat, errmsg)
   end subroutine

   subroutine add_message(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      type(linkspan_message), intent(in) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_message(self%handle, value=value%handle), stat, errmsg)
   end subroutine

   @handles

   subroutine channel_open(self, endpoint, options, timeout, stat, errmsg)
      class(linkspan_channel), intent(inout) :: self
      character(*), intent(in) :: endpoint
      type(linkspan_options), intent(in), optional :: options
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(lent_options) :: lent
      call channel_release(self)
      call lend(options, lent)
      call finish(c_open(endpoint//c_null_char, lent%c, nanoseconds(timeout), self%handle), stat, errmsg)
   end subroutine

   subroutine channel_connect(self, endpoint, options, timeout, stat, errmsg)
      class(linkspan_channel), intent(inout) :: self
      character(*), intent(in) :: endpoint
      type(linkspan_options), intent(in), optional :: options
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(lent_options) :: lent
      call channel_release(self)
      call lend(options, lent)
      call finish(c_connect(endpoint//c_null_char, lent%c, nanoseconds(timeout), self%handle), stat, errmsg)
   end subroutine

   subroutine channel_send(self, message, sequence, timeout, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      type(linkspan_message), intent(in) :: message
      integer(int64), intent(out), optional :: sequence
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_send(self%handle, message%handle, nanoseconds(timeout), sequence), stat, errmsg)
   end subroutine

   subroutine channel_try_send(self, message, sequence, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      type(linkspan_message), intent(in) :: message
      integer(int64), intent(out), optional :: sequence
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_try_send(self%handle, message%handle, sequence), stat, errmsg)
   end subroutine

   subroutine channel_call(self, request, reply, timeout, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      type(linkspan_message), intent(in) :: request
      type(linkspan_message), intent(inout) :: reply
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_call(self%handle, request%handle, nanoseconds(timeout), handle)
      if (status == linkspan_ok) call take(reply, handle)
      call finish(status, stat, errmsg)
   end subroutine

   ! Answers a request that recv gave.
   subroutine channel_reply(self, request, reply, timeout, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      type(linkspan_message), intent(in) :: request, reply
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_channel_reply(self%handle, request%handle, reply%handle, nanoseconds(timeout)), stat, errmsg)
   end subroutine

   function channel_look(self) result(state)
      class(linkspan_channel), intent(in) :: self
      type(c_channel_state) :: state
      state%size = c_sizeof(state)
      call finish(c_channel_look(self%handle, state))
   end function

   ! linkspan_role_listener or linkspan_role_connector.
   function channel_role(self) result(role)
      class(linkspan_channel), intent(in) :: self
      integer :: role
      type(c_channel_state) :: state
      state = channel_look(self)
      role = state%role
   end function

   function channel_readable(self) result(readable)
      class(linkspan_channel), intent(in) :: self
      logical :: readable
      type(c_channel_state) :: state
      state = channel_look(self)
      readable = state%readable
   end function

   function channel_writable(self) result(writable)
      class(linkspan_channel), intent(in) :: self
      logical :: writable
      type(c_channel_state) :: state
      state = channel_look(self)
      writable = state%writable
   end function

   function channel_endpoint(self) result(endpoint)
      class(linkspan_channel), intent(in) :: self
      character(:), allocatable :: endpoint
      type(c_channel_state) :: state
      state = channel_look(self)
      endpoint = text_of_length(state%endpoint, state%endpoint_length)
   end function

   subroutine listener_listen(self, endpoint, options, stat, errmsg)
      class(linkspan_listener), intent(inout) :: self
      character(*), intent(in) :: endpoint
      type(linkspan_options), intent(in), optional :: options
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(lent_options) :: lent
      call listener_release(self)
      call lend(options, lent)
      call finish(c_listen(endpoint//c_null_char, lent%c, self%handle), stat, errmsg)
   end subroutine

   subroutine listener_accept(self, channel, timeout, stat, errmsg)
      class(linkspan_listener), intent(in) :: self
      type(linkspan_channel), intent(inout) :: channel
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call channel_release(channel)
      call finish(c_accept(self%handle, nanoseconds(timeout), channel%handle), stat, errmsg)
   end subroutine

   subroutine server_serve(self, endpoint, options, stat, errmsg)
      class(linkspan_server), intent(inout) :: self
      character(*), intent(in) :: endpoint
      type(linkspan_options), intent(in), optional :: options
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(lent_options) :: lent
      call server_release(self)
      call lend(options, lent)
      call finish(c_serve(endpoint//c_null_char, lent%c, self%handle), stat, errmsg)
   end subroutine

   subroutine server_reply(self, request, reply, stat, errmsg)
      class(linkspan_server), intent(in) :: self
      type(linkspan_message), intent(in) :: request, reply
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      if (.not. c_associated(self%handle)) then
         call finish(linkspan_invalid_state, stat, errmsg, "the server is closed")
         return
      end if
      call finish(c_reply(request%handle, reply%handle), stat, errmsg)
   end subroutine

   ! Answers a request with an error: a code, a dotted type, a text for a person, a value for the program.
   subroutine server_fail(self, request, code, type, text, detail, stat, errmsg)
      class(linkspan_server), intent(in) :: self
      type(linkspan_message), intent(in) :: request
      integer, intent(in) :: code
      character(*), intent(in) :: type, text
      type(linkspan_message), intent(in), optional :: detail
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: value
      value = c_null_ptr
      if (present(detail)) value = detail%handle
      if (.not. c_associated(self%handle)) then
         call finish(linkspan_invalid_state, stat, errmsg, "the server is closed")
         return
      end if
      call finish(c_fail(request%handle, int(code, c_int64_t), type//c_null_char, text//c_null_char, value), &
                  stat, errmsg)
   end subroutine

   subroutine publisher_publish(self, endpoint, options, stat, errmsg)
      class(linkspan_publisher), intent(inout) :: self
      character(*), intent(in) :: endpoint
      type(linkspan_options), intent(in), optional :: options
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(lent_options) :: lent
      call publisher_release(self)
      call lend(options, lent)
      call finish(c_publisher_new(endpoint//c_null_char, lent%c, self%handle), stat, errmsg)
   end subroutine

   subroutine publisher_send(self, message, sequence, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      type(linkspan_message), intent(in) :: message
      integer(int64), intent(out), optional :: sequence
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_publisher_send(self%handle, message%handle, sequence), stat, errmsg)
   end subroutine

   ! How many subscribers there are now.
   function publisher_subscribers(self, stat, errmsg) result(number)
      class(linkspan_publisher), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: number
      integer(c_size_t) :: subscribers
      call finish(c_publisher_subscribers(self%handle, subscribers), stat, errmsg)
      number = int(subscribers)
   end function

   subroutine subscriber_subscribe(self, endpoint, options, stat, errmsg)
      class(linkspan_subscriber), intent(inout) :: self
      character(*), intent(in) :: endpoint
      type(linkspan_options), intent(in), optional :: options
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(lent_options) :: lent
      call subscriber_release(self)
      call lend(options, lent)
      call finish(c_subscribe(endpoint//c_null_char, lent%c, self%handle), stat, errmsg)
   end subroutine

   ! The newest value that a publisher sent, without subscribing.
   subroutine linkspan_latest(endpoint, message, options, timeout, stat, errmsg)
      character(*), intent(in) :: endpoint
      type(linkspan_message), intent(inout) :: message
      type(linkspan_options), intent(in), optional :: options
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(lent_options) :: lent
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      call lend(options, lent)
      status = c_latest(endpoint//c_null_char, lent%c, nanoseconds(timeout), handle)
      if (status == linkspan_ok) call take(message, handle)
      call finish(status, stat, errmsg)
   end subroutine

end module
