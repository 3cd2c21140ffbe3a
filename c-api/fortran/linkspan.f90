! Linkspan for Fortran 2018: `use linkspan`.
!
! Handles are released by `close` (messages by `release`); finalizers only help where that was forgotten. Every
! procedure that can fail takes `stat=` and `errmsg=`; without `stat=` a failure stops the program with its text.
! Time-outs are seconds; `linkspan_forever` waits for ever, and no time-out means the options' (30 s where they say
! nothing). Loops differ: without a time-out `next` goes on for ever, until `close`, SIGINT or SIGTERM; a signal that
! the program handles or ignores itself is left alone.
! Keys and paths: keys and positions from zero joined by `/`, as in every language; `""` is the whole value. In a key,
! `~1` stands for `/` and `~0` for `~`.
!
! gfortran 12 does not finalize the result of a function: one of type(linkspan_message) leaks a reference at each
! call.
! Give messages back through an intent(inout) argument.
!
! SPDX-License-Identifier: MIT OR Apache-2.0
! Written by generate.py from linkspan.f90.in and linkspan.h: change those.

! What C exports, as it is in linkspan.h.
module linkspan_c_interface
   use, intrinsic :: iso_c_binding
   implicit none
   public

   integer(c_int64_t), parameter :: linkspan_default = -1
   integer, parameter :: linkspan_required = -1
   integer, parameter :: linkspan_optional = -2
   integer, parameter :: linkspan_record_bool = 1
   integer, parameter :: linkspan_record_i8 = 2
   integer, parameter :: linkspan_record_i16 = 3
   integer, parameter :: linkspan_record_i32 = 4
   integer, parameter :: linkspan_record_i64 = 5
   integer, parameter :: linkspan_record_u8 = 6
   integer, parameter :: linkspan_record_u16 = 7
   integer, parameter :: linkspan_record_u32 = 8
   integer, parameter :: linkspan_record_u64 = 9
   integer, parameter :: linkspan_record_f32 = 10
   integer, parameter :: linkspan_record_f64 = 11
   integer, parameter :: linkspan_record_text = 12
   integer, parameter :: linkspan_record_bytes = 13
   integer, parameter :: linkspan_record_timestamp = 14
   integer, parameter :: linkspan_record_uuid = 15
   integer, parameter :: linkspan_record_decimal = 16
   integer, parameter :: linkspan_record_any = 17
   integer, parameter :: linkspan_record_enum = 18
   integer, parameter :: linkspan_record_list = 19
   integer, parameter :: linkspan_record_map = 20
   integer, parameter :: linkspan_record_struct = 21
   integer, parameter :: linkspan_record_union = 22
   integer, parameter :: linkspan_record_array = 23
   integer, parameter :: linkspan_record_elements = 24
   integer, parameter :: linkspan_record_bools = 25
   integer, parameter :: linkspan_record_logical = 26
   integer, parameter :: linkspan_bool = 0
   integer, parameter :: linkspan_i8 = 1
   integer, parameter :: linkspan_i16 = 2
   integer, parameter :: linkspan_i32 = 3
   integer, parameter :: linkspan_i64 = 4
   integer, parameter :: linkspan_u8 = 5
   integer, parameter :: linkspan_u16 = 6
   integer, parameter :: linkspan_u32 = 7
   integer, parameter :: linkspan_u64 = 8
   integer, parameter :: linkspan_f32 = 9
   integer, parameter :: linkspan_f64 = 10
   integer, parameter :: linkspan_c64 = 11
   integer, parameter :: linkspan_c128 = 12
   integer, parameter :: linkspan_row = 0
   integer, parameter :: linkspan_column = 1
   integer, parameter :: linkspan_role_listener = 0
   integer, parameter :: linkspan_role_connector = 1
   integer, parameter :: linkspan_command_end = 0
   integer, parameter :: linkspan_command_step = 1
   integer, parameter :: linkspan_command_get_data = 2
   integer, parameter :: linkspan_command_pause = 3
   integer, parameter :: linkspan_command_run = 4
   integer, parameter :: linkspan_command_checkpoint = 5
   integer, parameter :: linkspan_command_shutdown = 6
   integer, parameter :: linkspan_command_config = 7
   integer, parameter :: linkspan_command_backup = 8
   integer, parameter :: linkspan_command_own = 9
   integer, parameter :: linkspan_state_starting = 1
   integer, parameter :: linkspan_state_ready = 2
   integer, parameter :: linkspan_state_running = 3
   integer, parameter :: linkspan_state_pausing = 4
   integer, parameter :: linkspan_state_paused = 5
   integer, parameter :: linkspan_state_checkpointing = 6
   integer, parameter :: linkspan_state_stopping = 7
   integer, parameter :: linkspan_state_stopped = 8
   integer, parameter :: linkspan_state_failed = 9
   integer, parameter :: linkspan_raw = 0
   integer, parameter :: linkspan_json = 1
   integer, parameter :: linkspan_cbor = 2
   integer, parameter :: linkspan_bson = 3
   integer, parameter :: linkspan_smile = 4
   integer, parameter :: linkspan_type_null = 0
   integer, parameter :: linkspan_type_bool = 1
   integer, parameter :: linkspan_type_int = 2
   integer, parameter :: linkspan_type_uint = 3
   integer, parameter :: linkspan_type_big_int = 4
   integer, parameter :: linkspan_type_float = 5
   integer, parameter :: linkspan_type_text = 6
   integer, parameter :: linkspan_type_bytes = 7
   integer, parameter :: linkspan_type_timestamp = 8
   integer, parameter :: linkspan_type_uuid = 9
   integer, parameter :: linkspan_type_decimal = 10
   integer, parameter :: linkspan_type_ndarray = 11
   integer, parameter :: linkspan_type_array = 12
   integer, parameter :: linkspan_type_map = 13
   integer, parameter :: linkspan_ok = 0
   integer, parameter :: linkspan_transport_unavailable = 100
   integer, parameter :: linkspan_disconnected = 102
   integer, parameter :: linkspan_not_found = 103
   integer, parameter :: linkspan_missing = 104
   integer, parameter :: linkspan_address_in_use = 105
   integer, parameter :: linkspan_invalid_state = 106
   integer, parameter :: linkspan_invalid_endpoint = 107
   integer, parameter :: linkspan_out_of_memory = 108
   integer, parameter :: linkspan_wrong_type = 109
   integer, parameter :: linkspan_timeout = 110
   integer, parameter :: linkspan_full = 111
   integer, parameter :: linkspan_empty = 112
   integer, parameter :: linkspan_permission_denied = 113
   integer, parameter :: linkspan_too_large = 114
   integer, parameter :: linkspan_malformed = 115
   integer, parameter :: linkspan_unsupported = 116
   integer, parameter :: linkspan_schema_mismatch = 117
   integer, parameter :: linkspan_version_mismatch = 118
   integer, parameter :: linkspan_cancelled = 119
   integer, parameter :: linkspan_interrupted = 120
   integer, parameter :: linkspan_stalled = 121
   integer, parameter :: linkspan_remote = 122
   integer, parameter :: linkspan_out_of_range = 123
   integer, parameter :: linkspan_no_space = 124
   integer, parameter :: linkspan_lagged = 125
   integer, parameter :: linkspan_corrupt = 126
   integer, parameter :: linkspan_internal = 127

   ! What C refuses as a text with a NUL character inside.
   character(6), parameter :: nul_inside = char(255)//char(254)//"NUL"//c_null_char

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
      integer(c_int64_t) :: timeout = linkspan_default
      type(c_ptr) :: client_id = c_null_ptr
      integer(c_int64_t) :: buffer = 0
      integer(c_int64_t) :: max_message_size = 0
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
      integer(c_int64_t) :: replay_count = 0
      integer(c_int64_t) :: replay_bytes = 0
      integer(c_int64_t) :: absent_clients = 0
      type(c_ptr) :: from = c_null_ptr
      integer(c_int64_t) :: segment_bytes = 0
      integer(c_int64_t) :: retain_bytes = 0
      real(c_double) :: retain_seconds = 0
      logical(c_bool) :: retain_consumed = .false._c_bool
      logical(c_bool) :: idempotent = .false._c_bool
      logical(c_bool) :: locked = .false._c_bool
      logical(c_bool) :: shared = .false._c_bool
      type(c_ptr) :: validate = c_null_ptr
      type(c_ptr) :: reply_schema = c_null_ptr
   end type

   type, bind(C) :: c_channel_info
      integer(c_size_t) :: size = 0
      integer(c_int32_t) :: role = 0
      logical(c_bool) :: readable = .false._c_bool
      logical(c_bool) :: writable = .false._c_bool
      type(c_ptr) :: endpoint = c_null_ptr
      integer(c_size_t) :: endpoint_length = 0
   end type

   type, bind(C) :: c_service_options
      integer(c_size_t) :: size = 0
      type(c_ptr) :: controller = c_null_ptr
      integer(c_int64_t) :: every = 0
      logical(c_bool) :: paused = .false._c_bool
      logical(c_bool) :: leave_signals = .false._c_bool
      type(c_ptr) :: description = c_null_ptr
      type(c_ptr) :: commands = c_null_ptr
      integer(c_size_t) :: commands_count = 0
      type(c_ptr) :: channel = c_null_ptr
      type(c_funptr) :: on_cancel = c_null_funptr
      type(c_ptr) :: on_cancel_context = c_null_ptr
   end type

   type, bind(C) :: c_task
      integer(c_size_t) :: size = 0
      integer(c_int32_t) :: command = 0
      integer(c_int32_t) :: before = 0
      integer(c_int64_t) :: number = 0
      type(c_ptr) :: name = c_null_ptr
      type(c_ptr) :: id = c_null_ptr
      integer(c_int64_t) :: remaining = 0
      type(c_ptr) :: arguments = c_null_ptr
   end type

   type, bind(C) :: c_command_request
      integer(c_size_t) :: size = 0
      type(c_ptr) :: service = c_null_ptr
      type(c_ptr) :: command = c_null_ptr
      type(c_ptr) :: arguments = c_null_ptr
      integer(c_int64_t) :: within = -1
      type(c_ptr) :: id = c_null_ptr
      integer(c_int64_t) :: epoch = 0
      logical(c_bool) :: until_done = .false._c_bool
   end type

   type, bind(C) :: c_service_info
      integer(c_size_t) :: size = 0
      integer(c_int32_t) :: state = 0
      logical(c_bool) :: is_cancelled = .false._c_bool
      logical(c_bool) :: is_connected = .false._c_bool
      integer(c_int64_t) :: epoch = 0
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

   ! The tables of types in generated code; see linkspan.h.
   type, bind(C) :: linkspan_record_access
      type(c_funptr) :: find = c_null_funptr
      type(c_funptr) :: make = c_null_funptr
      type(c_funptr) :: view = c_null_funptr
      type(c_funptr) :: resize = c_null_funptr
      type(c_funptr) :: assign = c_null_funptr
      type(c_funptr) :: each = c_null_funptr
      type(c_funptr) :: insert = c_null_funptr
      type(c_funptr) :: get_bool = c_null_funptr
      type(c_funptr) :: put_bool = c_null_funptr
      type(c_funptr) :: view_array = c_null_funptr
      type(c_funptr) :: resize_array = c_null_funptr
      type(c_funptr) :: take_message = c_null_funptr
   end type

   type, bind(C) :: linkspan_record_type
      integer(c_int32_t) :: kind = 0
      integer(c_size_t) :: size = 0
      integer(c_size_t) :: item_size = 0
      integer(c_size_t) :: kind_size = 0
      type(c_ptr) :: of = c_null_ptr
      type(c_ptr) :: fields = c_null_ptr
      type(c_ptr) :: names = c_null_ptr
      integer(c_size_t) :: count = 0
      integer(c_int32_t) :: dtype = 0
      integer(c_int32_t) :: order = 0
      integer(c_int32_t) :: rank = 0
      type(c_ptr) :: dims = c_null_ptr
      type(c_ptr) :: access = c_null_ptr
      integer(c_size_t) :: which = 0
   end type

   type, bind(C) :: linkspan_record_field
      type(c_ptr) :: key = c_null_ptr
      type(c_ptr) :: aliases = c_null_ptr
      integer(c_size_t) :: offset = 0
      logical(c_bool) :: optional = .false._c_bool
      integer(c_size_t) :: presence = 0
      type(c_ptr) :: of = c_null_ptr
      type(c_ptr) :: default_value = c_null_ptr
      integer(c_size_t) :: default_length = 0
      type(c_ptr) :: access = c_null_ptr
      integer(c_size_t) :: which = 0
   end type

   type, bind(C) :: linkspan_record
      integer(c_size_t) :: size = 0
      type(c_ptr) :: of = c_null_ptr
      type(c_ptr) :: prepared = c_null_ptr
   end type

   interface
      function c_record_prepare(record, fill) bind(C, name="linkspan_record_prepare") result(outcome)
         import
         type(c_ptr), value :: record
         type(c_funptr), value :: fill
         integer(c_int32_t) :: outcome
      end function
      function c_array_copy(from, to) bind(C, name="linkspan_array_copy") result(outcome)
         import
         type(c_array), intent(in) :: from
         type(c_array), intent(in) :: to
         integer(c_int32_t) :: outcome
      end function
      function c_channel_open(endpoint, options, timeout, channel) bind(C, &
         name="linkspan_channel_open") result(outcome)
         import
         character(kind=c_char), intent(in), optional :: endpoint(*)
         type(c_options), intent(in) :: options
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: channel
         integer(c_int32_t) :: outcome
      end function
      function c_channel_connect(endpoint, options, timeout, channel) bind(C, &
         name="linkspan_channel_connect") result(outcome)
         import
         character(kind=c_char), intent(in), optional :: endpoint(*)
         type(c_options), intent(in) :: options
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: channel
         integer(c_int32_t) :: outcome
      end function
      function c_channel_send(channel, message, timeout, sequence) bind(C, &
         name="linkspan_channel_send") result(outcome)
         import
         type(c_ptr), value :: channel
         type(c_ptr), value :: message
         integer(c_int64_t), value :: timeout
         integer(c_int64_t), intent(out), optional :: sequence
         integer(c_int32_t) :: outcome
      end function
      function c_channel_try_send(channel, message, sequence) bind(C, &
         name="linkspan_channel_try_send") result(outcome)
         import
         type(c_ptr), value :: channel
         type(c_ptr), value :: message
         integer(c_int64_t), intent(out), optional :: sequence
         integer(c_int32_t) :: outcome
      end function
      function c_channel_send_many(channel, messages, count, timeout, sent) bind(C, &
         name="linkspan_channel_send_many") result(outcome)
         import
         type(c_ptr), value :: channel
         type(c_ptr), value :: messages
         integer(c_size_t), value :: count
         integer(c_int64_t), value :: timeout
         integer(c_size_t), intent(out), optional :: sent
         integer(c_int32_t) :: outcome
      end function
      function c_channel_recv(channel, timeout, message) bind(C, name="linkspan_channel_recv") result(outcome)
         import
         type(c_ptr), value :: channel
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: message
         integer(c_int32_t) :: outcome
      end function
      function c_channel_try_recv(channel, message) bind(C, name="linkspan_channel_try_recv") result(outcome)
         import
         type(c_ptr), value :: channel
         type(c_ptr), intent(out) :: message
         integer(c_int32_t) :: outcome
      end function
      function c_channel_recv_many(channel, max, timeout, messages, count) bind(C, &
         name="linkspan_channel_recv_many") result(outcome)
         import
         type(c_ptr), value :: channel
         integer(c_size_t), value :: max
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: messages(*)
         integer(c_size_t), intent(out), optional :: count
         integer(c_int32_t) :: outcome
      end function
      function c_channel_poll(channel, there) bind(C, name="linkspan_channel_poll") result(outcome)
         import
         type(c_ptr), value :: channel
         logical(c_bool), intent(out), optional :: there
         integer(c_int32_t) :: outcome
      end function
      function c_channel_ack(channel) bind(C, name="linkspan_channel_ack") result(outcome)
         import
         type(c_ptr), value :: channel
         integer(c_int32_t) :: outcome
      end function
      function c_channel_call(channel, request, timeout, reply) bind(C, name="linkspan_channel_call") result(outcome)
         import
         type(c_ptr), value :: channel
         type(c_ptr), value :: request
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: reply
         integer(c_int32_t) :: outcome
      end function
      function c_channel_reply(channel, request, reply, timeout) bind(C, &
         name="linkspan_channel_reply") result(outcome)
         import
         type(c_ptr), value :: channel
         type(c_ptr), value :: request
         type(c_ptr), value :: reply
         integer(c_int64_t), value :: timeout
         integer(c_int32_t) :: outcome
      end function
      function c_channel_get_info(channel, info) bind(C, name="linkspan_channel_get_info") result(outcome)
         import
         type(c_ptr), value :: channel
         type(c_channel_info), intent(inout) :: info
         integer(c_int32_t) :: outcome
      end function
      function c_channel_fileno(channel, fd) bind(C, name="linkspan_channel_fileno") result(outcome)
         import
         type(c_ptr), value :: channel
         integer(c_int), intent(out), optional :: fd
         integer(c_int32_t) :: outcome
      end function
      function c_channel_events(channel, events) bind(C, name="linkspan_channel_events") result(outcome)
         import
         type(c_ptr), value :: channel
         type(c_ptr), intent(out) :: events
         integer(c_int32_t) :: outcome
      end function
      function c_channel_stats(channel, stats) bind(C, name="linkspan_channel_stats") result(outcome)
         import
         type(c_ptr), value :: channel
         type(c_ptr), intent(out) :: stats
         integer(c_int32_t) :: outcome
      end function
      function c_channel_close(channel, timeout) bind(C, name="linkspan_channel_close") result(outcome)
         import
         type(c_ptr), value :: channel
         integer(c_int64_t), value :: timeout
         integer(c_int32_t) :: outcome
      end function
      function c_channel_free(channel) bind(C, name="linkspan_channel_free") result(outcome)
         import
         type(c_ptr), value :: channel
         integer(c_int32_t) :: outcome
      end function
      function c_encode(message, encoding, bytes, length) bind(C, name="linkspan_encode") result(outcome)
         import
         type(c_ptr), value :: message
         integer(c_int32_t), value :: encoding
         type(c_ptr), intent(out) :: bytes
         integer(c_size_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_decode(bytes, length, encoding, message) bind(C, name="linkspan_decode") result(outcome)
         import
         type(c_ptr), value :: bytes
         integer(c_size_t), value :: length
         integer(c_int32_t), value :: encoding
         type(c_ptr), intent(out) :: message
         integer(c_int32_t) :: outcome
      end function
      function c_transcode(bytes, length, from, to, result, result_length) bind(C, &
         name="linkspan_transcode") result(outcome)
         import
         type(c_ptr), value :: bytes
         integer(c_size_t), value :: length
         integer(c_int32_t), value :: from
         integer(c_int32_t), value :: to
         type(c_ptr), intent(out) :: result
         integer(c_size_t), intent(out), optional :: result_length
         integer(c_int32_t) :: outcome
      end function
      subroutine c_free(bytes, length) bind(C, name="linkspan_free")
         import
         type(c_ptr), value :: bytes
         integer(c_size_t), value :: length
      end subroutine
      function c_state_name(state) bind(C, name="linkspan_state_name") result(outcome)
         import
         integer(c_int32_t), value :: state
         type(c_ptr) :: outcome
      end function
      function c_controller_connect(endpoint, options, timeout, controller) bind(C, &
         name="linkspan_controller_connect") result(outcome)
         import
         character(kind=c_char), intent(in), optional :: endpoint(*)
         type(c_options), intent(in) :: options
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: controller
         integer(c_int32_t) :: outcome
      end function
      function c_controller_services(controller, timeout, services) bind(C, &
         name="linkspan_controller_services") result(outcome)
         import
         type(c_ptr), value :: controller
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: services
         integer(c_int32_t) :: outcome
      end function
      function c_controller_status(controller, service, timeout, record) bind(C, &
         name="linkspan_controller_status") result(outcome)
         import
         type(c_ptr), value :: controller
         character(kind=c_char), intent(in), optional :: service(*)
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: record
         integer(c_int32_t) :: outcome
      end function
      function c_controller_command(controller, service, command, arguments, timeout, value) bind(C, &
         name="linkspan_controller_command") result(outcome)
         import
         type(c_ptr), value :: controller
         character(kind=c_char), intent(in), optional :: service(*)
         character(kind=c_char), intent(in), optional :: command(*)
         type(c_ptr), value :: arguments
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: value
         integer(c_int32_t) :: outcome
      end function
      function c_controller_begin(controller, request, timeout, answer) bind(C, &
         name="linkspan_controller_begin") result(outcome)
         import
         type(c_ptr), value :: controller
         type(c_command_request), intent(in) :: request
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: answer
         integer(c_int32_t) :: outcome
      end function
      function c_controller_answer(controller, service, id, timeout, answer) bind(C, &
         name="linkspan_controller_answer") result(outcome)
         import
         type(c_ptr), value :: controller
         character(kind=c_char), intent(in), optional :: service(*)
         character(kind=c_char), intent(in), optional :: id(*)
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: answer
         integer(c_int32_t) :: outcome
      end function
      function c_controller_log(controller, service, lines, timeout, log) bind(C, &
         name="linkspan_controller_log") result(outcome)
         import
         type(c_ptr), value :: controller
         character(kind=c_char), intent(in), optional :: service(*)
         integer(c_size_t), value :: lines
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: log
         integer(c_int32_t) :: outcome
      end function
      function c_controller_watch(controller, data_every, services, services_count) bind(C, &
         name="linkspan_controller_watch") result(outcome)
         import
         type(c_ptr), value :: controller
         integer(c_int64_t), value :: data_every
         type(c_ptr), value :: services
         integer(c_size_t), value :: services_count
         integer(c_int32_t) :: outcome
      end function
      function c_controller_next(controller, timeout, event) bind(C, name="linkspan_controller_next") result(outcome)
         import
         type(c_ptr), value :: controller
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: event
         integer(c_int32_t) :: outcome
      end function
      function c_controller_forget(controller, service, timeout) bind(C, &
         name="linkspan_controller_forget") result(outcome)
         import
         type(c_ptr), value :: controller
         character(kind=c_char), intent(in), optional :: service(*)
         integer(c_int64_t), value :: timeout
         integer(c_int32_t) :: outcome
      end function
      function c_controller_fileno(controller, fd) bind(C, name="linkspan_controller_fileno") result(outcome)
         import
         type(c_ptr), value :: controller
         integer(c_int), intent(out), optional :: fd
         integer(c_int32_t) :: outcome
      end function
      function c_controller_stats(controller, stats) bind(C, name="linkspan_controller_stats") result(outcome)
         import
         type(c_ptr), value :: controller
         type(c_ptr), intent(out) :: stats
         integer(c_int32_t) :: outcome
      end function
      function c_controller_close(controller) bind(C, name="linkspan_controller_close") result(outcome)
         import
         type(c_ptr), value :: controller
         integer(c_int32_t) :: outcome
      end function
      function c_controller_free(controller) bind(C, name="linkspan_controller_free") result(outcome)
         import
         type(c_ptr), value :: controller
         integer(c_int32_t) :: outcome
      end function
      function c_encoding_name(encoding) bind(C, name="linkspan_encoding_name") result(outcome)
         import
         integer(c_int32_t), value :: encoding
         type(c_ptr) :: outcome
      end function
      function c_encoding_from_name(name, encoding) bind(C, name="linkspan_encoding_from_name") result(outcome)
         import
         character(kind=c_char), intent(in), optional :: name(*)
         integer(c_int32_t), intent(out), optional :: encoding
         integer(c_int32_t) :: outcome
      end function
      function c_latest(endpoint, options, timeout, message) bind(C, name="linkspan_latest") result(outcome)
         import
         character(kind=c_char), intent(in), optional :: endpoint(*)
         type(c_options), intent(in) :: options
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: message
         integer(c_int32_t) :: outcome
      end function
      function c_schema(endpoint, message) bind(C, name="linkspan_schema") result(outcome)
         import
         character(kind=c_char), intent(in), optional :: endpoint(*)
         type(c_ptr), intent(out) :: message
         integer(c_int32_t) :: outcome
      end function
      function c_reply_schema(endpoint, message) bind(C, name="linkspan_reply_schema") result(outcome)
         import
         character(kind=c_char), intent(in), optional :: endpoint(*)
         type(c_ptr), intent(out) :: message
         integer(c_int32_t) :: outcome
      end function
      function c_schema_of(endpoint, written, message) bind(C, name="linkspan_schema_of") result(outcome)
         import
         character(kind=c_char), intent(in), optional :: endpoint(*)
         type(c_ptr), value :: written
         type(c_ptr), intent(out) :: message
         integer(c_int32_t) :: outcome
      end function
      function c_last_error(error) bind(C, name="linkspan_last_error") result(outcome)
         import
         type(c_error), intent(inout) :: error
         integer(c_int32_t) :: outcome
      end function
      function c_last_error_text() bind(C, name="linkspan_last_error_text") result(outcome)
         import
         type(c_ptr) :: outcome
      end function
      function c_listener_listen(endpoint, options, listener) bind(C, name="linkspan_listener_listen") result(outcome)
         import
         character(kind=c_char), intent(in), optional :: endpoint(*)
         type(c_options), intent(in) :: options
         type(c_ptr), intent(out) :: listener
         integer(c_int32_t) :: outcome
      end function
      function c_listener_accept(listener, timeout, channel) bind(C, name="linkspan_listener_accept") result(outcome)
         import
         type(c_ptr), value :: listener
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: channel
         integer(c_int32_t) :: outcome
      end function
      function c_listener_fileno(listener, fd) bind(C, name="linkspan_listener_fileno") result(outcome)
         import
         type(c_ptr), value :: listener
         integer(c_int), intent(out), optional :: fd
         integer(c_int32_t) :: outcome
      end function
      function c_listener_events(listener, events) bind(C, name="linkspan_listener_events") result(outcome)
         import
         type(c_ptr), value :: listener
         type(c_ptr), intent(out) :: events
         integer(c_int32_t) :: outcome
      end function
      function c_listener_stats(listener, stats) bind(C, name="linkspan_listener_stats") result(outcome)
         import
         type(c_ptr), value :: listener
         type(c_ptr), intent(out) :: stats
         integer(c_int32_t) :: outcome
      end function
      function c_listener_close(listener) bind(C, name="linkspan_listener_close") result(outcome)
         import
         type(c_ptr), value :: listener
         integer(c_int32_t) :: outcome
      end function
      function c_listener_free(listener) bind(C, name="linkspan_listener_free") result(outcome)
         import
         type(c_ptr), value :: listener
         integer(c_int32_t) :: outcome
      end function
      function c_channel_loan(channel, dtype, rank, dims, array) bind(C, name="linkspan_channel_loan") result(outcome)
         import
         type(c_ptr), value :: channel
         integer(c_int32_t), value :: dtype
         integer(c_size_t), value :: rank
         integer(c_int64_t), intent(in), optional :: dims(*)
         type(c_array), intent(inout) :: array
         integer(c_int32_t) :: outcome
      end function
      function c_request_loan(request, dtype, rank, dims, array) bind(C, name="linkspan_request_loan") result(outcome)
         import
         type(c_ptr), value :: request
         integer(c_int32_t), value :: dtype
         integer(c_size_t), value :: rank
         integer(c_int64_t), intent(in), optional :: dims(*)
         type(c_array), intent(inout) :: array
         integer(c_int32_t) :: outcome
      end function
      function c_publisher_loan(publisher, dtype, rank, dims, array) bind(C, &
         name="linkspan_publisher_loan") result(outcome)
         import
         type(c_ptr), value :: publisher
         integer(c_int32_t), value :: dtype
         integer(c_size_t), value :: rank
         integer(c_int64_t), intent(in), optional :: dims(*)
         type(c_array), intent(inout) :: array
         integer(c_int32_t) :: outcome
      end function
      function c_message_put_loan(message, key, array) bind(C, name="linkspan_message_put_loan") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         type(c_array), intent(inout) :: array
         integer(c_int32_t) :: outcome
      end function
      function c_loan_free(array) bind(C, name="linkspan_loan_free") result(outcome)
         import
         type(c_array), intent(inout) :: array
         integer(c_int32_t) :: outcome
      end function
      function c_message_new(message) bind(C, name="linkspan_message_new") result(outcome)
         import
         type(c_ptr), intent(out) :: message
         integer(c_int32_t) :: outcome
      end function
      function c_message_retain(message) bind(C, name="linkspan_message_retain") result(outcome)
         import
         type(c_ptr), value :: message
         integer(c_int32_t) :: outcome
      end function
      function c_message_release(message) bind(C, name="linkspan_message_release") result(outcome)
         import
         type(c_ptr), value :: message
         integer(c_int32_t) :: outcome
      end function
      function c_message_clear(message) bind(C, name="linkspan_message_clear") result(outcome)
         import
         type(c_ptr), value :: message
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_info(message, info) bind(C, name="linkspan_message_get_info") result(outcome)
         import
         type(c_ptr), value :: message
         type(c_message_info), intent(inout) :: info
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_body(message, body, length) bind(C, name="linkspan_message_get_body") result(outcome)
         import
         type(c_ptr), value :: message
         type(c_ptr), intent(out) :: body
         integer(c_size_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_publisher_new(endpoint, options, publisher) bind(C, name="linkspan_publisher_new") result(outcome)
         import
         character(kind=c_char), intent(in), optional :: endpoint(*)
         type(c_options), intent(in) :: options
         type(c_ptr), intent(out) :: publisher
         integer(c_int32_t) :: outcome
      end function
      function c_publisher_wait_for_subscribers(publisher, count, timeout) bind(C, &
         name="linkspan_publisher_wait_for_subscribers") result(outcome)
         import
         type(c_ptr), value :: publisher
         integer(c_size_t), value :: count
         integer(c_int64_t), value :: timeout
         integer(c_int32_t) :: outcome
      end function
      function c_publisher_send(publisher, message, sequence) bind(C, name="linkspan_publisher_send") result(outcome)
         import
         type(c_ptr), value :: publisher
         type(c_ptr), value :: message
         integer(c_int64_t), intent(out), optional :: sequence
         integer(c_int32_t) :: outcome
      end function
      function c_publisher_send_many(publisher, messages, count, sent) bind(C, &
         name="linkspan_publisher_send_many") result(outcome)
         import
         type(c_ptr), value :: publisher
         type(c_ptr), value :: messages
         integer(c_size_t), value :: count
         integer(c_size_t), intent(out), optional :: sent
         integer(c_int32_t) :: outcome
      end function
      function c_publisher_events(publisher, events) bind(C, name="linkspan_publisher_events") result(outcome)
         import
         type(c_ptr), value :: publisher
         type(c_ptr), intent(out) :: events
         integer(c_int32_t) :: outcome
      end function
      function c_publisher_stats(publisher, stats) bind(C, name="linkspan_publisher_stats") result(outcome)
         import
         type(c_ptr), value :: publisher
         type(c_ptr), intent(out) :: stats
         integer(c_int32_t) :: outcome
      end function
      function c_publisher_close(publisher, timeout) bind(C, name="linkspan_publisher_close") result(outcome)
         import
         type(c_ptr), value :: publisher
         integer(c_int64_t), value :: timeout
         integer(c_int32_t) :: outcome
      end function
      function c_publisher_free(publisher) bind(C, name="linkspan_publisher_free") result(outcome)
         import
         type(c_ptr), value :: publisher
         integer(c_int32_t) :: outcome
      end function
      function c_message_put_null(message, key) bind(C, name="linkspan_message_put_null") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         integer(c_int32_t) :: outcome
      end function
      function c_message_put_bool(message, key, value) bind(C, name="linkspan_message_put_bool") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         logical(c_bool), value :: value
         integer(c_int32_t) :: outcome
      end function
      function c_message_put_i64(message, key, value) bind(C, name="linkspan_message_put_i64") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         integer(c_int64_t), value :: value
         integer(c_int32_t) :: outcome
      end function
      function c_message_put_u64(message, key, value) bind(C, name="linkspan_message_put_u64") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         integer(c_int64_t), value :: value
         integer(c_int32_t) :: outcome
      end function
      function c_message_put_big_int(message, key, negative, magnitude, length) bind(C, &
         name="linkspan_message_put_big_int") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         logical(c_bool), value :: negative
         type(c_ptr), value :: magnitude
         integer(c_size_t), value :: length
         integer(c_int32_t) :: outcome
      end function
      function c_message_put_f64(message, key, value) bind(C, name="linkspan_message_put_f64") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         real(c_double), value :: value
         integer(c_int32_t) :: outcome
      end function
      function c_message_put_text(message, key, text, length) bind(C, &
         name="linkspan_message_put_text") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         character(kind=c_char), intent(in), optional :: text(*)
         integer(c_size_t), value :: length
         integer(c_int32_t) :: outcome
      end function
      function c_message_put_bytes(message, key, bytes, length) bind(C, &
         name="linkspan_message_put_bytes") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         type(c_ptr), value :: bytes
         integer(c_size_t), value :: length
         integer(c_int32_t) :: outcome
      end function
      function c_message_put_timestamp(message, key, nanoseconds) bind(C, &
         name="linkspan_message_put_timestamp") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         integer(c_int64_t), value :: nanoseconds
         integer(c_int32_t) :: outcome
      end function
      function c_message_put_uuid(message, key, uuid) bind(C, name="linkspan_message_put_uuid") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         type(c_ptr), value :: uuid
         integer(c_int32_t) :: outcome
      end function
      function c_message_put_decimal(message, key, text, length) bind(C, &
         name="linkspan_message_put_decimal") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         character(kind=c_char), intent(in), optional :: text(*)
         integer(c_size_t), value :: length
         integer(c_int32_t) :: outcome
      end function
      function c_message_put_array(message, key, array) bind(C, name="linkspan_message_put_array") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         type(c_array), intent(in) :: array
         integer(c_int32_t) :: outcome
      end function
      function c_message_put_message(message, key, value) bind(C, name="linkspan_message_put_message") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         type(c_ptr), value :: value
         integer(c_int32_t) :: outcome
      end function
      function c_message_begin_map(message, key) bind(C, name="linkspan_message_begin_map") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         integer(c_int32_t) :: outcome
      end function
      function c_message_begin_array(message, key) bind(C, name="linkspan_message_begin_array") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: key(*)
         integer(c_int32_t) :: outcome
      end function
      function c_message_end(message) bind(C, name="linkspan_message_end") result(outcome)
         import
         type(c_ptr), value :: message
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_type(message, path, type) bind(C, name="linkspan_message_get_type") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         integer(c_int32_t), intent(out), optional :: type
         integer(c_int32_t) :: outcome
      end function
      function c_message_count(message, path, count) bind(C, name="linkspan_message_count") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         integer(c_size_t), intent(out), optional :: count
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_key(message, path, position, key, length) bind(C, &
         name="linkspan_message_get_key") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         integer(c_size_t), value :: position
         type(c_ptr), intent(out) :: key
         integer(c_size_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_bool(message, path, value) bind(C, name="linkspan_message_get_bool") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         logical(c_bool), intent(out), optional :: value
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_i64(message, path, value) bind(C, name="linkspan_message_get_i64") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         integer(c_int64_t), intent(out), optional :: value
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_u64(message, path, value) bind(C, name="linkspan_message_get_u64") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         integer(c_int64_t), intent(out), optional :: value
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_big_int(message, path, negative, magnitude, length) bind(C, &
         name="linkspan_message_get_big_int") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         logical(c_bool), intent(out), optional :: negative
         type(c_ptr), intent(out) :: magnitude
         integer(c_size_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_f64(message, path, value) bind(C, name="linkspan_message_get_f64") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         real(c_double), intent(out), optional :: value
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_text(message, path, text, length) bind(C, &
         name="linkspan_message_get_text") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         type(c_ptr), intent(out) :: text
         integer(c_size_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_bytes(message, path, bytes, length) bind(C, &
         name="linkspan_message_get_bytes") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         type(c_ptr), intent(out) :: bytes
         integer(c_size_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_timestamp(message, path, nanoseconds) bind(C, &
         name="linkspan_message_get_timestamp") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         integer(c_int64_t), intent(out), optional :: nanoseconds
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_uuid(message, path, uuid) bind(C, name="linkspan_message_get_uuid") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         type(c_ptr), value :: uuid
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_decimal(message, path, text, length) bind(C, &
         name="linkspan_message_get_decimal") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         type(c_ptr), intent(out) :: text
         integer(c_size_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_array(message, path, array) bind(C, name="linkspan_message_get_array") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         type(c_array), intent(inout) :: array
         integer(c_int32_t) :: outcome
      end function
      function c_message_get_message(message, path, value) bind(C, &
         name="linkspan_message_get_message") result(outcome)
         import
         type(c_ptr), value :: message
         character(kind=c_char), intent(in), optional :: path(*)
         type(c_ptr), intent(out) :: value
         integer(c_int32_t) :: outcome
      end function
      function c_reader_new(reader) bind(C, name="linkspan_reader_new") result(outcome)
         import
         type(c_ptr), intent(out) :: reader
         integer(c_int32_t) :: outcome
      end function
      function c_reader_message(reader, message) bind(C, name="linkspan_reader_message") result(outcome)
         import
         type(c_ptr), value :: reader
         type(c_ptr), value :: message
         integer(c_int32_t) :: outcome
      end function
      function c_reader_decode(reader, bytes, length, encoding) bind(C, name="linkspan_reader_decode") result(outcome)
         import
         type(c_ptr), value :: reader
         type(c_ptr), value :: bytes
         integer(c_size_t), value :: length
         integer(c_int32_t), value :: encoding
         integer(c_int32_t) :: outcome
      end function
      function c_reader_finish(reader) bind(C, name="linkspan_reader_finish") result(outcome)
         import
         type(c_ptr), value :: reader
         integer(c_int32_t) :: outcome
      end function
      function c_reader_refuse(reader, status, text) bind(C, name="linkspan_reader_refuse") result(outcome)
         import
         type(c_ptr), value :: reader
         integer(c_int32_t), value :: status
         character(kind=c_char), intent(in), optional :: text(*)
         integer(c_int32_t) :: outcome
      end function
      function c_reader_begin_array(reader, count) bind(C, name="linkspan_reader_begin_array") result(outcome)
         import
         type(c_ptr), value :: reader
         integer(c_size_t), intent(out), optional :: count
         integer(c_int32_t) :: outcome
      end function
      function c_reader_begin_map(reader, count) bind(C, name="linkspan_reader_begin_map") result(outcome)
         import
         type(c_ptr), value :: reader
         integer(c_size_t), intent(out), optional :: count
         integer(c_int32_t) :: outcome
      end function
      function c_reader_end(reader) bind(C, name="linkspan_reader_end") result(outcome)
         import
         type(c_ptr), value :: reader
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_key(reader, key, length) bind(C, name="linkspan_reader_get_key") result(outcome)
         import
         type(c_ptr), value :: reader
         type(c_ptr), intent(out) :: key
         integer(c_size_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_field(reader, names, width, count, rules, field) bind(C, &
         name="linkspan_reader_get_field") result(outcome)
         import
         type(c_ptr), value :: reader
         character(kind=c_char), intent(in), optional :: names(*)
         integer(c_size_t), value :: width
         integer(c_size_t), value :: count
         integer(c_int32_t), intent(in), optional :: rules(*)
         integer(c_int32_t), intent(out), optional :: field
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_variant(reader, names, width, count, variant) bind(C, &
         name="linkspan_reader_get_variant") result(outcome)
         import
         type(c_ptr), value :: reader
         character(kind=c_char), intent(in), optional :: names(*)
         integer(c_size_t), value :: width
         integer(c_size_t), value :: count
         integer(c_int32_t), intent(out), optional :: variant
         integer(c_int32_t) :: outcome
      end function
      function c_reader_free(reader) bind(C, name="linkspan_reader_free") result(outcome)
         import
         type(c_ptr), value :: reader
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_null(reader, null) bind(C, name="linkspan_reader_get_null") result(outcome)
         import
         type(c_ptr), value :: reader
         logical(c_bool), intent(out), optional :: null
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_bool(reader, value) bind(C, name="linkspan_reader_get_bool") result(outcome)
         import
         type(c_ptr), value :: reader
         logical(c_bool), intent(out), optional :: value
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_i64(reader, least, greatest, value) bind(C, &
         name="linkspan_reader_get_i64") result(outcome)
         import
         type(c_ptr), value :: reader
         integer(c_int64_t), value :: least
         integer(c_int64_t), value :: greatest
         integer(c_int64_t), intent(out), optional :: value
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_u64(reader, greatest, value) bind(C, name="linkspan_reader_get_u64") result(outcome)
         import
         type(c_ptr), value :: reader
         integer(c_int64_t), value :: greatest
         integer(c_int64_t), intent(out), optional :: value
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_f64(reader, value) bind(C, name="linkspan_reader_get_f64") result(outcome)
         import
         type(c_ptr), value :: reader
         real(c_double), intent(out), optional :: value
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_f32(reader, value) bind(C, name="linkspan_reader_get_f32") result(outcome)
         import
         type(c_ptr), value :: reader
         real(c_float), intent(out), optional :: value
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_text(reader, text, length) bind(C, name="linkspan_reader_get_text") result(outcome)
         import
         type(c_ptr), value :: reader
         type(c_ptr), intent(out) :: text
         integer(c_size_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_bytes(reader, bytes, length) bind(C, name="linkspan_reader_get_bytes") result(outcome)
         import
         type(c_ptr), value :: reader
         type(c_ptr), intent(out) :: bytes
         integer(c_size_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_timestamp(reader, nanoseconds) bind(C, &
         name="linkspan_reader_get_timestamp") result(outcome)
         import
         type(c_ptr), value :: reader
         integer(c_int64_t), intent(out), optional :: nanoseconds
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_uuid(reader, uuid) bind(C, name="linkspan_reader_get_uuid") result(outcome)
         import
         type(c_ptr), value :: reader
         type(c_ptr), value :: uuid
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_decimal(reader, text, length) bind(C, name="linkspan_reader_get_decimal") result(outcome)
         import
         type(c_ptr), value :: reader
         type(c_ptr), intent(out) :: text
         integer(c_size_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_enum(reader, names, width, count, unknown, value) bind(C, &
         name="linkspan_reader_get_enum") result(outcome)
         import
         type(c_ptr), value :: reader
         character(kind=c_char), intent(in), optional :: names(*)
         integer(c_size_t), value :: width
         integer(c_size_t), value :: count
         integer(c_int32_t), value :: unknown
         integer(c_int32_t), intent(out), optional :: value
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_array(reader, dtype, order, rank, dims, array) bind(C, &
         name="linkspan_reader_get_array") result(outcome)
         import
         type(c_ptr), value :: reader
         integer(c_int32_t), value :: dtype
         integer(c_int32_t), value :: order
         integer(c_int32_t), value :: rank
         integer(c_int64_t), intent(in), optional :: dims(*)
         type(c_array), intent(inout) :: array
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_message(reader, message) bind(C, name="linkspan_reader_get_message") result(outcome)
         import
         type(c_ptr), value :: reader
         type(c_ptr), intent(out) :: message
         integer(c_int32_t) :: outcome
      end function
      function c_record_init(record, to) bind(C, name="linkspan_record_init") result(outcome)
         import
         type(c_ptr), value :: record
         type(c_ptr), value :: to
         integer(c_int32_t) :: outcome
      end function
      function c_record_free(record, to) bind(C, name="linkspan_record_free") result(outcome)
         import
         type(c_ptr), value :: record
         type(c_ptr), value :: to
         integer(c_int32_t) :: outcome
      end function
      function c_record_put(record, from, message) bind(C, name="linkspan_record_put") result(outcome)
         import
         type(c_ptr), value :: record
         type(c_ptr), value :: from
         type(c_ptr), value :: message
         integer(c_int32_t) :: outcome
      end function
      function c_record_get(record, to, message) bind(C, name="linkspan_record_get") result(outcome)
         import
         type(c_ptr), value :: record
         type(c_ptr), value :: to
         type(c_ptr), value :: message
         integer(c_int32_t) :: outcome
      end function
      function c_record_encode(record, from, encoding, bytes, length) bind(C, &
         name="linkspan_record_encode") result(outcome)
         import
         type(c_ptr), value :: record
         type(c_ptr), value :: from
         integer(c_int32_t), value :: encoding
         type(c_ptr), intent(out) :: bytes
         integer(c_size_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_record_decode(record, to, bytes, length, encoding) bind(C, &
         name="linkspan_record_decode") result(outcome)
         import
         type(c_ptr), value :: record
         type(c_ptr), value :: to
         type(c_ptr), value :: bytes
         integer(c_size_t), value :: length
         integer(c_int32_t), value :: encoding
         integer(c_int32_t) :: outcome
      end function
      function c_writer_put_record(writer, key, record, from) bind(C, &
         name="linkspan_writer_put_record") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         type(c_ptr), value :: record
         type(c_ptr), value :: from
         integer(c_int32_t) :: outcome
      end function
      function c_reader_get_record(reader, record, to) bind(C, name="linkspan_reader_get_record") result(outcome)
         import
         type(c_ptr), value :: reader
         type(c_ptr), value :: record
         type(c_ptr), value :: to
         integer(c_int32_t) :: outcome
      end function
      function c_region_open(source, region) bind(C, name="linkspan_region_open") result(outcome)
         import
         character(kind=c_char), intent(in), optional :: source(*)
         type(c_ptr), intent(out) :: region
         integer(c_int32_t) :: outcome
      end function
      function c_region_length(region, length) bind(C, name="linkspan_region_length") result(outcome)
         import
         type(c_ptr), value :: region
         integer(c_int64_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_region_bytes(region, offset, bytes, length) bind(C, name="linkspan_region_bytes") result(outcome)
         import
         type(c_ptr), value :: region
         integer(c_int64_t), value :: offset
         type(c_ptr), value :: bytes
         integer(c_size_t), value :: length
         integer(c_int32_t) :: outcome
      end function
      function c_region_text(region, offset, text, length) bind(C, name="linkspan_region_text") result(outcome)
         import
         type(c_ptr), value :: region
         integer(c_int64_t), value :: offset
         type(c_ptr), intent(out) :: text
         integer(c_size_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_region_read(region, layout, offset, counter, value) bind(C, &
         name="linkspan_region_read") result(outcome)
         import
         type(c_ptr), value :: region
         character(kind=c_char), intent(in), optional :: layout(*)
         integer(c_int64_t), value :: offset
         character(kind=c_char), intent(in), optional :: counter(*)
         type(c_ptr), intent(out) :: value
         integer(c_int32_t) :: outcome
      end function
      function c_region_free(region) bind(C, name="linkspan_region_free") result(outcome)
         import
         type(c_ptr), value :: region
         integer(c_int32_t) :: outcome
      end function
      function c_request_reply(request, reply) bind(C, name="linkspan_request_reply") result(outcome)
         import
         type(c_ptr), value :: request
         type(c_ptr), value :: reply
         integer(c_int32_t) :: outcome
      end function
      function c_request_fail(request, code, type, text, data) bind(C, name="linkspan_request_fail") result(outcome)
         import
         type(c_ptr), value :: request
         integer(c_int64_t), value :: code
         character(kind=c_char), intent(in), optional :: type(*)
         character(kind=c_char), intent(in), optional :: text(*)
         type(c_ptr), value :: data
         integer(c_int32_t) :: outcome
      end function
      function c_request_ack(request) bind(C, name="linkspan_request_ack") result(outcome)
         import
         type(c_ptr), value :: request
         integer(c_int32_t) :: outcome
      end function
      function c_server_serve(endpoint, options, server) bind(C, name="linkspan_server_serve") result(outcome)
         import
         character(kind=c_char), intent(in), optional :: endpoint(*)
         type(c_options), intent(in) :: options
         type(c_ptr), intent(out) :: server
         integer(c_int32_t) :: outcome
      end function
      function c_server_next(server, timeout, request) bind(C, name="linkspan_server_next") result(outcome)
         import
         type(c_ptr), value :: server
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: request
         integer(c_int32_t) :: outcome
      end function
      function c_server_fileno(server, fd) bind(C, name="linkspan_server_fileno") result(outcome)
         import
         type(c_ptr), value :: server
         integer(c_int), intent(out), optional :: fd
         integer(c_int32_t) :: outcome
      end function
      function c_server_events(server, events) bind(C, name="linkspan_server_events") result(outcome)
         import
         type(c_ptr), value :: server
         type(c_ptr), intent(out) :: events
         integer(c_int32_t) :: outcome
      end function
      function c_server_stats(server, stats) bind(C, name="linkspan_server_stats") result(outcome)
         import
         type(c_ptr), value :: server
         type(c_ptr), intent(out) :: stats
         integer(c_int32_t) :: outcome
      end function
      function c_server_close(server, timeout) bind(C, name="linkspan_server_close") result(outcome)
         import
         type(c_ptr), value :: server
         integer(c_int64_t), value :: timeout
         integer(c_int32_t) :: outcome
      end function
      function c_server_free(server) bind(C, name="linkspan_server_free") result(outcome)
         import
         type(c_ptr), value :: server
         integer(c_int32_t) :: outcome
      end function
      function c_service_start(name, options, service) bind(C, name="linkspan_service_start") result(outcome)
         import
         character(kind=c_char), intent(in), optional :: name(*)
         type(c_service_options), intent(in) :: options
         type(c_ptr), intent(out) :: service
         integer(c_int32_t) :: outcome
      end function
      function c_service_next(service, timeout, task) bind(C, name="linkspan_service_next") result(outcome)
         import
         type(c_ptr), value :: service
         integer(c_int64_t), value :: timeout
         type(c_task), intent(inout) :: task
         integer(c_int32_t) :: outcome
      end function
      function c_service_task_done(service, task, value) bind(C, name="linkspan_service_task_done") result(outcome)
         import
         type(c_ptr), value :: service
         type(c_task), intent(in) :: task
         type(c_ptr), value :: value
         integer(c_int32_t) :: outcome
      end function
      function c_service_task_failed(service, task, status, text) bind(C, &
         name="linkspan_service_task_failed") result(outcome)
         import
         type(c_ptr), value :: service
         type(c_task), intent(in) :: task
         integer(c_int32_t), value :: status
         character(kind=c_char), intent(in), optional :: text(*)
         integer(c_int32_t) :: outcome
      end function
      function c_service_set_failed(service, status, text) bind(C, name="linkspan_service_set_failed") result(outcome)
         import
         type(c_ptr), value :: service
         integer(c_int32_t), value :: status
         character(kind=c_char), intent(in), optional :: text(*)
         integer(c_int32_t) :: outcome
      end function
      function c_service_set_reason(service, text) bind(C, name="linkspan_service_set_reason") result(outcome)
         import
         type(c_ptr), value :: service
         character(kind=c_char), intent(in), optional :: text(*)
         integer(c_int32_t) :: outcome
      end function
      function c_service_log(service, text, level) bind(C, name="linkspan_service_log") result(outcome)
         import
         type(c_ptr), value :: service
         character(kind=c_char), intent(in), optional :: text(*)
         character(kind=c_char), intent(in), optional :: level(*)
         integer(c_int32_t) :: outcome
      end function
      function c_service_shutdown(service) bind(C, name="linkspan_service_shutdown") result(outcome)
         import
         type(c_ptr), value :: service
         integer(c_int32_t) :: outcome
      end function
      function c_service_get_info(service, info) bind(C, name="linkspan_service_get_info") result(outcome)
         import
         type(c_ptr), value :: service
         type(c_service_info), intent(inout) :: info
         integer(c_int32_t) :: outcome
      end function
      function c_service_fileno(service, fd) bind(C, name="linkspan_service_fileno") result(outcome)
         import
         type(c_ptr), value :: service
         integer(c_int), intent(out), optional :: fd
         integer(c_int32_t) :: outcome
      end function
      function c_service_stats(service, stats) bind(C, name="linkspan_service_stats") result(outcome)
         import
         type(c_ptr), value :: service
         type(c_ptr), intent(out) :: stats
         integer(c_int32_t) :: outcome
      end function
      function c_service_close(service, timeout) bind(C, name="linkspan_service_close") result(outcome)
         import
         type(c_ptr), value :: service
         integer(c_int64_t), value :: timeout
         integer(c_int32_t) :: outcome
      end function
      function c_service_free(service) bind(C, name="linkspan_service_free") result(outcome)
         import
         type(c_ptr), value :: service
         integer(c_int32_t) :: outcome
      end function
      function c_version() bind(C, name="linkspan_version") result(outcome)
         import
         type(c_ptr) :: outcome
      end function
      function c_status_name(status) bind(C, name="linkspan_status_name") result(outcome)
         import
         integer(c_int32_t), value :: status
         type(c_ptr) :: outcome
      end function
      function c_timestamp_now() bind(C, name="linkspan_timestamp_now") result(outcome)
         import
         integer(c_int64_t) :: outcome
      end function
      function c_subscriber_new(endpoint, options, subscriber) bind(C, name="linkspan_subscriber_new") result(outcome)
         import
         character(kind=c_char), intent(in), optional :: endpoint(*)
         type(c_options), intent(in) :: options
         type(c_ptr), intent(out) :: subscriber
         integer(c_int32_t) :: outcome
      end function
      function c_subscriber_recv(subscriber, timeout, message) bind(C, &
         name="linkspan_subscriber_recv") result(outcome)
         import
         type(c_ptr), value :: subscriber
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: message
         integer(c_int32_t) :: outcome
      end function
      function c_subscriber_try_recv(subscriber, message) bind(C, name="linkspan_subscriber_try_recv") result(outcome)
         import
         type(c_ptr), value :: subscriber
         type(c_ptr), intent(out) :: message
         integer(c_int32_t) :: outcome
      end function
      function c_subscriber_recv_many(subscriber, max, timeout, messages, count) bind(C, &
         name="linkspan_subscriber_recv_many") result(outcome)
         import
         type(c_ptr), value :: subscriber
         integer(c_size_t), value :: max
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: messages(*)
         integer(c_size_t), intent(out), optional :: count
         integer(c_int32_t) :: outcome
      end function
      function c_subscriber_poll(subscriber, there) bind(C, name="linkspan_subscriber_poll") result(outcome)
         import
         type(c_ptr), value :: subscriber
         logical(c_bool), intent(out), optional :: there
         integer(c_int32_t) :: outcome
      end function
      function c_subscriber_ack(subscriber) bind(C, name="linkspan_subscriber_ack") result(outcome)
         import
         type(c_ptr), value :: subscriber
         integer(c_int32_t) :: outcome
      end function
      function c_subscriber_next(subscriber, timeout, message) bind(C, &
         name="linkspan_subscriber_next") result(outcome)
         import
         type(c_ptr), value :: subscriber
         integer(c_int64_t), value :: timeout
         type(c_ptr), intent(out) :: message
         integer(c_int32_t) :: outcome
      end function
      function c_subscriber_fileno(subscriber, fd) bind(C, name="linkspan_subscriber_fileno") result(outcome)
         import
         type(c_ptr), value :: subscriber
         integer(c_int), intent(out), optional :: fd
         integer(c_int32_t) :: outcome
      end function
      function c_subscriber_events(subscriber, events) bind(C, name="linkspan_subscriber_events") result(outcome)
         import
         type(c_ptr), value :: subscriber
         type(c_ptr), intent(out) :: events
         integer(c_int32_t) :: outcome
      end function
      function c_subscriber_stats(subscriber, stats) bind(C, name="linkspan_subscriber_stats") result(outcome)
         import
         type(c_ptr), value :: subscriber
         type(c_ptr), intent(out) :: stats
         integer(c_int32_t) :: outcome
      end function
      function c_subscriber_close(subscriber) bind(C, name="linkspan_subscriber_close") result(outcome)
         import
         type(c_ptr), value :: subscriber
         integer(c_int32_t) :: outcome
      end function
      function c_subscriber_free(subscriber) bind(C, name="linkspan_subscriber_free") result(outcome)
         import
         type(c_ptr), value :: subscriber
         integer(c_int32_t) :: outcome
      end function
      function c_writer_new(writer) bind(C, name="linkspan_writer_new") result(outcome)
         import
         type(c_ptr), intent(out) :: writer
         integer(c_int32_t) :: outcome
      end function
      function c_writer_finish(writer, message) bind(C, name="linkspan_writer_finish") result(outcome)
         import
         type(c_ptr), value :: writer
         type(c_ptr), value :: message
         integer(c_int32_t) :: outcome
      end function
      function c_writer_encode(writer, encoding, bytes, length) bind(C, name="linkspan_writer_encode") result(outcome)
         import
         type(c_ptr), value :: writer
         integer(c_int32_t), value :: encoding
         type(c_ptr), intent(out) :: bytes
         integer(c_size_t), intent(out), optional :: length
         integer(c_int32_t) :: outcome
      end function
      function c_writer_refuse(writer, key, status, text) bind(C, name="linkspan_writer_refuse") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         integer(c_int32_t), value :: status
         character(kind=c_char), intent(in), optional :: text(*)
         integer(c_int32_t) :: outcome
      end function
      function c_writer_free(writer) bind(C, name="linkspan_writer_free") result(outcome)
         import
         type(c_ptr), value :: writer
         integer(c_int32_t) :: outcome
      end function
      function c_writer_put_null(writer, key) bind(C, name="linkspan_writer_put_null") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         integer(c_int32_t) :: outcome
      end function
      function c_writer_put_bool(writer, key, value) bind(C, name="linkspan_writer_put_bool") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         logical(c_bool), value :: value
         integer(c_int32_t) :: outcome
      end function
      function c_writer_put_i64(writer, key, value) bind(C, name="linkspan_writer_put_i64") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         integer(c_int64_t), value :: value
         integer(c_int32_t) :: outcome
      end function
      function c_writer_put_u64(writer, key, value) bind(C, name="linkspan_writer_put_u64") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         integer(c_int64_t), value :: value
         integer(c_int32_t) :: outcome
      end function
      function c_writer_put_f64(writer, key, value) bind(C, name="linkspan_writer_put_f64") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         real(c_double), value :: value
         integer(c_int32_t) :: outcome
      end function
      function c_writer_put_text(writer, key, text, length) bind(C, name="linkspan_writer_put_text") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         character(kind=c_char), intent(in), optional :: text(*)
         integer(c_size_t), value :: length
         integer(c_int32_t) :: outcome
      end function
      function c_writer_put_bytes(writer, key, bytes, length) bind(C, &
         name="linkspan_writer_put_bytes") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         type(c_ptr), value :: bytes
         integer(c_size_t), value :: length
         integer(c_int32_t) :: outcome
      end function
      function c_writer_put_timestamp(writer, key, nanoseconds) bind(C, &
         name="linkspan_writer_put_timestamp") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         integer(c_int64_t), value :: nanoseconds
         integer(c_int32_t) :: outcome
      end function
      function c_writer_put_uuid(writer, key, uuid) bind(C, name="linkspan_writer_put_uuid") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         type(c_ptr), value :: uuid
         integer(c_int32_t) :: outcome
      end function
      function c_writer_put_decimal(writer, key, text, length) bind(C, &
         name="linkspan_writer_put_decimal") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         character(kind=c_char), intent(in), optional :: text(*)
         integer(c_size_t), value :: length
         integer(c_int32_t) :: outcome
      end function
      function c_writer_put_array(writer, key, array) bind(C, name="linkspan_writer_put_array") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         type(c_array), intent(in) :: array
         integer(c_int32_t) :: outcome
      end function
      function c_writer_put_message(writer, key, value) bind(C, name="linkspan_writer_put_message") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         type(c_ptr), value :: value
         integer(c_int32_t) :: outcome
      end function
      function c_writer_begin_map(writer, key) bind(C, name="linkspan_writer_begin_map") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         integer(c_int32_t) :: outcome
      end function
      function c_writer_begin_array(writer, key) bind(C, name="linkspan_writer_begin_array") result(outcome)
         import
         type(c_ptr), value :: writer
         character(kind=c_char), intent(in), optional :: key(*)
         integer(c_int32_t) :: outcome
      end function
      function c_writer_end(writer) bind(C, name="linkspan_writer_end") result(outcome)
         import
         type(c_ptr), value :: writer
         integer(c_int32_t) :: outcome
      end function
   end interface

end module

module linkspan
   use, intrinsic :: iso_c_binding
   use, intrinsic :: iso_fortran_env, only: int8, int16, int32, int64, real32, real64
   use linkspan_c_interface
   implicit none
   private

   public :: linkspan_required, linkspan_optional, linkspan_record_bool, linkspan_record_i8, linkspan_record_i16, &
      linkspan_record_i32, linkspan_record_i64, linkspan_record_u8, linkspan_record_u16, linkspan_record_u32, &
      linkspan_record_u64, linkspan_record_f32, linkspan_record_f64, linkspan_record_text, linkspan_record_bytes, &
      linkspan_record_timestamp, linkspan_record_uuid, linkspan_record_decimal, linkspan_record_any, &
      linkspan_record_enum, linkspan_record_list, linkspan_record_map, linkspan_record_struct, &
      linkspan_record_union, linkspan_record_array, linkspan_record_elements, linkspan_record_bools, &
      linkspan_record_logical, linkspan_bool, linkspan_i8, linkspan_i16, linkspan_i32, linkspan_i64, linkspan_u8, &
      linkspan_u16, linkspan_u32, linkspan_u64, linkspan_f32, linkspan_f64, linkspan_c64, linkspan_c128, &
      linkspan_row, linkspan_column, linkspan_role_listener, linkspan_role_connector, linkspan_command_end, &
      linkspan_command_step, linkspan_command_get_data, linkspan_command_pause, linkspan_command_run, &
      linkspan_command_checkpoint, linkspan_command_shutdown, linkspan_command_config, linkspan_command_backup, &
      linkspan_command_own, linkspan_state_starting, linkspan_state_ready, linkspan_state_running, &
      linkspan_state_pausing, linkspan_state_paused, linkspan_state_checkpointing, linkspan_state_stopping, &
      linkspan_state_stopped, linkspan_state_failed, linkspan_raw, linkspan_json, linkspan_cbor, linkspan_bson, &
      linkspan_smile, linkspan_type_null, linkspan_type_bool, linkspan_type_int, linkspan_type_uint, &
      linkspan_type_big_int, linkspan_type_float, linkspan_type_text, linkspan_type_bytes, linkspan_type_timestamp, &
      linkspan_type_uuid, linkspan_type_decimal, linkspan_type_ndarray, linkspan_type_array, linkspan_type_map, &
      linkspan_ok, linkspan_transport_unavailable, linkspan_disconnected, linkspan_not_found, linkspan_missing, &
      linkspan_address_in_use, linkspan_invalid_state, linkspan_invalid_endpoint, linkspan_out_of_memory, &
      linkspan_wrong_type, linkspan_timeout, linkspan_full, linkspan_empty, linkspan_permission_denied, &
      linkspan_too_large, linkspan_malformed, linkspan_unsupported, linkspan_schema_mismatch, &
      linkspan_version_mismatch, linkspan_cancelled, linkspan_interrupted, linkspan_stalled, linkspan_remote, &
      linkspan_out_of_range, linkspan_no_space, linkspan_lagged, linkspan_corrupt, linkspan_internal

   ! A time-out: for ever, which has to be written out.
   real(real64), parameter, public :: linkspan_forever = huge(1.0_real64)
   ! The time-out of options that name none: 30 s.
   real(real64), parameter, public :: linkspan_default_timeout = -huge(1.0_real64)

   public :: linkspan_message, linkspan_channel, linkspan_listener, linkspan_server
   public :: linkspan_publisher, linkspan_subscriber, linkspan_region, linkspan_options
   public :: linkspan_service, linkspan_service_options, linkspan_task, linkspan_controller
   public :: linkspan_timestamp, linkspan_error
   public :: linkspan_writer, linkspan_reader, linkspan_ndarray
   public :: linkspan_encode, linkspan_decode, linkspan_transcode
   public :: linkspan_encoding_name, linkspan_encoding_of, linkspan_status_name, linkspan_version
   public :: linkspan_state_name
   public :: linkspan_reply_schema, linkspan_schema_of
   public :: linkspan_latest, linkspan_schema, linkspan_last_error, linkspan_now, linkspan_loan_free
   public :: linkspan_record, linkspan_record_type, linkspan_record_field, linkspan_record_access
   public :: linkspan_view_array, linkspan_array_lengths, linkspan_array_place
   public :: linkspan_view_ndarray, linkspan_make_ndarray
   public :: linkspan_table, linkspan_offset, linkspan_put_record, linkspan_get_record
   public :: linkspan_encode_record, linkspan_decode_record, linkspan_write_record, linkspan_read_record
   public :: int8, int16, int32, int64, real32, real64, c_bool

   ! Nanoseconds since 1970-01-01T00:00:00Z.
   type :: linkspan_timestamp
      integer(int64) :: nanoseconds = 0
   end type

   ! The error of a failed call; see linkspan_last_error.
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
      ! Seconds that a call without a time-out of its own waits; 0 for calls that do not wait, or linkspan_forever.
      real(real64) :: timeout = linkspan_default_timeout
      character(:), allocatable :: client_id
      integer(int64) :: buffer = 0
      integer(int64) :: max_message_size = 0
      character(:), allocatable :: delivery
      character(:), allocatable :: ack
      character(:), allocatable :: framing
      integer :: mode = 0
      character(:), allocatable :: group
      integer(int32), allocatable :: allow_uids(:)
      integer(int32), allocatable :: allow_gids(:)
      ! Microseconds that a wait spins before it sleeps; -1 for none.
      integer :: spin = 0
      logical :: immutable = .false.
      logical :: durable = .false.
      ! The schema of the messages at the name: its path or its text.
      ! Both sides' schemas are compared when they connect.
      character(:), allocatable :: schema
      ! c_funloc of `logical(c_bool) function f(context) bind(C)` with `type(c_ptr), value :: context`: runs about
      ! every 100 ms while a call waits; false ends the wait with linkspan_cancelled.
      type(c_funptr) :: on_wait = c_null_funptr
      type(c_ptr) :: on_wait_context = c_null_ptr
      ! Messages, and bytes of them, that are kept until they are acknowledged; then send waits.
      integer(int64) :: replay_count = 0
      integer(int64) :: replay_bytes = 0
      ! The number of disconnected clients for which a listener keeps messages; 0 is 256.
      integer(int64) :: absent_clients = 0
      ! Where a new subscriber of a journal begins: "first", "newest", the number of a message, or a
      ! time such as "2026-11-20T12:00:00Z".
      character(:), allocatable :: from
      ! Bytes of a journal's segment, of all its segments, and the age in seconds at which they are removed.
      integer(int64) :: segment_bytes = 0
      integer(int64) :: retain_bytes = 0
      real(real64) :: retain_seconds = 0
      ! Whether segments that every subscriber with a client_id has consumed are removed.
      logical :: retain_consumed = .false.
      ! Whether requests may be executed twice: then a request whose server died is sent to its next incarnation.
      logical :: idempotent = .false.
      ! Whether a `file:` is written in place under a lock of the file itself, for programs that know only fcntl.
      logical :: locked = .false.
      ! Whether several processes may serve a name, each with this option: they share its requests.
      logical :: shared = .false.
      ! Which values are checked against the schema: "send", "receive" or "both".
      character(:), allocatable :: validate
      ! Of a server and of those who call it: what is replied, like schema.
      character(:), allocatable :: reply_schema
   end type

   ! A message: one value, and for a received one where it came from. Any number of threads read it; one that changes
   ! it has to be alone with it. Assignment adds a reference to the same
   ! message; pointers from `get` are valid until the message is changed or its last reference is released.
   !
   ! A type of your own that has a message as a component: assign the component (`b%inner = a%inner`), not the whole.
   ! gfortran 12 finalizes a hidden copy when the whole is assigned, and with it the message that is still in use.
   type :: linkspan_message
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: clear => message_clear
      procedure :: release => message_release
      ! put(key, value): numbers, logicals, complex numbers, text, timestamps; arrays of rank 1 to 15 as N-d arrays.
      generic :: put => put_i8, put_i16, put_i32, put_i64, put_r32, put_r64, put_c32, put_c64, put_bool, &
         put_logical, put_text, put_texts, put_timestamp, put_message
      ! add(value): the same at the end of an open array, or as the whole value of an empty message.
      generic :: add => add_i8, add_i16, add_i32, add_i64, add_r32, add_r64, add_c32, add_c64, add_bool, &
         add_logical, add_text, add_texts, add_timestamp, add_message
      ! put_loan(key, array), add_loan(array): moves an array that `loan` gave into the message, without a copy; the
      ! program writes it no more. linkspan_invalid_state for an array that is no loan, or no longer.
      procedure :: put_loan => message_put_loan
      procedure :: add_loan => message_add_loan
      ! Of a request that a server gave: loan(array, shape), as that of a channel, for an array of the reply.
      generic :: loan => message_loan_i8_1, message_loan_i8_2, message_loan_i8_3, message_loan_i8_4, &
         message_loan_i8_5, message_loan_i8_6, message_loan_i8_7, message_loan_i16_1, message_loan_i16_2, &
         message_loan_i16_3, message_loan_i16_4, message_loan_i16_5, message_loan_i16_6, message_loan_i16_7, &
         message_loan_i32_1, message_loan_i32_2, message_loan_i32_3, message_loan_i32_4, message_loan_i32_5, &
         message_loan_i32_6, message_loan_i32_7, message_loan_i64_1, message_loan_i64_2, message_loan_i64_3, &
         message_loan_i64_4, message_loan_i64_5, message_loan_i64_6, message_loan_i64_7, message_loan_r32_1, &
         message_loan_r32_2, message_loan_r32_3, message_loan_r32_4, message_loan_r32_5, message_loan_r32_6, &
         message_loan_r32_7, message_loan_r64_1, message_loan_r64_2, message_loan_r64_3, message_loan_r64_4, &
         message_loan_r64_5, message_loan_r64_6, message_loan_r64_7, message_loan_c32_1, message_loan_c32_2, &
         message_loan_c32_3, message_loan_c32_4, message_loan_c32_5, message_loan_c32_6, message_loan_c32_7, &
         message_loan_c64_1, message_loan_c64_2, message_loan_c64_3, message_loan_c64_4, message_loan_c64_5, &
         message_loan_c64_6, message_loan_c64_7, message_loan_bool_1, message_loan_bool_2, message_loan_bool_3, &
         message_loan_bool_4, message_loan_bool_5, message_loan_bool_6, message_loan_bool_7
      procedure, private :: message_loan_i8_1
      procedure, private :: message_loan_i8_2
      procedure, private :: message_loan_i8_3
      procedure, private :: message_loan_i8_4
      procedure, private :: message_loan_i8_5
      procedure, private :: message_loan_i8_6
      procedure, private :: message_loan_i8_7
      procedure, private :: message_loan_i16_1
      procedure, private :: message_loan_i16_2
      procedure, private :: message_loan_i16_3
      procedure, private :: message_loan_i16_4
      procedure, private :: message_loan_i16_5
      procedure, private :: message_loan_i16_6
      procedure, private :: message_loan_i16_7
      procedure, private :: message_loan_i32_1
      procedure, private :: message_loan_i32_2
      procedure, private :: message_loan_i32_3
      procedure, private :: message_loan_i32_4
      procedure, private :: message_loan_i32_5
      procedure, private :: message_loan_i32_6
      procedure, private :: message_loan_i32_7
      procedure, private :: message_loan_i64_1
      procedure, private :: message_loan_i64_2
      procedure, private :: message_loan_i64_3
      procedure, private :: message_loan_i64_4
      procedure, private :: message_loan_i64_5
      procedure, private :: message_loan_i64_6
      procedure, private :: message_loan_i64_7
      procedure, private :: message_loan_r32_1
      procedure, private :: message_loan_r32_2
      procedure, private :: message_loan_r32_3
      procedure, private :: message_loan_r32_4
      procedure, private :: message_loan_r32_5
      procedure, private :: message_loan_r32_6
      procedure, private :: message_loan_r32_7
      procedure, private :: message_loan_r64_1
      procedure, private :: message_loan_r64_2
      procedure, private :: message_loan_r64_3
      procedure, private :: message_loan_r64_4
      procedure, private :: message_loan_r64_5
      procedure, private :: message_loan_r64_6
      procedure, private :: message_loan_r64_7
      procedure, private :: message_loan_c32_1
      procedure, private :: message_loan_c32_2
      procedure, private :: message_loan_c32_3
      procedure, private :: message_loan_c32_4
      procedure, private :: message_loan_c32_5
      procedure, private :: message_loan_c32_6
      procedure, private :: message_loan_c32_7
      procedure, private :: message_loan_c64_1
      procedure, private :: message_loan_c64_2
      procedure, private :: message_loan_c64_3
      procedure, private :: message_loan_c64_4
      procedure, private :: message_loan_c64_5
      procedure, private :: message_loan_c64_6
      procedure, private :: message_loan_c64_7
      procedure, private :: message_loan_bool_1
      procedure, private :: message_loan_bool_2
      procedure, private :: message_loan_bool_3
      procedure, private :: message_loan_bool_4
      procedure, private :: message_loan_bool_5
      procedure, private :: message_loan_bool_6
      procedure, private :: message_loan_bool_7
      procedure :: put_null => message_put_null
      procedure :: put_bytes => message_put_bytes
      ! A UUID is 16 bytes, most significant first; a decimal is its text, "1.10".
      procedure :: put_uuid => message_put_uuid
      procedure :: put_decimal => message_put_decimal
      procedure :: add_uuid => message_add_uuid
      procedure :: add_decimal => message_add_decimal
      procedure :: get_uuid => message_get_uuid
      procedure :: get_decimal => message_get_decimal
      procedure :: add_null => message_add_null
      procedure :: add_bytes => message_add_bytes
      procedure :: begin_map => message_begin_map
      procedure :: begin_array => message_begin_array
      procedure :: end => message_end
      ! get(path, value): into scalars, allocatables (always; indices are kept, wider kinds are filled, integers of at
      ! most 53 bits go into reals), pointers (views: the exact kind, column-major from rank 2). linkspan_out_of_range
      ! for a number that does not fit, linkspan_wrong_type for another kind, linkspan_missing where nothing is.
      generic :: get => get_i8_0, get_i16_0, get_i32_0, get_i64_0, get_r32_0, get_r64_0, get_c32_0, get_c64_0, &
         get_bool_0, get_logical_0, get_logical_1a, get_logical_2a, get_logical_3a, get_logical_4a, get_logical_5a, &
         get_logical_6a, get_logical_7a, get_logical_8a, get_logical_9a, get_logical_10a, get_logical_11a, &
         get_logical_12a, get_logical_13a, get_logical_14a, get_logical_15a, get_i8_1a, get_i8_1p, get_i8_2a, &
         get_i8_2p, get_i8_3a, get_i8_3p, get_i8_4a, get_i8_4p, get_i8_5a, get_i8_5p, get_i8_6a, get_i8_6p, &
         get_i8_7a, get_i8_7p, get_i8_8a, get_i8_8p, get_i8_9a, get_i8_9p, get_i8_10a, get_i8_10p, get_i8_11a, &
         get_i8_11p, get_i8_12a, get_i8_12p, get_i8_13a, get_i8_13p, get_i8_14a, get_i8_14p, get_i8_15a, &
         get_i8_15p, get_i16_1a, get_i16_1p, get_i16_2a, get_i16_2p, get_i16_3a, get_i16_3p, get_i16_4a, &
         get_i16_4p, get_i16_5a, get_i16_5p, get_i16_6a, get_i16_6p, get_i16_7a, get_i16_7p, get_i16_8a, &
         get_i16_8p, get_i16_9a, get_i16_9p, get_i16_10a, get_i16_10p, get_i16_11a, get_i16_11p, get_i16_12a, &
         get_i16_12p, get_i16_13a, get_i16_13p, get_i16_14a, get_i16_14p, get_i16_15a, get_i16_15p, get_i32_1a, &
         get_i32_1p, get_i32_2a, get_i32_2p, get_i32_3a, get_i32_3p, get_i32_4a, get_i32_4p, get_i32_5a, &
         get_i32_5p, get_i32_6a, get_i32_6p, get_i32_7a, get_i32_7p, get_i32_8a, get_i32_8p, get_i32_9a, &
         get_i32_9p, get_i32_10a, get_i32_10p, get_i32_11a, get_i32_11p, get_i32_12a, get_i32_12p, get_i32_13a, &
         get_i32_13p, get_i32_14a, get_i32_14p, get_i32_15a, get_i32_15p, get_i64_1a, get_i64_1p, get_i64_2a, &
         get_i64_2p, get_i64_3a, get_i64_3p, get_i64_4a, get_i64_4p, get_i64_5a, get_i64_5p, get_i64_6a, &
         get_i64_6p, get_i64_7a, get_i64_7p, get_i64_8a, get_i64_8p, get_i64_9a, get_i64_9p, get_i64_10a, &
         get_i64_10p, get_i64_11a, get_i64_11p, get_i64_12a, get_i64_12p, get_i64_13a, get_i64_13p, get_i64_14a, &
         get_i64_14p, get_i64_15a, get_i64_15p, get_r32_1a, get_r32_1p, get_r32_2a, get_r32_2p, get_r32_3a, &
         get_r32_3p, get_r32_4a, get_r32_4p, get_r32_5a, get_r32_5p, get_r32_6a, get_r32_6p, get_r32_7a, &
         get_r32_7p, get_r32_8a, get_r32_8p, get_r32_9a, get_r32_9p, get_r32_10a, get_r32_10p, get_r32_11a, &
         get_r32_11p, get_r32_12a, get_r32_12p, get_r32_13a, get_r32_13p, get_r32_14a, get_r32_14p, get_r32_15a, &
         get_r32_15p, get_r64_1a, get_r64_1p, get_r64_2a, get_r64_2p, get_r64_3a, get_r64_3p, get_r64_4a, &
         get_r64_4p, get_r64_5a, get_r64_5p, get_r64_6a, get_r64_6p, get_r64_7a, get_r64_7p, get_r64_8a, &
         get_r64_8p, get_r64_9a, get_r64_9p, get_r64_10a, get_r64_10p, get_r64_11a, get_r64_11p, get_r64_12a, &
         get_r64_12p, get_r64_13a, get_r64_13p, get_r64_14a, get_r64_14p, get_r64_15a, get_r64_15p, get_c32_1a, &
         get_c32_1p, get_c32_2a, get_c32_2p, get_c32_3a, get_c32_3p, get_c32_4a, get_c32_4p, get_c32_5a, &
         get_c32_5p, get_c32_6a, get_c32_6p, get_c32_7a, get_c32_7p, get_c32_8a, get_c32_8p, get_c32_9a, &
         get_c32_9p, get_c32_10a, get_c32_10p, get_c32_11a, get_c32_11p, get_c32_12a, get_c32_12p, get_c32_13a, &
         get_c32_13p, get_c32_14a, get_c32_14p, get_c32_15a, get_c32_15p, get_c64_1a, get_c64_1p, get_c64_2a, &
         get_c64_2p, get_c64_3a, get_c64_3p, get_c64_4a, get_c64_4p, get_c64_5a, get_c64_5p, get_c64_6a, &
         get_c64_6p, get_c64_7a, get_c64_7p, get_c64_8a, get_c64_8p, get_c64_9a, get_c64_9p, get_c64_10a, &
         get_c64_10p, get_c64_11a, get_c64_11p, get_c64_12a, get_c64_12p, get_c64_13a, get_c64_13p, get_c64_14a, &
         get_c64_14p, get_c64_15a, get_c64_15p, get_bool_1a, get_bool_1p, get_bool_2a, get_bool_2p, get_bool_3a, &
         get_bool_3p, get_bool_4a, get_bool_4p, get_bool_5a, get_bool_5p, get_bool_6a, get_bool_6p, get_bool_7a, &
         get_bool_7p, get_bool_8a, get_bool_8p, get_bool_9a, get_bool_9p, get_bool_10a, get_bool_10p, get_bool_11a, &
         get_bool_11p, get_bool_12a, get_bool_12p, get_bool_13a, get_bool_13p, get_bool_14a, get_bool_14p, &
         get_bool_15a, get_bool_15p, get_text, get_texts, get_timestamp
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
      procedure, private :: put_i8
      procedure, private :: put_i16
      procedure, private :: put_i32
      procedure, private :: put_i64
      procedure, private :: put_r32
      procedure, private :: put_r64
      procedure, private :: put_c32
      procedure, private :: put_c64
      procedure, private :: put_bool
      procedure, private :: put_logical
      procedure, private :: put_text
      procedure, private :: put_texts
      procedure, private :: put_timestamp
      procedure, private :: put_message
      procedure, private :: add_i8
      procedure, private :: add_i16
      procedure, private :: add_i32
      procedure, private :: add_i64
      procedure, private :: add_r32
      procedure, private :: add_r64
      procedure, private :: add_c32
      procedure, private :: add_c64
      procedure, private :: add_bool
      procedure, private :: add_logical
      procedure, private :: add_text
      procedure, private :: add_texts
      procedure, private :: add_timestamp
      procedure, private :: add_message
      procedure, private :: get_i8_0
      procedure, private :: get_i16_0
      procedure, private :: get_i32_0
      procedure, private :: get_i64_0
      procedure, private :: get_r32_0
      procedure, private :: get_r64_0
      procedure, private :: get_c32_0
      procedure, private :: get_c64_0
      procedure, private :: get_bool_0
      procedure, private :: get_logical_0
      procedure, private :: get_logical_1a
      procedure, private :: get_logical_2a
      procedure, private :: get_logical_3a
      procedure, private :: get_logical_4a
      procedure, private :: get_logical_5a
      procedure, private :: get_logical_6a
      procedure, private :: get_logical_7a
      procedure, private :: get_logical_8a
      procedure, private :: get_logical_9a
      procedure, private :: get_logical_10a
      procedure, private :: get_logical_11a
      procedure, private :: get_logical_12a
      procedure, private :: get_logical_13a
      procedure, private :: get_logical_14a
      procedure, private :: get_logical_15a
      procedure, private :: get_i8_1a
      procedure, private :: get_i8_1p
      procedure, private :: get_i8_2a
      procedure, private :: get_i8_2p
      procedure, private :: get_i8_3a
      procedure, private :: get_i8_3p
      procedure, private :: get_i8_4a
      procedure, private :: get_i8_4p
      procedure, private :: get_i8_5a
      procedure, private :: get_i8_5p
      procedure, private :: get_i8_6a
      procedure, private :: get_i8_6p
      procedure, private :: get_i8_7a
      procedure, private :: get_i8_7p
      procedure, private :: get_i8_8a
      procedure, private :: get_i8_8p
      procedure, private :: get_i8_9a
      procedure, private :: get_i8_9p
      procedure, private :: get_i8_10a
      procedure, private :: get_i8_10p
      procedure, private :: get_i8_11a
      procedure, private :: get_i8_11p
      procedure, private :: get_i8_12a
      procedure, private :: get_i8_12p
      procedure, private :: get_i8_13a
      procedure, private :: get_i8_13p
      procedure, private :: get_i8_14a
      procedure, private :: get_i8_14p
      procedure, private :: get_i8_15a
      procedure, private :: get_i8_15p
      procedure, private :: get_i16_1a
      procedure, private :: get_i16_1p
      procedure, private :: get_i16_2a
      procedure, private :: get_i16_2p
      procedure, private :: get_i16_3a
      procedure, private :: get_i16_3p
      procedure, private :: get_i16_4a
      procedure, private :: get_i16_4p
      procedure, private :: get_i16_5a
      procedure, private :: get_i16_5p
      procedure, private :: get_i16_6a
      procedure, private :: get_i16_6p
      procedure, private :: get_i16_7a
      procedure, private :: get_i16_7p
      procedure, private :: get_i16_8a
      procedure, private :: get_i16_8p
      procedure, private :: get_i16_9a
      procedure, private :: get_i16_9p
      procedure, private :: get_i16_10a
      procedure, private :: get_i16_10p
      procedure, private :: get_i16_11a
      procedure, private :: get_i16_11p
      procedure, private :: get_i16_12a
      procedure, private :: get_i16_12p
      procedure, private :: get_i16_13a
      procedure, private :: get_i16_13p
      procedure, private :: get_i16_14a
      procedure, private :: get_i16_14p
      procedure, private :: get_i16_15a
      procedure, private :: get_i16_15p
      procedure, private :: get_i32_1a
      procedure, private :: get_i32_1p
      procedure, private :: get_i32_2a
      procedure, private :: get_i32_2p
      procedure, private :: get_i32_3a
      procedure, private :: get_i32_3p
      procedure, private :: get_i32_4a
      procedure, private :: get_i32_4p
      procedure, private :: get_i32_5a
      procedure, private :: get_i32_5p
      procedure, private :: get_i32_6a
      procedure, private :: get_i32_6p
      procedure, private :: get_i32_7a
      procedure, private :: get_i32_7p
      procedure, private :: get_i32_8a
      procedure, private :: get_i32_8p
      procedure, private :: get_i32_9a
      procedure, private :: get_i32_9p
      procedure, private :: get_i32_10a
      procedure, private :: get_i32_10p
      procedure, private :: get_i32_11a
      procedure, private :: get_i32_11p
      procedure, private :: get_i32_12a
      procedure, private :: get_i32_12p
      procedure, private :: get_i32_13a
      procedure, private :: get_i32_13p
      procedure, private :: get_i32_14a
      procedure, private :: get_i32_14p
      procedure, private :: get_i32_15a
      procedure, private :: get_i32_15p
      procedure, private :: get_i64_1a
      procedure, private :: get_i64_1p
      procedure, private :: get_i64_2a
      procedure, private :: get_i64_2p
      procedure, private :: get_i64_3a
      procedure, private :: get_i64_3p
      procedure, private :: get_i64_4a
      procedure, private :: get_i64_4p
      procedure, private :: get_i64_5a
      procedure, private :: get_i64_5p
      procedure, private :: get_i64_6a
      procedure, private :: get_i64_6p
      procedure, private :: get_i64_7a
      procedure, private :: get_i64_7p
      procedure, private :: get_i64_8a
      procedure, private :: get_i64_8p
      procedure, private :: get_i64_9a
      procedure, private :: get_i64_9p
      procedure, private :: get_i64_10a
      procedure, private :: get_i64_10p
      procedure, private :: get_i64_11a
      procedure, private :: get_i64_11p
      procedure, private :: get_i64_12a
      procedure, private :: get_i64_12p
      procedure, private :: get_i64_13a
      procedure, private :: get_i64_13p
      procedure, private :: get_i64_14a
      procedure, private :: get_i64_14p
      procedure, private :: get_i64_15a
      procedure, private :: get_i64_15p
      procedure, private :: get_r32_1a
      procedure, private :: get_r32_1p
      procedure, private :: get_r32_2a
      procedure, private :: get_r32_2p
      procedure, private :: get_r32_3a
      procedure, private :: get_r32_3p
      procedure, private :: get_r32_4a
      procedure, private :: get_r32_4p
      procedure, private :: get_r32_5a
      procedure, private :: get_r32_5p
      procedure, private :: get_r32_6a
      procedure, private :: get_r32_6p
      procedure, private :: get_r32_7a
      procedure, private :: get_r32_7p
      procedure, private :: get_r32_8a
      procedure, private :: get_r32_8p
      procedure, private :: get_r32_9a
      procedure, private :: get_r32_9p
      procedure, private :: get_r32_10a
      procedure, private :: get_r32_10p
      procedure, private :: get_r32_11a
      procedure, private :: get_r32_11p
      procedure, private :: get_r32_12a
      procedure, private :: get_r32_12p
      procedure, private :: get_r32_13a
      procedure, private :: get_r32_13p
      procedure, private :: get_r32_14a
      procedure, private :: get_r32_14p
      procedure, private :: get_r32_15a
      procedure, private :: get_r32_15p
      procedure, private :: get_r64_1a
      procedure, private :: get_r64_1p
      procedure, private :: get_r64_2a
      procedure, private :: get_r64_2p
      procedure, private :: get_r64_3a
      procedure, private :: get_r64_3p
      procedure, private :: get_r64_4a
      procedure, private :: get_r64_4p
      procedure, private :: get_r64_5a
      procedure, private :: get_r64_5p
      procedure, private :: get_r64_6a
      procedure, private :: get_r64_6p
      procedure, private :: get_r64_7a
      procedure, private :: get_r64_7p
      procedure, private :: get_r64_8a
      procedure, private :: get_r64_8p
      procedure, private :: get_r64_9a
      procedure, private :: get_r64_9p
      procedure, private :: get_r64_10a
      procedure, private :: get_r64_10p
      procedure, private :: get_r64_11a
      procedure, private :: get_r64_11p
      procedure, private :: get_r64_12a
      procedure, private :: get_r64_12p
      procedure, private :: get_r64_13a
      procedure, private :: get_r64_13p
      procedure, private :: get_r64_14a
      procedure, private :: get_r64_14p
      procedure, private :: get_r64_15a
      procedure, private :: get_r64_15p
      procedure, private :: get_c32_1a
      procedure, private :: get_c32_1p
      procedure, private :: get_c32_2a
      procedure, private :: get_c32_2p
      procedure, private :: get_c32_3a
      procedure, private :: get_c32_3p
      procedure, private :: get_c32_4a
      procedure, private :: get_c32_4p
      procedure, private :: get_c32_5a
      procedure, private :: get_c32_5p
      procedure, private :: get_c32_6a
      procedure, private :: get_c32_6p
      procedure, private :: get_c32_7a
      procedure, private :: get_c32_7p
      procedure, private :: get_c32_8a
      procedure, private :: get_c32_8p
      procedure, private :: get_c32_9a
      procedure, private :: get_c32_9p
      procedure, private :: get_c32_10a
      procedure, private :: get_c32_10p
      procedure, private :: get_c32_11a
      procedure, private :: get_c32_11p
      procedure, private :: get_c32_12a
      procedure, private :: get_c32_12p
      procedure, private :: get_c32_13a
      procedure, private :: get_c32_13p
      procedure, private :: get_c32_14a
      procedure, private :: get_c32_14p
      procedure, private :: get_c32_15a
      procedure, private :: get_c32_15p
      procedure, private :: get_c64_1a
      procedure, private :: get_c64_1p
      procedure, private :: get_c64_2a
      procedure, private :: get_c64_2p
      procedure, private :: get_c64_3a
      procedure, private :: get_c64_3p
      procedure, private :: get_c64_4a
      procedure, private :: get_c64_4p
      procedure, private :: get_c64_5a
      procedure, private :: get_c64_5p
      procedure, private :: get_c64_6a
      procedure, private :: get_c64_6p
      procedure, private :: get_c64_7a
      procedure, private :: get_c64_7p
      procedure, private :: get_c64_8a
      procedure, private :: get_c64_8p
      procedure, private :: get_c64_9a
      procedure, private :: get_c64_9p
      procedure, private :: get_c64_10a
      procedure, private :: get_c64_10p
      procedure, private :: get_c64_11a
      procedure, private :: get_c64_11p
      procedure, private :: get_c64_12a
      procedure, private :: get_c64_12p
      procedure, private :: get_c64_13a
      procedure, private :: get_c64_13p
      procedure, private :: get_c64_14a
      procedure, private :: get_c64_14p
      procedure, private :: get_c64_15a
      procedure, private :: get_c64_15p
      procedure, private :: get_bool_1a
      procedure, private :: get_bool_1p
      procedure, private :: get_bool_2a
      procedure, private :: get_bool_2p
      procedure, private :: get_bool_3a
      procedure, private :: get_bool_3p
      procedure, private :: get_bool_4a
      procedure, private :: get_bool_4p
      procedure, private :: get_bool_5a
      procedure, private :: get_bool_5p
      procedure, private :: get_bool_6a
      procedure, private :: get_bool_6p
      procedure, private :: get_bool_7a
      procedure, private :: get_bool_7p
      procedure, private :: get_bool_8a
      procedure, private :: get_bool_8p
      procedure, private :: get_bool_9a
      procedure, private :: get_bool_9p
      procedure, private :: get_bool_10a
      procedure, private :: get_bool_10p
      procedure, private :: get_bool_11a
      procedure, private :: get_bool_11p
      procedure, private :: get_bool_12a
      procedure, private :: get_bool_12p
      procedure, private :: get_bool_13a
      procedure, private :: get_bool_13p
      procedure, private :: get_bool_14a
      procedure, private :: get_bool_14p
      procedure, private :: get_bool_15a
      procedure, private :: get_bool_15p
      procedure, private :: get_text
      procedure, private :: get_texts
      procedure, private :: get_timestamp
      final :: message_final
   end type

   ! A channel: two ends, messages both ways, requests and replies. Any number of threads send and call, and take
   ! turns; one at a time receives.
   type :: linkspan_channel
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: open => channel_open
      procedure :: connect => channel_connect
      ! loan(array, shape): associates a pointer of rank 1 to 7 with memory for an array, column-major, to be filled
      ! and given to a message by put_loan or add_loan, or freed by linkspan_loan_free.
      ! Over shm: the other side views it where it lies.
      generic :: loan => channel_loan_i8_1, channel_loan_i8_2, channel_loan_i8_3, channel_loan_i8_4, &
         channel_loan_i8_5, channel_loan_i8_6, channel_loan_i8_7, channel_loan_i16_1, channel_loan_i16_2, &
         channel_loan_i16_3, channel_loan_i16_4, channel_loan_i16_5, channel_loan_i16_6, channel_loan_i16_7, &
         channel_loan_i32_1, channel_loan_i32_2, channel_loan_i32_3, channel_loan_i32_4, channel_loan_i32_5, &
         channel_loan_i32_6, channel_loan_i32_7, channel_loan_i64_1, channel_loan_i64_2, channel_loan_i64_3, &
         channel_loan_i64_4, channel_loan_i64_5, channel_loan_i64_6, channel_loan_i64_7, channel_loan_r32_1, &
         channel_loan_r32_2, channel_loan_r32_3, channel_loan_r32_4, channel_loan_r32_5, channel_loan_r32_6, &
         channel_loan_r32_7, channel_loan_r64_1, channel_loan_r64_2, channel_loan_r64_3, channel_loan_r64_4, &
         channel_loan_r64_5, channel_loan_r64_6, channel_loan_r64_7, channel_loan_c32_1, channel_loan_c32_2, &
         channel_loan_c32_3, channel_loan_c32_4, channel_loan_c32_5, channel_loan_c32_6, channel_loan_c32_7, &
         channel_loan_c64_1, channel_loan_c64_2, channel_loan_c64_3, channel_loan_c64_4, channel_loan_c64_5, &
         channel_loan_c64_6, channel_loan_c64_7, channel_loan_bool_1, channel_loan_bool_2, channel_loan_bool_3, &
         channel_loan_bool_4, channel_loan_bool_5, channel_loan_bool_6, channel_loan_bool_7
      procedure, private :: channel_loan_i8_1
      procedure, private :: channel_loan_i8_2
      procedure, private :: channel_loan_i8_3
      procedure, private :: channel_loan_i8_4
      procedure, private :: channel_loan_i8_5
      procedure, private :: channel_loan_i8_6
      procedure, private :: channel_loan_i8_7
      procedure, private :: channel_loan_i16_1
      procedure, private :: channel_loan_i16_2
      procedure, private :: channel_loan_i16_3
      procedure, private :: channel_loan_i16_4
      procedure, private :: channel_loan_i16_5
      procedure, private :: channel_loan_i16_6
      procedure, private :: channel_loan_i16_7
      procedure, private :: channel_loan_i32_1
      procedure, private :: channel_loan_i32_2
      procedure, private :: channel_loan_i32_3
      procedure, private :: channel_loan_i32_4
      procedure, private :: channel_loan_i32_5
      procedure, private :: channel_loan_i32_6
      procedure, private :: channel_loan_i32_7
      procedure, private :: channel_loan_i64_1
      procedure, private :: channel_loan_i64_2
      procedure, private :: channel_loan_i64_3
      procedure, private :: channel_loan_i64_4
      procedure, private :: channel_loan_i64_5
      procedure, private :: channel_loan_i64_6
      procedure, private :: channel_loan_i64_7
      procedure, private :: channel_loan_r32_1
      procedure, private :: channel_loan_r32_2
      procedure, private :: channel_loan_r32_3
      procedure, private :: channel_loan_r32_4
      procedure, private :: channel_loan_r32_5
      procedure, private :: channel_loan_r32_6
      procedure, private :: channel_loan_r32_7
      procedure, private :: channel_loan_r64_1
      procedure, private :: channel_loan_r64_2
      procedure, private :: channel_loan_r64_3
      procedure, private :: channel_loan_r64_4
      procedure, private :: channel_loan_r64_5
      procedure, private :: channel_loan_r64_6
      procedure, private :: channel_loan_r64_7
      procedure, private :: channel_loan_c32_1
      procedure, private :: channel_loan_c32_2
      procedure, private :: channel_loan_c32_3
      procedure, private :: channel_loan_c32_4
      procedure, private :: channel_loan_c32_5
      procedure, private :: channel_loan_c32_6
      procedure, private :: channel_loan_c32_7
      procedure, private :: channel_loan_c64_1
      procedure, private :: channel_loan_c64_2
      procedure, private :: channel_loan_c64_3
      procedure, private :: channel_loan_c64_4
      procedure, private :: channel_loan_c64_5
      procedure, private :: channel_loan_c64_6
      procedure, private :: channel_loan_c64_7
      procedure, private :: channel_loan_bool_1
      procedure, private :: channel_loan_bool_2
      procedure, private :: channel_loan_bool_3
      procedure, private :: channel_loan_bool_4
      procedure, private :: channel_loan_bool_5
      procedure, private :: channel_loan_bool_6
      procedure, private :: channel_loan_bool_7
      procedure :: send => channel_send
      procedure :: try_send => channel_try_send
      procedure :: send_many => channel_send_many
      procedure :: recv => channel_recv
      procedure :: recv_many => channel_recv_many
      procedure :: try_recv => channel_try_recv
      procedure :: poll => channel_poll
      procedure :: call => channel_call
      procedure :: reply => channel_reply
      procedure :: ack => channel_ack
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

   ! Waits for peers at an endpoint. Any number of threads accept, any closes it.
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

   ! Answers the requests of any number of clients. One thread at a time takes them; any thread answers one.
   type :: linkspan_server
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: serve => server_serve
      procedure :: next => server_next
      procedure :: reply => server_reply
      procedure :: fail => server_fail
      procedure :: ack => server_ack
      procedure :: events => server_events
      procedure :: stats => server_stats
      procedure :: fileno => server_fileno
      procedure :: close => server_close
      procedure, private :: server_assign
      generic :: assignment(=) => server_assign
      final :: server_final
   end type

   ! Sends to any number of subscribers, and never waits for a slow one. Any number of threads send, and take turns.
   type :: linkspan_publisher
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: open => publisher_open
      ! loan(array, shape), as that of a channel: over `shm:` all subscribers view it.
      generic :: loan => publisher_loan_i8_1, publisher_loan_i8_2, publisher_loan_i8_3, publisher_loan_i8_4, &
         publisher_loan_i8_5, publisher_loan_i8_6, publisher_loan_i8_7, publisher_loan_i16_1, publisher_loan_i16_2, &
         publisher_loan_i16_3, publisher_loan_i16_4, publisher_loan_i16_5, publisher_loan_i16_6, &
         publisher_loan_i16_7, publisher_loan_i32_1, publisher_loan_i32_2, publisher_loan_i32_3, &
         publisher_loan_i32_4, publisher_loan_i32_5, publisher_loan_i32_6, publisher_loan_i32_7, &
         publisher_loan_i64_1, publisher_loan_i64_2, publisher_loan_i64_3, publisher_loan_i64_4, &
         publisher_loan_i64_5, publisher_loan_i64_6, publisher_loan_i64_7, publisher_loan_r32_1, &
         publisher_loan_r32_2, publisher_loan_r32_3, publisher_loan_r32_4, publisher_loan_r32_5, &
         publisher_loan_r32_6, publisher_loan_r32_7, publisher_loan_r64_1, publisher_loan_r64_2, &
         publisher_loan_r64_3, publisher_loan_r64_4, publisher_loan_r64_5, publisher_loan_r64_6, &
         publisher_loan_r64_7, publisher_loan_c32_1, publisher_loan_c32_2, publisher_loan_c32_3, &
         publisher_loan_c32_4, publisher_loan_c32_5, publisher_loan_c32_6, publisher_loan_c32_7, &
         publisher_loan_c64_1, publisher_loan_c64_2, publisher_loan_c64_3, publisher_loan_c64_4, &
         publisher_loan_c64_5, publisher_loan_c64_6, publisher_loan_c64_7, publisher_loan_bool_1, &
         publisher_loan_bool_2, publisher_loan_bool_3, publisher_loan_bool_4, publisher_loan_bool_5, &
         publisher_loan_bool_6, publisher_loan_bool_7
      procedure, private :: publisher_loan_i8_1
      procedure, private :: publisher_loan_i8_2
      procedure, private :: publisher_loan_i8_3
      procedure, private :: publisher_loan_i8_4
      procedure, private :: publisher_loan_i8_5
      procedure, private :: publisher_loan_i8_6
      procedure, private :: publisher_loan_i8_7
      procedure, private :: publisher_loan_i16_1
      procedure, private :: publisher_loan_i16_2
      procedure, private :: publisher_loan_i16_3
      procedure, private :: publisher_loan_i16_4
      procedure, private :: publisher_loan_i16_5
      procedure, private :: publisher_loan_i16_6
      procedure, private :: publisher_loan_i16_7
      procedure, private :: publisher_loan_i32_1
      procedure, private :: publisher_loan_i32_2
      procedure, private :: publisher_loan_i32_3
      procedure, private :: publisher_loan_i32_4
      procedure, private :: publisher_loan_i32_5
      procedure, private :: publisher_loan_i32_6
      procedure, private :: publisher_loan_i32_7
      procedure, private :: publisher_loan_i64_1
      procedure, private :: publisher_loan_i64_2
      procedure, private :: publisher_loan_i64_3
      procedure, private :: publisher_loan_i64_4
      procedure, private :: publisher_loan_i64_5
      procedure, private :: publisher_loan_i64_6
      procedure, private :: publisher_loan_i64_7
      procedure, private :: publisher_loan_r32_1
      procedure, private :: publisher_loan_r32_2
      procedure, private :: publisher_loan_r32_3
      procedure, private :: publisher_loan_r32_4
      procedure, private :: publisher_loan_r32_5
      procedure, private :: publisher_loan_r32_6
      procedure, private :: publisher_loan_r32_7
      procedure, private :: publisher_loan_r64_1
      procedure, private :: publisher_loan_r64_2
      procedure, private :: publisher_loan_r64_3
      procedure, private :: publisher_loan_r64_4
      procedure, private :: publisher_loan_r64_5
      procedure, private :: publisher_loan_r64_6
      procedure, private :: publisher_loan_r64_7
      procedure, private :: publisher_loan_c32_1
      procedure, private :: publisher_loan_c32_2
      procedure, private :: publisher_loan_c32_3
      procedure, private :: publisher_loan_c32_4
      procedure, private :: publisher_loan_c32_5
      procedure, private :: publisher_loan_c32_6
      procedure, private :: publisher_loan_c32_7
      procedure, private :: publisher_loan_c64_1
      procedure, private :: publisher_loan_c64_2
      procedure, private :: publisher_loan_c64_3
      procedure, private :: publisher_loan_c64_4
      procedure, private :: publisher_loan_c64_5
      procedure, private :: publisher_loan_c64_6
      procedure, private :: publisher_loan_c64_7
      procedure, private :: publisher_loan_bool_1
      procedure, private :: publisher_loan_bool_2
      procedure, private :: publisher_loan_bool_3
      procedure, private :: publisher_loan_bool_4
      procedure, private :: publisher_loan_bool_5
      procedure, private :: publisher_loan_bool_6
      procedure, private :: publisher_loan_bool_7
      procedure :: send => publisher_send
      procedure :: send_many => publisher_send_many
      procedure :: subscribers => publisher_subscribers
      procedure :: wait_for_subscribers => publisher_wait_for_subscribers
      procedure :: events => publisher_events
      procedure :: stats => publisher_stats
      procedure :: close => publisher_close
      procedure, private :: publisher_assign
      generic :: assignment(=) => publisher_assign
      final :: publisher_final
   end type

   ! Receives what a publisher sends. For one thread at a time; another one may close it.
   type :: linkspan_subscriber
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: subscribe => subscriber_subscribe
      procedure :: recv => subscriber_recv
      procedure :: recv_many => subscriber_recv_many
      procedure :: try_recv => subscriber_try_recv
      procedure :: next => subscriber_next
      procedure :: poll => subscriber_poll
      procedure :: ack => subscriber_ack
      procedure :: events => subscriber_events
      procedure :: stats => subscriber_stats
      procedure :: fileno => subscriber_fileno
      procedure :: close => subscriber_close
      procedure, private :: subscriber_assign
      generic :: assignment(=) => subscriber_assign
      final :: subscriber_final
   end type

   ! An N-d array of any number of dimensions: its elements as the bytes of this machine.
   type :: linkspan_ndarray
      integer :: dtype = linkspan_f64
      integer :: order = linkspan_column
      integer(int64), allocatable :: shape(:)
      integer(int8), allocatable :: bytes(:)
   end type

   ! Writes values one after the other, without a tree: what generated code uses. Keep one for many messages.
   ! The first error stays, and `finish` returns it. Each value has its key in a map, and none in a list or as the
   ! whole value.
   type :: linkspan_writer
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: put_bool => writer_put_bool
      procedure :: put_i64 => writer_put_i64
      ! The same 64 bits taken as a number without a sign.
      procedure :: put_u64 => writer_put_u64
      procedure :: put_f64 => writer_put_f64
      procedure :: put_text => writer_put_text
      procedure :: put_bytes => writer_put_bytes
      procedure :: put_timestamp => writer_put_timestamp
      procedure :: put_uuid => writer_put_uuid
      procedure :: put_decimal => writer_put_decimal
      procedure :: put_message => writer_put_message
      procedure :: put_elements => writer_put_elements
      procedure :: put_ndarray => writer_put_ndarray
      procedure :: put_name => writer_put_name
      procedure :: begin_map => writer_begin_map
      procedure :: begin_array => writer_begin_array
      procedure :: end => writer_end
      procedure :: refuse => writer_refuse
      procedure :: finish => writer_finish
      procedure :: close => writer_close
      procedure, private :: writer_assign
      generic :: assignment(=) => writer_assign
      final :: writer_final
   end type

   ! Reads values one after the other, without a tree: what generated code uses. Keep one for many messages. The
   ! first error stays, up to then values are zero and empty, and `finish` returns it.
   type :: linkspan_reader
      private
      type(c_ptr) :: handle = c_null_ptr
      type(c_array) :: array
   contains
      procedure :: begin => reader_begin
      procedure :: get_null => reader_get_null
      procedure :: get_bool => reader_get_bool
      procedure :: get_i64 => reader_get_i64
      procedure :: get_u64 => reader_get_u64
      procedure :: get_f64 => reader_get_f64
      procedure :: get_f32 => reader_get_f32
      procedure :: get_text => reader_get_text
      procedure :: get_key => reader_get_key
      procedure :: get_bytes => reader_get_bytes
      procedure :: get_timestamp => reader_get_timestamp
      procedure :: get_uuid => reader_get_uuid
      procedure :: get_decimal => reader_get_decimal
      procedure :: get_message => reader_get_message
      procedure :: get_shape => reader_get_shape
      procedure :: get_elements => reader_get_elements
      procedure :: get_ndarray => reader_get_ndarray
      procedure :: get_field => reader_get_field
      procedure :: get_variant => reader_get_variant
      procedure :: get_enum => reader_get_enum
      procedure :: begin_map => reader_begin_map
      procedure :: begin_array => reader_begin_array
      procedure :: end => reader_end
      procedure :: refuse => reader_refuse
      procedure :: finish => reader_finish
      procedure :: close => reader_close
      procedure, private :: reader_assign
      generic :: assignment(=) => reader_assign
      final :: reader_final
   end type

   ! Memory that another program shares and this one reads. Every call copies what is there at that moment. For any
   ! number of threads.
   type :: linkspan_region
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: open => region_open
      procedure :: length => region_length
      procedure :: bytes => region_bytes
      procedure :: text => region_text
      procedure :: read => region_read
      procedure :: close => region_close
      procedure, private :: region_assign
      generic :: assignment(=) => region_assign
      final :: region_final
   end type

   ! How a service is set up; what is not named has its default.
   type :: linkspan_service_options
      ! Where its controller listens: any stream transport; $LINKSPAN_CONTROLLER or else unix:controller.
      character(:), allocatable :: controller
      ! The period of its steps in seconds, zero for one after the other; below zero it has no steps of its own.
      real(real64) :: every = -1
      ! Whether it waits in READY until the command RUN.
      logical :: paused = .false.
      ! One line that describes it to people.
      character(:), allocatable :: description
      ! What it takes beyond the usual: "CONFIG", "BACKUP", names of its own; trailing blanks do not count.
      character(:), allocatable :: commands(:)
      ! The options of its link to the controller.
      type(linkspan_options) :: channel
      ! Whether SIGTERM and SIGINT are SHUTDOWN, a second one cancels the task, and a third one kills.
      logical :: handle_signals = .true.
      ! c_funloc of `subroutine f(context) bind(C)` with `type(c_ptr), value :: context`: runs in a thread of the
      ! library when what the program does is to be given up.
      type(c_funptr) :: on_cancel = c_null_funptr
      type(c_ptr) :: on_cancel_context = c_null_ptr
   end type

   ! A command to a service. It is answered once, by task_done or task_failed of its service.
   type :: linkspan_task
      ! linkspan_command_step, linkspan_command_pause and so on, or linkspan_command_own for one that its name names.
      integer :: command = linkspan_command_end
      ! The state before the command: for a shutdown, linkspan_state_paused means that all is closed already.
      integer :: before = 0
      character(:), allocatable :: name
      ! The id that its sender chose; "" for a step, and for the command of a signal.
      character(:), allocatable :: id
      ! How many seconds remained for it when it was given, or linkspan_forever.
      real(real64) :: remaining = 0
      type(c_task), private :: c
   contains
      ! Its arguments, until it is answered; null for none.
      procedure :: arguments => task_arguments
   end type

   ! A program that a controller commands: it takes its commands, and answers each. One thread takes
   ! commands; log, shutdown, state and is_cancelled are for any.
   type :: linkspan_service
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: start => service_start
      procedure :: next => service_next
      procedure :: task_done => service_task_done
      procedure :: task_failed => service_task_failed
      procedure :: set_failed => service_set_failed
      procedure :: set_reason => service_set_reason
      procedure :: log => service_log
      procedure :: shutdown => service_shutdown
      procedure :: state => service_state
      procedure :: is_cancelled => service_is_cancelled
      procedure :: is_connected => service_is_connected
      procedure :: epoch => service_epoch
      procedure :: stats => service_stats
      procedure :: fileno => service_fileno
      procedure :: close => service_close
      procedure, private :: service_assign
      generic :: assignment(=) => service_assign
      final :: service_final
   end type

   ! A line to the controller of this machine, or of another one. Any number of threads ask, in turn; one may wait
   ! in next. Records of services and answers are maps, as described at linkspan_controller in linkspan.h.
   type :: linkspan_controller
      private
      type(c_ptr) :: handle = c_null_ptr
   contains
      procedure :: open => controller_open
      procedure :: services => controller_services
      procedure :: status => controller_status
      procedure :: command => controller_command
      procedure :: begin => controller_begin
      procedure :: answer => controller_answer
      procedure :: log => controller_log
      procedure :: watch => controller_watch
      procedure :: next => controller_next
      procedure :: forget => controller_forget
      procedure :: stats => controller_stats
      procedure :: fileno => controller_fileno
      procedure :: close => controller_close
      procedure, private :: controller_assign
      generic :: assignment(=) => controller_assign
      final :: controller_final
   end type

   ! The options as C reads them, with the texts that they point to.
   type :: lent_options
      type(c_options) :: c
      character(:), allocatable :: encoding, client_id, delivery, ack, framing, group, schema, from, validate
      character(:), allocatable :: reply_schema
   end type

   ! Options of a service as C reads them, with the texts that they point to.
   type :: lent_service_options
      type(c_service_options) :: c
      type(lent_options) :: channel
      character(:), allocatable :: controller, description
      character(kind=c_char), allocatable :: letters(:)
      type(c_ptr), allocatable :: names(:)
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

   ! Ends every call: reports through stat, or stops the program where the caller gave no stat. `why` is the text of a
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

   ! Returns status and text to a caller that gave stat.
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

   ! A text for C, where it ends at its first NUL. A text with a NUL inside is replaced by one that the C side
   ! refuses as
   ! such a text.
   function terminated(text) result(ended)
      character(*), intent(in) :: text
      character(:), allocatable :: ended
      if (index(text, c_null_char) == 0) then
         ended = text//c_null_char
      else
         ended = nul_inside
      end if
   end function

   ! The same in memory that the caller has: a key in it costs no allocation.
   subroutine terminate(text, ended)
      character(*), intent(in) :: text
      character(len(text) + len(nul_inside)), intent(out) :: ended
      integer :: i
      do i = 1, len(text)
         if (text(i:i) == c_null_char) then
            ended = nul_inside
            return
         end if
         ended(i:i) = text(i:i)
      end do
      ended(i:i) = c_null_char
   end subroutine

   ! Numbers and texts at a key or a path, which programs put and get most.

   function put_at_i64(handle, key, value) result(status)
      type(c_ptr), intent(in) :: handle
      character(*), intent(in) :: key
      integer(c_int64_t), intent(in) :: value
      integer(c_int32_t) :: status
      character(len(key) + len(nul_inside)) :: ended
      call terminate(key, ended)
      status = c_message_put_i64(handle, ended, value)
   end function

   function get_at_i64(handle, path, value) result(status)
      type(c_ptr), intent(in) :: handle
      character(*), intent(in) :: path
      integer(c_int64_t), intent(out) :: value
      integer(c_int32_t) :: status
      character(len(path) + len(nul_inside)) :: ended
      call terminate(path, ended)
      status = c_message_get_i64(handle, ended, value)
   end function

   function put_at_f64(handle, key, value) result(status)
      type(c_ptr), intent(in) :: handle
      character(*), intent(in) :: key
      real(c_double), intent(in) :: value
      integer(c_int32_t) :: status
      character(len(key) + len(nul_inside)) :: ended
      call terminate(key, ended)
      status = c_message_put_f64(handle, ended, value)
   end function

   function get_at_f64(handle, path, value) result(status)
      type(c_ptr), intent(in) :: handle
      character(*), intent(in) :: path
      real(c_double), intent(out) :: value
      integer(c_int32_t) :: status
      character(len(path) + len(nul_inside)) :: ended
      call terminate(path, ended)
      status = c_message_get_f64(handle, ended, value)
   end function

   function put_at_bool(handle, key, value) result(status)
      type(c_ptr), intent(in) :: handle
      character(*), intent(in) :: key
      logical(c_bool), intent(in) :: value
      integer(c_int32_t) :: status
      character(len(key) + len(nul_inside)) :: ended
      call terminate(key, ended)
      status = c_message_put_bool(handle, ended, value)
   end function

   function get_at_bool(handle, path, value) result(status)
      type(c_ptr), intent(in) :: handle
      character(*), intent(in) :: path
      logical(c_bool), intent(out) :: value
      integer(c_int32_t) :: status
      character(len(path) + len(nul_inside)) :: ended
      call terminate(path, ended)
      status = c_message_get_bool(handle, ended, value)
   end function

   function put_at_text(handle, key, value) result(status)
      type(c_ptr), intent(in) :: handle
      character(*), intent(in) :: key
      character(*), intent(in) :: value
      integer(c_int32_t) :: status
      character(len(key) + len(nul_inside)) :: ended
      call terminate(key, ended)
      status = c_message_put_text(handle, ended, value, len(value, kind=c_size_t))
   end function

   function get_at_text(handle, path, pointer, length) result(status)
      type(c_ptr), intent(in) :: handle
      character(*), intent(in) :: path
      type(c_ptr), intent(out) :: pointer
      integer(c_size_t), intent(out) :: length
      integer(c_int32_t) :: status
      character(len(path) + len(nul_inside)) :: ended
      call terminate(path, ended)
      status = c_message_get_text(handle, ended, pointer, length)
   end function

   ! A number as a real of 32 bits, where it is not beyond the largest.
   subroutine narrow(wide, path, value, status, why)
      real(real64), intent(in) :: wide
      character(*), intent(in) :: path
      real(real32), intent(inout) :: value
      integer(c_int32_t), intent(inout) :: status
      character(:), allocatable, intent(inout) :: why
      if (abs(wide) > huge(value) .and. abs(wide) <= huge(wide)) then
         status = linkspan_out_of_range
         why = "a number is there that does not fit a real of 32 bits, at path "//path
      else
         value = real(wide, real32)
      end if
   end subroutine

   ! Seconds to C's nanoseconds.
   function nanoseconds(timeout) result(ns)
      real(real64), intent(in), optional :: timeout
      integer(c_int64_t) :: ns
      ns = linkspan_default
      if (.not. present(timeout)) return
      if (timeout >= linkspan_forever) then
         ns = huge(ns)
      else if (timeout >= 9.2e9_real64) then
         ns = -huge(ns) ! refused by C: too long
      else if (timeout >= 0) then
         ns = int(timeout*1.0e9_real64, c_int64_t)
      else
         ns = -huge(ns) - 1 ! refused by C: negative, or not a number
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
      call lend_text(options%from, lent%from, lent%c%from)
      call lend_text(options%validate, lent%validate, lent%c%validate)
      call lend_text(options%reply_schema, lent%reply_schema, lent%c%reply_schema)
      if (.not. options%timeout <= linkspan_default_timeout) lent%c%timeout = nanoseconds(options%timeout)
      lent%c%buffer = options%buffer
      lent%c%max_message_size = options%max_message_size
      lent%c%mode = int(options%mode, c_int32_t)
      lent%c%spin = int(options%spin, c_int32_t)
      lent%c%immutable = logical(options%immutable, c_bool)
      lent%c%durable = logical(options%durable, c_bool)
      lent%c%replay_count = options%replay_count
      lent%c%replay_bytes = options%replay_bytes
      lent%c%absent_clients = options%absent_clients
      lent%c%segment_bytes = options%segment_bytes
      lent%c%retain_bytes = options%retain_bytes
      lent%c%retain_seconds = options%retain_seconds
      lent%c%retain_consumed = logical(options%retain_consumed, c_bool)
      lent%c%idempotent = logical(options%idempotent, c_bool)
      lent%c%locked = logical(options%locked, c_bool)
      lent%c%shared = logical(options%shared, c_bool)
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
      kept = terminated(given)
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

   ! The error of the last call of this thread that failed.
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

   ! The name of a state of a service: "RUNNING".
   function linkspan_state_name(state) result(name)
      integer, intent(in) :: state
      character(:), allocatable :: name
      name = text_of(c_state_name(int(state, c_int32_t)))
   end function

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
      call finish(c_encoding_from_name(terminated(name), number), stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      ! Its own handle, which is released once: there is no error.
      integer(c_int32_t) :: outcome
      outcome = c_message_release(self%handle)
      self%handle = c_null_ptr
   end subroutine

   impure elemental subroutine message_final(self)
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
      call finish(c_message_put_null(self%handle, terminated(key)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_put_bytes(self, key, bytes, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      integer(int8), intent(in), contiguous, target :: bytes(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_bytes(self%handle, terminated(key), place_of(bytes), &
                                      size(bytes, kind=c_size_t)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! A null at the end of an open array.
   subroutine message_add_null(self, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_null(self%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_add_bytes(self, bytes, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      integer(int8), intent(in), contiguous, target :: bytes(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_bytes(self%handle, bytes=place_of(bytes), &
                                      length=size(bytes, kind=c_size_t)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_put_uuid(self, key, uuid, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      integer(int8), intent(in), target :: uuid(16)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_uuid(self%handle, terminated(key), c_loc(uuid)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_add_uuid(self, uuid, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      integer(int8), intent(in), target :: uuid(16)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_uuid(self%handle, uuid=c_loc(uuid)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_get_uuid(self, path, uuid, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), intent(out), target :: uuid(16)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      uuid = 0
      call finish(c_message_get_uuid(self%handle, terminated(path), c_loc(uuid)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! An exact decimal number, as its text.
   subroutine message_put_decimal(self, key, decimal, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key, decimal
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_decimal(self%handle, terminated(key), decimal, len(decimal, kind=c_size_t)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_add_decimal(self, decimal, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: decimal
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_decimal(self%handle, text=decimal, length=len(decimal, kind=c_size_t)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_get_decimal(self, path, decimal, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      character(:), allocatable, intent(out) :: decimal
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: pointer
      integer(c_size_t) :: length
      integer(c_int32_t) :: status
      status = c_message_get_decimal(self%handle, terminated(path), pointer, length)
      if (status == linkspan_ok) decimal = text_of_length(pointer, length)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Begins a map under a key, or without one in an array or an empty message.
   subroutine message_begin_map(self, key, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in), optional :: key
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      if (present(key)) then
         call finish(c_message_begin_map(self%handle, terminated(key)), stat)
         if (present(errmsg)) call explain(errmsg, stat)
      else
         call finish(c_message_begin_map(self%handle), stat)
         if (present(errmsg)) call explain(errmsg, stat)
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
         call finish(c_message_begin_array(self%handle, terminated(key)), stat)
         if (present(errmsg)) call explain(errmsg, stat)
      else
         call finish(c_message_begin_array(self%handle), stat)
         if (present(errmsg)) call explain(errmsg, stat)
      end if
   end subroutine

   ! Ends the innermost map or array that was begun.
   subroutine message_end(self, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_message_end(self%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      status = c_message_get_bytes(self%handle, terminated(path), pointer, length)
      if (status == linkspan_ok) bytes = bytes_of(pointer, length)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      status = c_message_get_message(self%handle, terminated(path), handle)
      if (status == linkspan_ok) call take(value, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Whether there is a value at a path. That nothing is there is no failure.
   function message_has(self, path, stat, errmsg) result(has)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical :: has
      integer(c_int32_t) :: type, status
      status = c_message_get_type(self%handle, terminated(path), type)
      has = status == linkspan_ok
      ! A value that is neither a map nor an array has no entries.
      if (status == linkspan_missing .or. status == linkspan_wrong_type) status = linkspan_ok
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end function

   ! How many values lie in the array or map at a path.
   function message_count(self, path, stat, errmsg) result(count)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: count
      integer(c_size_t) :: number
      call finish(c_message_count(self%handle, terminated(path), number), stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      call finish(c_message_get_type(self%handle, terminated(path), number), stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      call finish(c_message_get_array(self%handle, terminated(path), array), stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      status = c_message_get_key(self%handle, terminated(path), int(position, c_size_t), pointer, length)
      if (status == linkspan_ok) key = text_of_length(pointer, length)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Where a message came from; all zero for one that was built here, which is no failure.
   subroutine came_from(self, info, status)
      class(linkspan_message), intent(in) :: self
      type(c_message_info), intent(out) :: info
      integer(c_int32_t), intent(out) :: status
      info%size = c_sizeof(info)
      status = linkspan_ok
      if (c_associated(self%handle)) status = c_message_get_info(self%handle, info)
      if (status /= linkspan_ok) info = c_message_info()
      if (status == linkspan_invalid_state) status = linkspan_ok
   end subroutine

   ! Its number in the sender's session, from 1; 0 for a message that was built here.
   function message_sequence(self, stat, errmsg) result(sequence)
      class(linkspan_message), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(int64) :: sequence
      type(c_message_info) :: info
      integer(c_int32_t) :: status
      call came_from(self, info, status)
      sequence = info%sequence
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end function

   ! When it was sent.
   function message_sent(self, stat, errmsg) result(sent)
      class(linkspan_message), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(linkspan_timestamp) :: sent
      type(c_message_info) :: info
      integer(c_int32_t) :: status
      call came_from(self, info, status)
      sent%nanoseconds = info%sent
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end function

   ! How many messages were missed just before it.
   function message_missed(self, stat, errmsg) result(missed)
      class(linkspan_message), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(int64) :: missed
      type(c_message_info) :: info
      integer(c_int32_t) :: status
      call came_from(self, info, status)
      missed = info%missed
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end function

   ! Who sent it.
   function message_source(self, stat, errmsg) result(source)
      class(linkspan_message), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      character(:), allocatable :: source
      type(c_message_info) :: info
      integer(c_int32_t) :: status
      call came_from(self, info, status)
      source = text_of_length(info%source, info%source_length)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end function

   ! How its body is written: linkspan_cbor and so on.
   function message_encoding(self, stat, errmsg) result(encoding)
      class(linkspan_message), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: encoding
      type(c_message_info) :: info
      integer(c_int32_t) :: status
      call came_from(self, info, status)
      encoding = info%encoding
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end function

   ! ------------------------------------------------------------------------------------------- messages: put, get

   ! Puts an N-d array; column-major, as it lies. One dimension has no order and is marked as C's.
   function put_elements(self, key, dtype, shape, place) result(status)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in), optional :: key
      integer(c_int32_t), intent(in) :: dtype
      integer(c_int64_t), intent(in) :: shape(:)
      type(c_ptr), intent(in) :: place
      integer(c_int32_t) :: status
      type(c_array) :: array
      array%dtype = dtype
      array%order = int(merge(linkspan_column, linkspan_row, size(shape) > 1), c_int32_t)
      array%rank = size(shape, kind=c_size_t)
      ! gfortran 12 gives -1 for the extent of an empty array constructor.
      array%dims(:size(shape)) = max(shape, 0_c_int64_t)
      array%data = place
      if (present(key)) then
         status = c_message_put_array(self%handle, terminated(key), array)
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
      status = c_message_get_array(self%handle, terminated(path), array)
      if (status /= linkspan_ok) return
      if (array%rank == rank) return
      write (text, '(a, i0, a, i0)') "expected an array of rank ", rank, ", found one of rank ", &
         array%rank
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
         why = "expected an array of "//dtype_name(dtype)//" for this pointer, found one of "// &
               dtype_name(array%dtype)//"; get it into an allocatable of a kind that holds it, at path "//path
         status = linkspan_wrong_type
      else if (array%order /= linkspan_column .and. count(array%dims(:rank) /= 1) > 1 .and. &
               all(array%dims(:rank) > 0)) then
         ! An empty array has no order.
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

   ! Whether a list of values is at a path, rather than an N-d array.
   function is_list(self, path)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical :: is_list
      integer(c_int32_t) :: type
      is_list = .false.
      if (c_message_get_type(self%handle, terminated(path), type) == linkspan_ok) &
         is_list = type == linkspan_type_array
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

   subroutine put_i8(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      integer(int8), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_i8(self, value, key), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine add_i8(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      integer(int8), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_i8(self, value), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   function store_i8(self, value, key) result(status)
      class(linkspan_message), intent(in) :: self
      integer(int8), intent(in), contiguous, target :: value(..)
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: status
      type(c_ptr) :: place
      integer(int8), pointer :: one
      if (rank(value) == 0) then
         call c_f_pointer(c_loc(value), one)
         if (present(key)) then
            status = put_at_i64(self%handle, key, int(one, c_int64_t))
         else
            status = c_message_put_i64(self%handle, value=int(one, c_int64_t))
         end if
         return
      end if
      place = c_null_ptr
      if (size(value) > 0) place = c_loc(value)
      status = put_elements(self, key, int(linkspan_i8, c_int32_t), shape(value, kind=c_int64_t), place)
   end function

   subroutine get_i8_0(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), intent(out) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(int64) :: wide
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      value = 0
      status = get_at_i64(self%handle, path, wide)
      if (status == linkspan_ok) then
         if (wide < -int(huge(value), int64) - 1 .or. wide > huge(value)) then
            status = linkspan_out_of_range
            why = "an integer is there that does not fit 8 bits, at path "//path
         else
            value = int(wide, int8)
         end if
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_1a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      integer :: i, state
      why = ""
      if (is_list(self, path)) then
         allocate (value(self%count(path)))
         status = linkspan_ok
         do i = 1, size(value)
            call get_i8_0(self, below(path, i - 1), value(i), stat=state, errmsg=why)
            status = int(state, c_int32_t)
            if (status /= linkspan_ok) exit
         end do
         if (status /= linkspan_ok) deallocate (value)
         call finish(status, stat, why)
         if (present(errmsg)) call explain(errmsg, stat, why)
         return
      end if
      call look_up(self, path, 1, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_1p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 1, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:1))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_2a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 2, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_2p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 2, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:2))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_3a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 3, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_3p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 3, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:3))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_4a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 4, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_4p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 4, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:4))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_5a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 5, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_5p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 5, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:5))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_6a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 6, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_6p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 6, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:6))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_7a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 7, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_7p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 7, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:7))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_8a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 8, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_8p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 8, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:8))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_9a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 9, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_9p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 9, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:9))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_10a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 10, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_10p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 10, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:10))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_11a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 11, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_11p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 11, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:11))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_12a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 12, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_12p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 12, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:12))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_13a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 13, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_13p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 13, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:13))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_14a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 14, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_14p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 14, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:14))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_15a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 15, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14), from%dims(15)))
         if (size(value) > 0) status = copied(from, int(linkspan_i8, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i8_15p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int8), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 15, int(linkspan_i8, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:15))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine put_i16(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      integer(int16), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_i16(self, value, key), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine add_i16(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      integer(int16), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_i16(self, value), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   function store_i16(self, value, key) result(status)
      class(linkspan_message), intent(in) :: self
      integer(int16), intent(in), contiguous, target :: value(..)
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: status
      type(c_ptr) :: place
      integer(int16), pointer :: one
      if (rank(value) == 0) then
         call c_f_pointer(c_loc(value), one)
         if (present(key)) then
            status = put_at_i64(self%handle, key, int(one, c_int64_t))
         else
            status = c_message_put_i64(self%handle, value=int(one, c_int64_t))
         end if
         return
      end if
      place = c_null_ptr
      if (size(value) > 0) place = c_loc(value)
      status = put_elements(self, key, int(linkspan_i16, c_int32_t), shape(value, kind=c_int64_t), place)
   end function

   subroutine get_i16_0(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), intent(out) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(int64) :: wide
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      value = 0
      status = get_at_i64(self%handle, path, wide)
      if (status == linkspan_ok) then
         if (wide < -int(huge(value), int64) - 1 .or. wide > huge(value)) then
            status = linkspan_out_of_range
            why = "an integer is there that does not fit 16 bits, at path "//path
         else
            value = int(wide, int16)
         end if
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_1a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      integer :: i, state
      why = ""
      if (is_list(self, path)) then
         allocate (value(self%count(path)))
         status = linkspan_ok
         do i = 1, size(value)
            call get_i16_0(self, below(path, i - 1), value(i), stat=state, errmsg=why)
            status = int(state, c_int32_t)
            if (status /= linkspan_ok) exit
         end do
         if (status /= linkspan_ok) deallocate (value)
         call finish(status, stat, why)
         if (present(errmsg)) call explain(errmsg, stat, why)
         return
      end if
      call look_up(self, path, 1, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_1p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 1, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:1))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_2a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 2, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_2p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 2, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:2))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_3a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 3, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_3p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 3, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:3))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_4a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 4, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_4p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 4, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:4))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_5a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 5, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_5p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 5, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:5))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_6a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 6, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_6p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 6, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:6))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_7a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 7, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_7p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 7, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:7))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_8a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 8, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_8p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 8, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:8))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_9a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 9, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_9p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 9, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:9))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_10a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 10, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_10p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 10, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:10))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_11a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 11, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_11p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 11, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:11))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_12a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 12, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_12p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 12, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:12))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_13a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 13, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_13p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 13, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:13))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_14a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 14, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_14p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 14, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:14))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_15a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 15, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14), from%dims(15)))
         if (size(value) > 0) status = copied(from, int(linkspan_i16, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i16_15p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int16), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 15, int(linkspan_i16, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:15))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine put_i32(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      integer(int32), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_i32(self, value, key), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine add_i32(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      integer(int32), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_i32(self, value), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   function store_i32(self, value, key) result(status)
      class(linkspan_message), intent(in) :: self
      integer(int32), intent(in), contiguous, target :: value(..)
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: status
      type(c_ptr) :: place
      integer(int32), pointer :: one
      if (rank(value) == 0) then
         call c_f_pointer(c_loc(value), one)
         if (present(key)) then
            status = put_at_i64(self%handle, key, int(one, c_int64_t))
         else
            status = c_message_put_i64(self%handle, value=int(one, c_int64_t))
         end if
         return
      end if
      place = c_null_ptr
      if (size(value) > 0) place = c_loc(value)
      status = put_elements(self, key, int(linkspan_i32, c_int32_t), shape(value, kind=c_int64_t), place)
   end function

   subroutine get_i32_0(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), intent(out) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(int64) :: wide
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      value = 0
      status = get_at_i64(self%handle, path, wide)
      if (status == linkspan_ok) then
         if (wide < -int(huge(value), int64) - 1 .or. wide > huge(value)) then
            status = linkspan_out_of_range
            why = "an integer is there that does not fit 32 bits, at path "//path
         else
            value = int(wide, int32)
         end if
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_1a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      integer :: i, state
      why = ""
      if (is_list(self, path)) then
         allocate (value(self%count(path)))
         status = linkspan_ok
         do i = 1, size(value)
            call get_i32_0(self, below(path, i - 1), value(i), stat=state, errmsg=why)
            status = int(state, c_int32_t)
            if (status /= linkspan_ok) exit
         end do
         if (status /= linkspan_ok) deallocate (value)
         call finish(status, stat, why)
         if (present(errmsg)) call explain(errmsg, stat, why)
         return
      end if
      call look_up(self, path, 1, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_1p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 1, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:1))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_2a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 2, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_2p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 2, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:2))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_3a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 3, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_3p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 3, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:3))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_4a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 4, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_4p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 4, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:4))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_5a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 5, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_5p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 5, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:5))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_6a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 6, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_6p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 6, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:6))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_7a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 7, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_7p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 7, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:7))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_8a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 8, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_8p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 8, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:8))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_9a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 9, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_9p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 9, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:9))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_10a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 10, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_10p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 10, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:10))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_11a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 11, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_11p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 11, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:11))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_12a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 12, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_12p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 12, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:12))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_13a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 13, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_13p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 13, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:13))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_14a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 14, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_14p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 14, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:14))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_15a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 15, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14), from%dims(15)))
         if (size(value) > 0) status = copied(from, int(linkspan_i32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i32_15p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 15, int(linkspan_i32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:15))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine put_i64(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      integer(int64), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_i64(self, value, key), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine add_i64(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      integer(int64), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_i64(self, value), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   function store_i64(self, value, key) result(status)
      class(linkspan_message), intent(in) :: self
      integer(int64), intent(in), contiguous, target :: value(..)
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: status
      type(c_ptr) :: place
      integer(int64), pointer :: one
      if (rank(value) == 0) then
         call c_f_pointer(c_loc(value), one)
         if (present(key)) then
            status = put_at_i64(self%handle, key, int(one, c_int64_t))
         else
            status = c_message_put_i64(self%handle, value=int(one, c_int64_t))
         end if
         return
      end if
      place = c_null_ptr
      if (size(value) > 0) place = c_loc(value)
      status = put_elements(self, key, int(linkspan_i64, c_int32_t), shape(value, kind=c_int64_t), place)
   end function

   subroutine get_i64_0(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), intent(out) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(get_at_i64(self%handle, path, value), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine get_i64_1a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      integer :: i, state
      why = ""
      if (is_list(self, path)) then
         allocate (value(self%count(path)))
         status = linkspan_ok
         do i = 1, size(value)
            call get_i64_0(self, below(path, i - 1), value(i), stat=state, errmsg=why)
            status = int(state, c_int32_t)
            if (status /= linkspan_ok) exit
         end do
         if (status /= linkspan_ok) deallocate (value)
         call finish(status, stat, why)
         if (present(errmsg)) call explain(errmsg, stat, why)
         return
      end if
      call look_up(self, path, 1, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_1p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 1, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:1))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_2a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 2, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_2p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 2, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:2))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_3a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 3, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_3p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 3, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:3))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_4a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 4, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_4p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 4, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:4))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_5a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 5, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_5p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 5, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:5))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_6a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 6, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_6p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 6, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:6))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_7a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 7, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_7p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 7, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:7))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_8a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 8, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_8p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 8, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:8))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_9a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 9, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_9p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 9, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:9))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_10a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 10, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_10p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 10, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:10))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_11a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 11, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_11p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 11, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:11))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_12a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 12, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_12p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 12, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:12))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_13a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 13, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_13p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 13, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:13))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_14a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 14, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_14p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 14, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:14))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_15a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 15, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14), from%dims(15)))
         if (size(value) > 0) status = copied(from, int(linkspan_i64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_i64_15p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      integer(int64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 15, int(linkspan_i64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:15))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine put_r32(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      real(real32), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_r32(self, value, key), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine add_r32(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      real(real32), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_r32(self, value), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   function store_r32(self, value, key) result(status)
      class(linkspan_message), intent(in) :: self
      real(real32), intent(in), contiguous, target :: value(..)
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: status
      type(c_ptr) :: place
      real(real32), pointer :: one
      if (rank(value) == 0) then
         call c_f_pointer(c_loc(value), one)
         if (present(key)) then
            status = put_at_f64(self%handle, key, real(one, c_double))
         else
            status = c_message_put_f64(self%handle, value=real(one, c_double))
         end if
         return
      end if
      place = c_null_ptr
      if (size(value) > 0) place = c_loc(value)
      status = put_elements(self, key, int(linkspan_f32, c_int32_t), shape(value, kind=c_int64_t), place)
   end function

   subroutine get_r32_0(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), intent(out) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      real(real64) :: wide
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      value = 0
      status = get_at_f64(self%handle, path, wide)
      if (status == linkspan_ok) call narrow(wide, path, value, status, why)
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_1a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      integer :: i, state
      why = ""
      if (is_list(self, path)) then
         allocate (value(self%count(path)))
         status = linkspan_ok
         do i = 1, size(value)
            call get_r32_0(self, below(path, i - 1), value(i), stat=state, errmsg=why)
            status = int(state, c_int32_t)
            if (status /= linkspan_ok) exit
         end do
         if (status /= linkspan_ok) deallocate (value)
         call finish(status, stat, why)
         if (present(errmsg)) call explain(errmsg, stat, why)
         return
      end if
      call look_up(self, path, 1, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_1p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 1, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:1))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_2a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 2, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_2p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 2, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:2))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_3a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 3, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_3p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 3, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:3))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_4a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 4, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_4p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 4, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:4))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_5a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 5, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_5p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 5, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:5))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_6a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 6, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_6p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 6, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:6))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_7a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 7, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_7p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 7, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:7))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_8a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 8, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_8p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 8, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:8))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_9a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 9, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_9p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 9, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:9))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_10a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 10, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_10p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 10, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:10))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_11a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 11, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_11p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 11, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:11))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_12a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 12, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_12p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 12, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:12))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_13a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 13, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_13p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 13, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:13))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_14a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 14, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_14p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 14, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:14))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_15a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 15, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14), from%dims(15)))
         if (size(value) > 0) status = copied(from, int(linkspan_f32, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r32_15p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 15, int(linkspan_f32, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:15))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine put_r64(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      real(real64), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_r64(self, value, key), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine add_r64(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      real(real64), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_r64(self, value), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   function store_r64(self, value, key) result(status)
      class(linkspan_message), intent(in) :: self
      real(real64), intent(in), contiguous, target :: value(..)
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: status
      type(c_ptr) :: place
      real(real64), pointer :: one
      if (rank(value) == 0) then
         call c_f_pointer(c_loc(value), one)
         if (present(key)) then
            status = put_at_f64(self%handle, key, real(one, c_double))
         else
            status = c_message_put_f64(self%handle, value=real(one, c_double))
         end if
         return
      end if
      place = c_null_ptr
      if (size(value) > 0) place = c_loc(value)
      status = put_elements(self, key, int(linkspan_f64, c_int32_t), shape(value, kind=c_int64_t), place)
   end function

   subroutine get_r64_0(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), intent(out) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(get_at_f64(self%handle, path, value), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine get_r64_1a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      integer :: i, state
      why = ""
      if (is_list(self, path)) then
         allocate (value(self%count(path)))
         status = linkspan_ok
         do i = 1, size(value)
            call get_r64_0(self, below(path, i - 1), value(i), stat=state, errmsg=why)
            status = int(state, c_int32_t)
            if (status /= linkspan_ok) exit
         end do
         if (status /= linkspan_ok) deallocate (value)
         call finish(status, stat, why)
         if (present(errmsg)) call explain(errmsg, stat, why)
         return
      end if
      call look_up(self, path, 1, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_1p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 1, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:1))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_2a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 2, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_2p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 2, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:2))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_3a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 3, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_3p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 3, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:3))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_4a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 4, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_4p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 4, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:4))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_5a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 5, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_5p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 5, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:5))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_6a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 6, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_6p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 6, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:6))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_7a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 7, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_7p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 7, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:7))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_8a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 8, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_8p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 8, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:8))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_9a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 9, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_9p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 9, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:9))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_10a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 10, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_10p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 10, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:10))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_11a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 11, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_11p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 11, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:11))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_12a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 12, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_12p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 12, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:12))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_13a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 13, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_13p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 13, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:13))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_14a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 14, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_14p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 14, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:14))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_15a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 15, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14), from%dims(15)))
         if (size(value) > 0) status = copied(from, int(linkspan_f64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_r64_15p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      real(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 15, int(linkspan_f64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:15))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine put_c32(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      complex(real32), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_c32(self, value, key), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine add_c32(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      complex(real32), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_c32(self, value), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   function store_c32(self, value, key) result(status)
      class(linkspan_message), intent(in) :: self
      complex(real32), intent(in), contiguous, target :: value(..)
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: status
      type(c_ptr) :: place
      place = c_null_ptr
      if (size(value) > 0) place = c_loc(value)
      status = put_elements(self, key, int(linkspan_c64, c_int32_t), shape(value, kind=c_int64_t), place)
   end function

   subroutine get_c32_0(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), intent(out), target :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status, type
      real(real64) :: plain
      real(real32) :: single
      character(:), allocatable :: why
      why = ""
      value = 0
      status = c_message_get_type(self%handle, terminated(path), type)
      if (status == linkspan_ok .and. type == linkspan_type_ndarray) then
         call look_up(self, path, 0, from, status, why)
         if (status == linkspan_ok) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
      else if (status == linkspan_ok) then
         status = get_at_f64(self%handle, path, plain)
         single = 0
         if (status == linkspan_ok) call narrow(plain, path, single, status, why)
         value = cmplx(single)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_1a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      integer :: i, state
      why = ""
      if (is_list(self, path)) then
         allocate (value(self%count(path)))
         status = linkspan_ok
         do i = 1, size(value)
            call get_c32_0(self, below(path, i - 1), value(i), stat=state, errmsg=why)
            status = int(state, c_int32_t)
            if (status /= linkspan_ok) exit
         end do
         if (status /= linkspan_ok) deallocate (value)
         call finish(status, stat, why)
         if (present(errmsg)) call explain(errmsg, stat, why)
         return
      end if
      call look_up(self, path, 1, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_1p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 1, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:1))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_2a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 2, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_2p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 2, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:2))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_3a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 3, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_3p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 3, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:3))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_4a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 4, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_4p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 4, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:4))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_5a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 5, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_5p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 5, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:5))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_6a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 6, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_6p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 6, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:6))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_7a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 7, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_7p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 7, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:7))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_8a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 8, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_8p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 8, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:8))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_9a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 9, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_9p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 9, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:9))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_10a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 10, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_10p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 10, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:10))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_11a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 11, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_11p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 11, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:11))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_12a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 12, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_12p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 12, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:12))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_13a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 13, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_13p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 13, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:13))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_14a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 14, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_14p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 14, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:14))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_15a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 15, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14), from%dims(15)))
         if (size(value) > 0) status = copied(from, int(linkspan_c64, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c32_15p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real32), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 15, int(linkspan_c64, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:15))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine put_c64(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      complex(real64), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_c64(self, value, key), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine add_c64(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      complex(real64), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_c64(self, value), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   function store_c64(self, value, key) result(status)
      class(linkspan_message), intent(in) :: self
      complex(real64), intent(in), contiguous, target :: value(..)
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: status
      type(c_ptr) :: place
      place = c_null_ptr
      if (size(value) > 0) place = c_loc(value)
      status = put_elements(self, key, int(linkspan_c128, c_int32_t), shape(value, kind=c_int64_t), place)
   end function

   subroutine get_c64_0(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), intent(out), target :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status, type
      real(real64) :: plain
      character(:), allocatable :: why
      why = ""
      value = 0
      status = c_message_get_type(self%handle, terminated(path), type)
      if (status == linkspan_ok .and. type == linkspan_type_ndarray) then
         call look_up(self, path, 0, from, status, why)
         if (status == linkspan_ok) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
      else if (status == linkspan_ok) then
         status = get_at_f64(self%handle, path, plain)
         value = cmplx(plain, kind=real64)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_1a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      integer :: i, state
      why = ""
      if (is_list(self, path)) then
         allocate (value(self%count(path)))
         status = linkspan_ok
         do i = 1, size(value)
            call get_c64_0(self, below(path, i - 1), value(i), stat=state, errmsg=why)
            status = int(state, c_int32_t)
            if (status /= linkspan_ok) exit
         end do
         if (status /= linkspan_ok) deallocate (value)
         call finish(status, stat, why)
         if (present(errmsg)) call explain(errmsg, stat, why)
         return
      end if
      call look_up(self, path, 1, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_1p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 1, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:1))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_2a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 2, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_2p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 2, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:2))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_3a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 3, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_3p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 3, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:3))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_4a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 4, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_4p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 4, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:4))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_5a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 5, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_5p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 5, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:5))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_6a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 6, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_6p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 6, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:6))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_7a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 7, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_7p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 7, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:7))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_8a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 8, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_8p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 8, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:8))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_9a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 9, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_9p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 9, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:9))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_10a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 10, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_10p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 10, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:10))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_11a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 11, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_11p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 11, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:11))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_12a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 12, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_12p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 12, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:12))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_13a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 13, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_13p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 13, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:13))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_14a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 14, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_14p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 14, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:14))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_15a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 15, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14), from%dims(15)))
         if (size(value) > 0) status = copied(from, int(linkspan_c128, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_c64_15p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      complex(real64), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 15, int(linkspan_c128, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:15))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine put_bool(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      logical(c_bool), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_bool(self, value, key), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine add_bool(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      logical(c_bool), intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_bool(self, value), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   function store_bool(self, value, key) result(status)
      class(linkspan_message), intent(in) :: self
      logical(c_bool), intent(in), contiguous, target :: value(..)
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: status
      type(c_ptr) :: place
      logical(c_bool), pointer :: one
      if (rank(value) == 0) then
         call c_f_pointer(c_loc(value), one)
         if (present(key)) then
            status = put_at_bool(self%handle, key, one)
         else
            status = c_message_put_bool(self%handle, value=one)
         end if
         return
      end if
      place = c_null_ptr
      if (size(value) > 0) place = c_loc(value)
      status = put_elements(self, key, int(linkspan_bool, c_int32_t), shape(value, kind=c_int64_t), place)
   end function

   subroutine get_bool_0(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), intent(out) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(get_at_bool(self%handle, path, value), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine get_bool_1a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      integer :: i, state
      why = ""
      if (is_list(self, path)) then
         allocate (value(self%count(path)))
         status = linkspan_ok
         do i = 1, size(value)
            call get_bool_0(self, below(path, i - 1), value(i), stat=state, errmsg=why)
            status = int(state, c_int32_t)
            if (status /= linkspan_ok) exit
         end do
         if (status /= linkspan_ok) deallocate (value)
         call finish(status, stat, why)
         if (present(errmsg)) call explain(errmsg, stat, why)
         return
      end if
      call look_up(self, path, 1, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_1p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 1, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:1))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_2a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 2, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_2p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 2, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:2))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_3a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 3, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_3p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 3, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:3))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_4a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 4, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_4p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 4, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:4))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_5a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 5, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_5p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 5, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:5))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_6a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 6, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_6p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 6, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:6))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_7a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 7, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_7p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 7, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:7))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_8a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 8, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_8p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 8, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:8))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_9a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 9, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_9p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 9, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:9))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_10a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 10, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_10p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 10, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:10))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_11a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 11, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_11p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 11, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:11))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_12a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 12, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_12p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 12, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:12))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_13a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 13, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_13p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 13, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:13))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_14a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 14, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_14p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 14, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:14))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_15a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), allocatable, target, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      call look_up(self, path, 15, from, status, why)
      if (status == linkspan_ok) then
         allocate (value(from%dims(1), from%dims(2), from%dims(3), from%dims(4), from%dims(5), from%dims(6), &
            from%dims(7), from%dims(8), from%dims(9), from%dims(10), from%dims(11), from%dims(12), from%dims(13), &
            from%dims(14), from%dims(15)))
         if (size(value) > 0) status = copied(from, int(linkspan_bool, c_int32_t), c_loc(value))
         if (status /= linkspan_ok) deallocate (value)
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_bool_15p(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical(c_bool), pointer, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: from
      integer(c_int32_t) :: status
      character(:), allocatable :: why
      why = ""
      nullify (value)
      call look_up_view(self, path, 15, int(linkspan_bool, c_int32_t), from, status, why)
      if (status == linkspan_ok) call c_f_pointer(from%data, value, from%dims(:15))
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine put_logical(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      logical, intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_logical(self, value, key), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine add_logical(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      logical, intent(in), contiguous, target :: value(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_logical(self, value), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   function store_logical(self, value, key) result(status)
      class(linkspan_message), intent(in) :: self
      logical, intent(in), contiguous, target :: value(..)
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: status
      logical, pointer :: flat(:)
      logical(c_bool), allocatable, target :: bytes(:)
      type(c_ptr) :: place
      place = c_null_ptr
      if (size(value) > 0) then
         call c_f_pointer(c_loc(value), flat, [size(value)])
         bytes = logical(flat, c_bool)
         if (rank(value) == 0) then
            status = store_bool(self, bytes(1), key)
            return
         end if
         place = c_loc(bytes)
      end if
      status = put_elements(self, key, int(linkspan_bool, c_int32_t), shape(value, kind=c_int64_t), place)
   end function

   subroutine get_logical_0(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, intent(out) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool) :: truth
      call finish(get_at_bool(self%handle, path, truth), stat)
      if (present(errmsg)) call explain(errmsg, stat)
      value = truth
   end subroutine

   subroutine get_logical_1a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_1a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_logical_2a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:, :)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_2a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_logical_3a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:, :, :)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_3a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_logical_4a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:, :, :, :)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_4a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_logical_5a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:, :, :, :, :)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_5a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_logical_6a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:, :, :, :, :, :)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_6a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_logical_7a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:, :, :, :, :, :, :)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_7a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_logical_8a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:, :, :, :, :, :, :, :)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_8a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_logical_9a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:, :, :, :, :, :, :, :, :)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_9a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_logical_10a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:, :, :, :, :, :, :, :, :, :)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_10a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_logical_11a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:, :, :, :, :, :, :, :, :, :, :)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_11a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_logical_12a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:, :, :, :, :, :, :, :, :, :, :, :)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_12a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_logical_13a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:, :, :, :, :, :, :, :, :, :, :, :, :)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_13a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_logical_14a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_14a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   subroutine get_logical_15a(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      logical, allocatable, intent(out) :: value(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical(c_bool), allocatable :: bytes(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      integer :: state
      character(:), allocatable :: why
      why = ""
      call get_bool_15a(self, path, bytes, stat=state, errmsg=why)
      if (state == linkspan_ok) value = bytes
      call finish(int(state, c_int32_t), stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
   end subroutine

   ! ------------------------------------------------------------------------------------------------------- loans

   subroutine message_put_loan(self, key, array, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      type(*), intent(in), target :: array(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: given
      call ensure(self)
      given%order = linkspan_column
      given%data = c_loc(array)
      call finish(c_message_put_loan(self%handle, terminated(key), given), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_add_loan(self, array, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      type(*), intent(in), target :: array(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: given
      call ensure(self)
      given%order = linkspan_column
      given%data = c_loc(array)
      call finish(c_message_put_loan(self%handle, array=given), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Frees an array that `loan` gave and that was not put into a message; linkspan_invalid_state for any other.
   subroutine linkspan_loan_free(array, stat, errmsg)
      type(*), intent(in), target :: array(..)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: given
      given%data = c_loc(array)
      call finish(c_loan_free(given), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Takes memory of this shape; `lent` points to it.
   function channel_lend(self, dtype, shape, lent) result(status)
      class(linkspan_channel), intent(in) :: self
      integer(c_int32_t), intent(in) :: dtype
      integer, intent(in) :: shape(:)
      type(c_array), intent(inout) :: lent
      integer(c_int32_t) :: status
      status = c_channel_loan(self%handle, dtype, size(shape, kind=c_size_t), int(shape, c_int64_t), lent)
   end function

   subroutine channel_loan_i8_1(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i8_2(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i8_3(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i8_4(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i8_5(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i8_6(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i8_7(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i16_1(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i16_2(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i16_3(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i16_4(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i16_5(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i16_6(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i16_7(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i32_1(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i32_2(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i32_3(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i32_4(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i32_5(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i32_6(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i32_7(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i64_1(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i64_2(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i64_3(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i64_4(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i64_5(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i64_6(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_i64_7(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_r32_1(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_r32_2(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_r32_3(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_r32_4(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_r32_5(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_r32_6(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_r32_7(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_r64_1(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_r64_2(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_r64_3(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_r64_4(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_r64_5(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_r64_6(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_r64_7(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_c32_1(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_c32_2(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_c32_3(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_c32_4(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_c32_5(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_c32_6(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_c32_7(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_c64_1(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_c64_2(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_c64_3(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_c64_4(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_c64_5(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_c64_6(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_c64_7(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_bool_1(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_bool_2(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_bool_3(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_bool_4(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_bool_5(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_bool_6(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_loan_bool_7(self, array, shape, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = channel_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Takes memory of this shape; `lent` points to it.
   function message_lend(self, dtype, shape, lent) result(status)
      class(linkspan_message), intent(in) :: self
      integer(c_int32_t), intent(in) :: dtype
      integer, intent(in) :: shape(:)
      type(c_array), intent(inout) :: lent
      integer(c_int32_t) :: status
      status = c_request_loan(self%handle, dtype, size(shape, kind=c_size_t), int(shape, c_int64_t), lent)
   end function

   subroutine message_loan_i8_1(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i8_2(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i8_3(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i8_4(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i8_5(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i8_6(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i8_7(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i16_1(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i16_2(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i16_3(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i16_4(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i16_5(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i16_6(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i16_7(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i32_1(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i32_2(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i32_3(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i32_4(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i32_5(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i32_6(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i32_7(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i64_1(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i64_2(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i64_3(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i64_4(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i64_5(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i64_6(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_i64_7(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_r32_1(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_r32_2(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_r32_3(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_r32_4(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_r32_5(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_r32_6(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_r32_7(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_r64_1(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_r64_2(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_r64_3(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_r64_4(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_r64_5(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_r64_6(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_r64_7(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_c32_1(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_c32_2(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_c32_3(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_c32_4(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_c32_5(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_c32_6(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_c32_7(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_c64_1(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_c64_2(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_c64_3(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_c64_4(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_c64_5(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_c64_6(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_c64_7(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_bool_1(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_bool_2(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_bool_3(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_bool_4(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_bool_5(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_bool_6(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine message_loan_bool_7(self, array, shape, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = message_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Takes memory of this shape; `lent` points to it.
   function publisher_lend(self, dtype, shape, lent) result(status)
      class(linkspan_publisher), intent(in) :: self
      integer(c_int32_t), intent(in) :: dtype
      integer, intent(in) :: shape(:)
      type(c_array), intent(inout) :: lent
      integer(c_int32_t) :: status
      status = c_publisher_loan(self%handle, dtype, size(shape, kind=c_size_t), int(shape, c_int64_t), lent)
   end function

   subroutine publisher_loan_i8_1(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i8_2(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i8_3(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i8_4(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i8_5(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i8_6(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i8_7(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int8), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i8, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i16_1(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i16_2(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i16_3(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i16_4(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i16_5(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i16_6(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i16_7(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int16), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i16, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i32_1(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i32_2(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i32_3(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i32_4(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i32_5(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i32_6(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i32_7(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int32), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i64_1(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i64_2(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i64_3(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i64_4(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i64_5(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i64_6(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_i64_7(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer(int64), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_i64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_r32_1(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_r32_2(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_r32_3(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_r32_4(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_r32_5(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_r32_6(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_r32_7(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      real(real32), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_f32, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_r64_1(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_r64_2(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_r64_3(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_r64_4(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_r64_5(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_r64_6(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_r64_7(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      real(real64), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_f64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_c32_1(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_c32_2(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_c32_3(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_c32_4(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_c32_5(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_c32_6(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_c32_7(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      complex(real32), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_c64, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_c64_1(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_c64_2(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_c64_3(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_c64_4(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_c64_5(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_c64_6(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_c64_7(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      complex(real64), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_c128, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_bool_1(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:)
      integer, intent(in) :: shape(1)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_bool_2(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :)
      integer, intent(in) :: shape(2)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_bool_3(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :)
      integer, intent(in) :: shape(3)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_bool_4(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :, :)
      integer, intent(in) :: shape(4)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_bool_5(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :, :, :)
      integer, intent(in) :: shape(5)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_bool_6(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :, :, :, :)
      integer, intent(in) :: shape(6)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_loan_bool_7(self, array, shape, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      logical(c_bool), pointer, intent(out) :: array(:, :, :, :, :, :, :)
      integer, intent(in) :: shape(7)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_array) :: lent
      integer(c_int32_t) :: status
      nullify (array)
      status = publisher_lend(self, int(linkspan_bool, c_int32_t), shape, lent)
      if (status == linkspan_ok) call c_f_pointer(lent%data, array, shape)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! A text is sent as it is given; the elements of an array are sent without their trailing blanks, as an array of
   ! texts.
   subroutine put_text(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      character(*), intent(in) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_text(self, value, key), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine add_text(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(store_text(self, value), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   function store_text(self, value, key) result(status)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in), target :: value
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: status
      if (present(key)) then
         status = put_at_text(self%handle, key, value)
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
      status = c_message_begin_array(self%handle, terminated(key))
      if (status == linkspan_ok) status = store_texts(self, value)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      status = get_at_text(self%handle, path, pointer, length)
      if (status == linkspan_ok) value = text_of_length(pointer, length)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      status = c_message_get_type(self%handle, terminated(path), type)
      if (status == linkspan_ok .and. type /= linkspan_type_array) then
         status = linkspan_wrong_type
         why = "expected an array of texts, found no array, at path "//path
      end if
      if (status == linkspan_ok) status = c_message_count(self%handle, terminated(path), number)
      do i = 0, int(number) - 1
         if (status /= linkspan_ok) exit
         status = c_message_get_text(self%handle, terminated(below(path, i)), pointer, length)
         longest = max(longest, length)
      end do
      if (status == linkspan_ok) then
         allocate (character(int(longest)) :: value(number))
         do i = 0, int(number) - 1
            status = c_message_get_text(self%handle, terminated(below(path, i)), pointer, length)
            value(i + 1) = text_of_length(pointer, length)
         end do
      end if
      call finish(status, stat, why)
      if (present(errmsg)) call explain(errmsg, stat, why)
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
      call finish(c_message_put_timestamp(self%handle, terminated(key), value%nanoseconds), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine add_timestamp(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      type(linkspan_timestamp), intent(in) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_timestamp(self%handle, nanoseconds=value%nanoseconds), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine get_timestamp(self, path, value, stat, errmsg)
      class(linkspan_message), intent(in) :: self
      character(*), intent(in) :: path
      type(linkspan_timestamp), intent(out) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_message_get_timestamp(self%handle, terminated(path), value%nanoseconds), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine put_message(self, key, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      character(*), intent(in) :: key
      type(linkspan_message), intent(in) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_message(self%handle, terminated(key), value%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine add_message(self, value, stat, errmsg)
      class(linkspan_message), intent(inout) :: self
      type(linkspan_message), intent(in) :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(self)
      call finish(c_message_put_message(self%handle, value=value%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! ---------------------------------------------------------------------------------------------------- channels

   subroutine channel_release(self)
      class(linkspan_channel), intent(inout) :: self
      ! Its own handle, which is released once: there is no error.
      integer(c_int32_t) :: outcome
      outcome = c_channel_free(self%handle)
      self%handle = c_null_ptr
   end subroutine

   impure elemental subroutine channel_final(self)
      type(linkspan_channel), intent(inout) :: self
      call channel_release(self)
   end subroutine

   ! A copy would be released twice.
   subroutine channel_assign(left, right)
      class(linkspan_channel), intent(inout) :: left
      type(linkspan_channel), intent(in) :: right
      if (c_associated(left%handle) .or. c_associated(right%handle)) &
         error stop "linkspan: a channel is not copied; pass it as an argument, or point to it"
   end subroutine

   ! Closes it and gives back what it holds; what is closed already stays so.
   subroutine channel_close(self, timeout, stat, errmsg)
      class(linkspan_channel), intent(inout) :: self
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int32_t) :: status
      status = linkspan_ok
      if (c_associated(self%handle)) status = c_channel_close(self%handle, nanoseconds(timeout))
      call channel_release(self)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! A descriptor for event loops: readable while the object has something to give.
   function channel_fileno(self, stat, errmsg) result(fd)
      class(linkspan_channel), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: fd
      integer(c_int) :: number
      call finish(c_channel_fileno(self%handle, number), stat)
      if (present(errmsg)) call explain(errmsg, stat)
      fd = number
   end function

   ! Counters as a map.
   subroutine channel_stats(self, stats, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      type(linkspan_message), intent(inout) :: stats
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_channel_stats(self%handle, handle)
      if (status == linkspan_ok) call take(stats, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! What has happened since the last call: an array of maps with kind, at, missed and text.
   subroutine channel_events(self, events, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      type(linkspan_message), intent(inout) :: events
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_channel_events(self%handle, handle)
      if (status == linkspan_ok) call take(events, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Receives a message; `message` is unchanged if the call fails.
   subroutine channel_recv(self, message, timeout, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      type(linkspan_message), intent(inout) :: message
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_channel_recv(self%handle, nanoseconds(timeout), handle)
      if (status == linkspan_ok) call take(message, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Waits for a message and also takes those that have arrived behind it, as many as messages has room for.
   ! The first number of them are new. They count as consumed with the next call that receives.
   subroutine channel_recv_many(self, messages, number, timeout, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      type(linkspan_message), intent(inout) :: messages(:)
      integer, intent(out) :: number
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handles(max(size(messages), 1))
      integer(c_size_t) :: count
      integer(c_int32_t) :: status
      integer :: i
      status = c_channel_recv_many(self%handle, size(messages, kind=c_size_t), nanoseconds(timeout), handles, count)
      number = int(count)
      do i = 1, number
         call take(messages(i), handles(i))
      end do
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Receives a message without waiting; linkspan_empty if none is available.
   subroutine channel_try_recv(self, message, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      type(linkspan_message), intent(inout) :: message
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_channel_try_recv(self%handle, handle)
      if (status == linkspan_ok) call take(message, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! With the option ack="manual": acknowledges all messages that were received.
   subroutine channel_ack(self, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_channel_ack(self%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Whether a message is available.
   function channel_poll(self, stat, errmsg) result(there)
      class(linkspan_channel), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical :: there
      logical(c_bool) :: found
      call finish(c_channel_poll(self%handle, found), stat)
      if (present(errmsg)) call explain(errmsg, stat)
      there = found
   end function

   ! ---------------------------------------------------------------------------------------------------- listeners

   subroutine listener_release(self)
      class(linkspan_listener), intent(inout) :: self
      ! Its own handle, which is released once: there is no error.
      integer(c_int32_t) :: outcome
      outcome = c_listener_free(self%handle)
      self%handle = c_null_ptr
   end subroutine

   impure elemental subroutine listener_final(self)
      type(linkspan_listener), intent(inout) :: self
      call listener_release(self)
   end subroutine

   ! A copy would be released twice.
   subroutine listener_assign(left, right)
      class(linkspan_listener), intent(inout) :: left
      type(linkspan_listener), intent(in) :: right
      if (c_associated(left%handle) .or. c_associated(right%handle)) &
         error stop "linkspan: a listener is not copied; pass it as an argument, or point to it"
   end subroutine

   ! Closes it and gives back what it holds; what is closed already stays so.
   subroutine listener_close(self, stat, errmsg)
      class(linkspan_listener), intent(inout) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int32_t) :: status
      status = linkspan_ok
      if (c_associated(self%handle)) status = c_listener_close(self%handle)
      call listener_release(self)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! A descriptor for event loops: readable while the object has something to give.
   function listener_fileno(self, stat, errmsg) result(fd)
      class(linkspan_listener), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: fd
      integer(c_int) :: number
      call finish(c_listener_fileno(self%handle, number), stat)
      if (present(errmsg)) call explain(errmsg, stat)
      fd = number
   end function

   ! ---------------------------------------------------------------------------------------------------- servers

   subroutine server_release(self)
      class(linkspan_server), intent(inout) :: self
      ! Its own handle, which is released once: there is no error.
      integer(c_int32_t) :: outcome
      outcome = c_server_free(self%handle)
      self%handle = c_null_ptr
   end subroutine

   impure elemental subroutine server_final(self)
      type(linkspan_server), intent(inout) :: self
      call server_release(self)
   end subroutine

   ! A copy would be released twice.
   subroutine server_assign(left, right)
      class(linkspan_server), intent(inout) :: left
      type(linkspan_server), intent(in) :: right
      if (c_associated(left%handle) .or. c_associated(right%handle)) &
         error stop "linkspan: a server is not copied; pass it as an argument, or point to it"
   end subroutine

   ! Closes it and gives back what it holds; what is closed already stays so.
   subroutine server_close(self, timeout, stat, errmsg)
      class(linkspan_server), intent(inout) :: self
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int32_t) :: status
      status = linkspan_ok
      if (c_associated(self%handle)) status = c_server_close(self%handle, nanoseconds(timeout))
      call server_release(self)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! A descriptor for event loops: readable while the object has something to give.
   function server_fileno(self, stat, errmsg) result(fd)
      class(linkspan_server), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: fd
      integer(c_int) :: number
      call finish(c_server_fileno(self%handle, number), stat)
      if (present(errmsg)) call explain(errmsg, stat)
      fd = number
   end function

   ! Counters as a map.
   subroutine server_stats(self, stats, stat, errmsg)
      class(linkspan_server), intent(in) :: self
      type(linkspan_message), intent(inout) :: stats
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_server_stats(self%handle, handle)
      if (status == linkspan_ok) call take(stats, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! What has happened since the last call: an array of maps with kind, at, missed and text.
   subroutine server_events(self, events, stat, errmsg)
      class(linkspan_server), intent(in) :: self
      type(linkspan_message), intent(inout) :: events
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_server_events(self%handle, handle)
      if (status == linkspan_ok) call take(events, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! The next request, for ever without a time-out; false at close and at a stop signal. What `request` held is
   ! released first.
   function server_next(self, request, timeout, stat, errmsg) result(more)
      class(linkspan_server), intent(in) :: self
      type(linkspan_message), intent(inout) :: request
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical :: more
      call request%release()
      call finish(c_server_next(self%handle, nanoseconds(timeout), request%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
      more = c_associated(request%handle)
   end function

   ! ---------------------------------------------------------------------------------------------------- publishers

   subroutine publisher_release(self)
      class(linkspan_publisher), intent(inout) :: self
      ! Its own handle, which is released once: there is no error.
      integer(c_int32_t) :: outcome
      outcome = c_publisher_free(self%handle)
      self%handle = c_null_ptr
   end subroutine

   impure elemental subroutine publisher_final(self)
      type(linkspan_publisher), intent(inout) :: self
      call publisher_release(self)
   end subroutine

   ! A copy would be released twice.
   subroutine publisher_assign(left, right)
      class(linkspan_publisher), intent(inout) :: left
      type(linkspan_publisher), intent(in) :: right
      if (c_associated(left%handle) .or. c_associated(right%handle)) &
         error stop "linkspan: a publisher is not copied; pass it as an argument, or point to it"
   end subroutine

   ! Closes it and gives back what it holds; what is closed already stays so.
   subroutine publisher_close(self, stat, errmsg)
      class(linkspan_publisher), intent(inout) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int32_t) :: status
      status = linkspan_ok
      if (c_associated(self%handle)) status = c_publisher_close(self%handle, linkspan_default)
      call publisher_release(self)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Counters as a map.
   subroutine publisher_stats(self, stats, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      type(linkspan_message), intent(inout) :: stats
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_publisher_stats(self%handle, handle)
      if (status == linkspan_ok) call take(stats, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! What has happened since the last call: an array of maps with kind, at, missed and text.
   subroutine publisher_events(self, events, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      type(linkspan_message), intent(inout) :: events
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_publisher_events(self%handle, handle)
      if (status == linkspan_ok) call take(events, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! ---------------------------------------------------------------------------------------------------- subscribers

   subroutine subscriber_release(self)
      class(linkspan_subscriber), intent(inout) :: self
      ! Its own handle, which is released once: there is no error.
      integer(c_int32_t) :: outcome
      outcome = c_subscriber_free(self%handle)
      self%handle = c_null_ptr
   end subroutine

   impure elemental subroutine subscriber_final(self)
      type(linkspan_subscriber), intent(inout) :: self
      call subscriber_release(self)
   end subroutine

   ! A copy would be released twice.
   subroutine subscriber_assign(left, right)
      class(linkspan_subscriber), intent(inout) :: left
      type(linkspan_subscriber), intent(in) :: right
      if (c_associated(left%handle) .or. c_associated(right%handle)) &
         error stop "linkspan: a subscriber is not copied; pass it as an argument, or point to it"
   end subroutine

   ! Closes it and gives back what it holds; what is closed already stays so.
   subroutine subscriber_close(self, stat, errmsg)
      class(linkspan_subscriber), intent(inout) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int32_t) :: status
      status = linkspan_ok
      if (c_associated(self%handle)) status = c_subscriber_close(self%handle)
      call subscriber_release(self)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! A descriptor for event loops: readable while the object has something to give.
   function subscriber_fileno(self, stat, errmsg) result(fd)
      class(linkspan_subscriber), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: fd
      integer(c_int) :: number
      call finish(c_subscriber_fileno(self%handle, number), stat)
      if (present(errmsg)) call explain(errmsg, stat)
      fd = number
   end function

   ! Counters as a map.
   subroutine subscriber_stats(self, stats, stat, errmsg)
      class(linkspan_subscriber), intent(in) :: self
      type(linkspan_message), intent(inout) :: stats
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_subscriber_stats(self%handle, handle)
      if (status == linkspan_ok) call take(stats, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! What has happened since the last call: an array of maps with kind, at, missed and text.
   subroutine subscriber_events(self, events, stat, errmsg)
      class(linkspan_subscriber), intent(in) :: self
      type(linkspan_message), intent(inout) :: events
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_subscriber_events(self%handle, handle)
      if (status == linkspan_ok) call take(events, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Receives a message; `message` is unchanged if the call fails.
   subroutine subscriber_recv(self, message, timeout, stat, errmsg)
      class(linkspan_subscriber), intent(in) :: self
      type(linkspan_message), intent(inout) :: message
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_subscriber_recv(self%handle, nanoseconds(timeout), handle)
      if (status == linkspan_ok) call take(message, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Waits for a message and also takes those that have arrived behind it, as many as messages has room for.
   ! The first number of them are new. They count as consumed with the next call that receives.
   subroutine subscriber_recv_many(self, messages, number, timeout, stat, errmsg)
      class(linkspan_subscriber), intent(in) :: self
      type(linkspan_message), intent(inout) :: messages(:)
      integer, intent(out) :: number
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handles(max(size(messages), 1))
      integer(c_size_t) :: count
      integer(c_int32_t) :: status
      integer :: i
      status = c_subscriber_recv_many(self%handle, size(messages, kind=c_size_t), nanoseconds(timeout), handles, &
         count)
      number = int(count)
      do i = 1, number
         call take(messages(i), handles(i))
      end do
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Receives a message without waiting; linkspan_empty if none is available.
   subroutine subscriber_try_recv(self, message, stat, errmsg)
      class(linkspan_subscriber), intent(in) :: self
      type(linkspan_message), intent(inout) :: message
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_subscriber_try_recv(self%handle, handle)
      if (status == linkspan_ok) call take(message, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! With the option ack="manual": acknowledges all messages that were received.
   subroutine subscriber_ack(self, stat, errmsg)
      class(linkspan_subscriber), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_subscriber_ack(self%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Whether a message is available.
   function subscriber_poll(self, stat, errmsg) result(there)
      class(linkspan_subscriber), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical :: there
      logical(c_bool) :: found
      call finish(c_subscriber_poll(self%handle, found), stat)
      if (present(errmsg)) call explain(errmsg, stat)
      there = found
   end function

   ! The next message, for ever without a time-out; false at close and at a stop signal. What `message` held is
   ! released first. It goes on where messages were missed: `missed()` of the message is how many just
   ! before it.
   function subscriber_next(self, message, timeout, stat, errmsg) result(more)
      class(linkspan_subscriber), intent(in) :: self
      type(linkspan_message), intent(inout) :: message
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical :: more
      call message%release()
      call finish(c_subscriber_next(self%handle, nanoseconds(timeout), message%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
      more = c_associated(message%handle)
   end function

   ! ---------------------------------------------------------------------------------------------------- regions

   subroutine region_release(self)
      class(linkspan_region), intent(inout) :: self
      ! Its own handle, which is released once: there is no error.
      integer(c_int32_t) :: outcome
      outcome = c_region_free(self%handle)
      self%handle = c_null_ptr
   end subroutine

   impure elemental subroutine region_final(self)
      type(linkspan_region), intent(inout) :: self
      call region_release(self)
   end subroutine

   ! A copy would be released twice.
   subroutine region_assign(left, right)
      class(linkspan_region), intent(inout) :: left
      type(linkspan_region), intent(in) :: right
      if (c_associated(left%handle) .or. c_associated(right%handle)) &
         error stop "linkspan: a region is not copied; pass it as an argument, or point to it"
   end subroutine

   ! Closes it and gives back what it holds; what is closed already stays so.
   subroutine region_close(self, stat, errmsg)
      class(linkspan_region), intent(inout) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int32_t) :: status
      status = linkspan_ok
      call region_release(self)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! ---------------------------------------------------------------------------------------------------- services

   subroutine service_release(self)
      class(linkspan_service), intent(inout) :: self
      ! Its own handle, which is released once: there is no error.
      integer(c_int32_t) :: outcome
      outcome = c_service_free(self%handle)
      self%handle = c_null_ptr
   end subroutine

   impure elemental subroutine service_final(self)
      type(linkspan_service), intent(inout) :: self
      call service_release(self)
   end subroutine

   ! A copy would be released twice.
   subroutine service_assign(left, right)
      class(linkspan_service), intent(inout) :: left
      type(linkspan_service), intent(in) :: right
      if (c_associated(left%handle) .or. c_associated(right%handle)) &
         error stop "linkspan: a service is not copied; pass it as an argument, or point to it"
   end subroutine

   ! Closes it and gives back what it holds; what is closed already stays so.
   subroutine service_close(self, timeout, stat, errmsg)
      class(linkspan_service), intent(inout) :: self
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int32_t) :: status
      status = linkspan_ok
      if (c_associated(self%handle)) status = c_service_close(self%handle, nanoseconds(timeout))
      call service_release(self)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! A descriptor for event loops: readable while the object has something to give.
   function service_fileno(self, stat, errmsg) result(fd)
      class(linkspan_service), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: fd
      integer(c_int) :: number
      call finish(c_service_fileno(self%handle, number), stat)
      if (present(errmsg)) call explain(errmsg, stat)
      fd = number
   end function

   ! Counters as a map.
   subroutine service_stats(self, stats, stat, errmsg)
      class(linkspan_service), intent(in) :: self
      type(linkspan_message), intent(inout) :: stats
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_service_stats(self%handle, handle)
      if (status == linkspan_ok) call take(stats, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! ---------------------------------------------------------------------------------------------------- controllers

   subroutine controller_release(self)
      class(linkspan_controller), intent(inout) :: self
      ! Its own handle, which is released once: there is no error.
      integer(c_int32_t) :: outcome
      outcome = c_controller_free(self%handle)
      self%handle = c_null_ptr
   end subroutine

   impure elemental subroutine controller_final(self)
      type(linkspan_controller), intent(inout) :: self
      call controller_release(self)
   end subroutine

   ! A copy would be released twice.
   subroutine controller_assign(left, right)
      class(linkspan_controller), intent(inout) :: left
      type(linkspan_controller), intent(in) :: right
      if (c_associated(left%handle) .or. c_associated(right%handle)) &
         error stop "linkspan: a controller is not copied; pass it as an argument, or point to it"
   end subroutine

   ! Closes it and gives back what it holds; what is closed already stays so.
   subroutine controller_close(self, stat, errmsg)
      class(linkspan_controller), intent(inout) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int32_t) :: status
      status = linkspan_ok
      if (c_associated(self%handle)) status = c_controller_close(self%handle)
      call controller_release(self)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! A descriptor for event loops: readable while the object has something to give.
   function controller_fileno(self, stat, errmsg) result(fd)
      class(linkspan_controller), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: fd
      integer(c_int) :: number
      call finish(c_controller_fileno(self%handle, number), stat)
      if (present(errmsg)) call explain(errmsg, stat)
      fd = number
   end function

   ! Counters as a map.
   subroutine controller_stats(self, stats, stat, errmsg)
      class(linkspan_controller), intent(in) :: self
      type(linkspan_message), intent(inout) :: stats
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_controller_stats(self%handle, handle)
      if (status == linkspan_ok) call take(stats, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! ---------------------------------------------------------------------------------------------------- writers

   subroutine writer_release(self)
      class(linkspan_writer), intent(inout) :: self
      ! Its own handle, which is released once: there is no error.
      integer(c_int32_t) :: outcome
      outcome = c_writer_free(self%handle)
      self%handle = c_null_ptr
   end subroutine

   impure elemental subroutine writer_final(self)
      type(linkspan_writer), intent(inout) :: self
      call writer_release(self)
   end subroutine

   ! A copy would be released twice.
   subroutine writer_assign(left, right)
      class(linkspan_writer), intent(inout) :: left
      type(linkspan_writer), intent(in) :: right
      if (c_associated(left%handle) .or. c_associated(right%handle)) &
         error stop "linkspan: a writer is not copied; pass it as an argument, or point to it"
   end subroutine

   ! Closes it and gives back what it holds; what is closed already stays so.
   subroutine writer_close(self, stat, errmsg)
      class(linkspan_writer), intent(inout) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int32_t) :: status
      status = linkspan_ok
      call writer_release(self)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! ---------------------------------------------------------------------------------------------------- readers

   subroutine reader_release(self)
      class(linkspan_reader), intent(inout) :: self
      ! Its own handle, which is released once: there is no error.
      integer(c_int32_t) :: outcome
      outcome = c_reader_free(self%handle)
      self%handle = c_null_ptr
   end subroutine

   impure elemental subroutine reader_final(self)
      type(linkspan_reader), intent(inout) :: self
      call reader_release(self)
   end subroutine

   ! A copy would be released twice.
   subroutine reader_assign(left, right)
      class(linkspan_reader), intent(inout) :: left
      type(linkspan_reader), intent(in) :: right
      if (c_associated(left%handle) .or. c_associated(right%handle)) &
         error stop "linkspan: a reader is not copied; pass it as an argument, or point to it"
   end subroutine

   ! Closes it and gives back what it holds; what is closed already stays so.
   subroutine reader_close(self, stat, errmsg)
      class(linkspan_reader), intent(inout) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int32_t) :: status
      status = linkspan_ok
      call reader_release(self)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

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
      call finish(c_channel_open(terminated(endpoint), lent%c, nanoseconds(timeout), self%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      call finish(c_channel_connect(terminated(endpoint), lent%c, nanoseconds(timeout), self%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_send(self, message, sequence, timeout, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      type(linkspan_message), intent(in) :: message
      integer(int64), intent(out), optional :: sequence
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_channel_send(self%handle, message%handle, nanoseconds(timeout), sequence), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_try_send(self, message, sequence, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      type(linkspan_message), intent(in) :: message
      integer(int64), intent(out), optional :: sequence
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_channel_try_send(self%handle, message%handle, sequence), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Sends all messages of an array in their order, with one wake-up or one system call for up to 64 short ones
   ! where the transport can. sent is how many were sent, also where the call fails.
   subroutine channel_send_many(self, messages, sent, timeout, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      type(linkspan_message), intent(in) :: messages(:)
      integer(int64), intent(out), optional :: sent
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr), target :: handles(size(messages))
      integer(c_size_t) :: number
      integer(c_int32_t) :: status
      handles = handles_of(messages)
      status = c_channel_send_many(self%handle, c_loc(handles), size(messages, kind=c_size_t), &
         nanoseconds(timeout), number)
      if (present(sent)) sent = int(number, int64)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   function handles_of(messages) result(handles)
      type(linkspan_message), intent(in) :: messages(:)
      type(c_ptr) :: handles(size(messages))
      integer :: i
      do i = 1, size(messages)
         handles(i) = messages(i)%handle
      end do
   end function

   subroutine channel_call(self, request, reply, timeout, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      type(linkspan_message), intent(in) :: request
      type(linkspan_message), intent(inout) :: reply
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_channel_call(self%handle, request%handle, nanoseconds(timeout), handle)
      if (status == linkspan_ok) call take(reply, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Answers a request that recv gave.
   subroutine channel_reply(self, request, reply, timeout, stat, errmsg)
      class(linkspan_channel), intent(in) :: self
      type(linkspan_message), intent(in) :: request, reply
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_channel_reply(self%handle, request%handle, reply%handle, nanoseconds(timeout)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine channel_info(self, info, status)
      class(linkspan_channel), intent(in) :: self
      type(c_channel_info), intent(out) :: info
      integer(c_int32_t), intent(out) :: status
      info%size = c_sizeof(info)
      status = c_channel_get_info(self%handle, info)
   end subroutine

   ! linkspan_role_listener or linkspan_role_connector.
   function channel_role(self, stat, errmsg) result(role)
      class(linkspan_channel), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: role
      type(c_channel_info) :: info
      integer(c_int32_t) :: status
      call channel_info(self, info, status)
      role = info%role
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end function

   ! Whether it receives.
   function channel_readable(self, stat, errmsg) result(readable)
      class(linkspan_channel), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical :: readable
      type(c_channel_info) :: info
      integer(c_int32_t) :: status
      call channel_info(self, info, status)
      readable = info%readable
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end function

   ! Whether it sends.
   function channel_writable(self, stat, errmsg) result(writable)
      class(linkspan_channel), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical :: writable
      type(c_channel_info) :: info
      integer(c_int32_t) :: status
      call channel_info(self, info, status)
      writable = info%writable
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end function

   ! Its name, as transport and address.
   function channel_endpoint(self, stat, errmsg) result(endpoint)
      class(linkspan_channel), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      character(:), allocatable :: endpoint
      type(c_channel_info) :: info
      integer(c_int32_t) :: status
      call channel_info(self, info, status)
      endpoint = text_of_length(info%endpoint, info%endpoint_length)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      call finish(c_listener_listen(terminated(endpoint), lent%c, self%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine listener_accept(self, channel, timeout, stat, errmsg)
      class(linkspan_listener), intent(in) :: self
      type(linkspan_channel), intent(inout) :: channel
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call channel_release(channel)
      call finish(c_listener_accept(self%handle, nanoseconds(timeout), channel%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
      call finish(c_server_serve(terminated(endpoint), lent%c, self%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine server_reply(self, request, reply, stat, errmsg)
      class(linkspan_server), intent(in) :: self
      type(linkspan_message), intent(in) :: request, reply
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      if (.not. c_associated(self%handle)) then
         call finish(int(linkspan_invalid_state, c_int32_t), stat, "the server is closed")
         if (present(errmsg)) call explain(errmsg, stat, "the server is closed")
         return
      end if
      call finish(c_request_reply(request%handle, reply%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
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
         call finish(int(linkspan_invalid_state, c_int32_t), stat, "the server is closed")
         if (present(errmsg)) call explain(errmsg, stat, "the server is closed")
         return
      end if
      call finish(c_request_fail(request%handle, int(code, c_int64_t), terminated(type), terminated(text), value), &
         stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! With the option ack="manual": acknowledges this request, and what its sender sent before it,
   ! before it is answered.
   subroutine server_ack(self, request, stat, errmsg)
      class(linkspan_server), intent(in) :: self
      type(linkspan_message), intent(in) :: request
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      if (.not. c_associated(self%handle)) then
         call finish(int(linkspan_invalid_state, c_int32_t), stat, "the server is closed")
         if (present(errmsg)) call explain(errmsg, stat, "the server is closed")
         return
      end if
      call finish(c_request_ack(request%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_open(self, endpoint, options, stat, errmsg)
      class(linkspan_publisher), intent(inout) :: self
      character(*), intent(in) :: endpoint
      type(linkspan_options), intent(in), optional :: options
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(lent_options) :: lent
      call publisher_release(self)
      call lend(options, lent)
      call finish(c_publisher_new(terminated(endpoint), lent%c, self%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine publisher_send(self, message, sequence, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      type(linkspan_message), intent(in) :: message
      integer(int64), intent(out), optional :: sequence
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_publisher_send(self%handle, message%handle, sequence), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Publishes all messages of an array in their order. sent is how many were published, also where the call fails.
   subroutine publisher_send_many(self, messages, sent, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      type(linkspan_message), intent(in) :: messages(:)
      integer(int64), intent(out), optional :: sent
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr), target :: handles(size(messages))
      integer(c_size_t) :: number
      integer(c_int32_t) :: status
      handles = handles_of(messages)
      status = c_publisher_send_many(self%handle, c_loc(handles), size(messages, kind=c_size_t), number)
      if (present(sent)) sent = int(number, int64)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! How many subscribers there are now.
   function publisher_subscribers(self, stat, errmsg) result(number)
      class(linkspan_publisher), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer :: number
      type(linkspan_message) :: stats
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      integer(int64) :: subscribers
      subscribers = 0
      status = c_publisher_stats(self%handle, handle)
      if (status == linkspan_ok) then
         call take(stats, handle)
         status = c_message_get_i64(stats%handle, "subscribers"//c_null_char, subscribers)
      end if
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
      number = int(subscribers)
   end function

   ! Waits until so many are there, one by default, so that they miss none of what follows.
   subroutine publisher_wait_for_subscribers(self, count, timeout, stat, errmsg)
      class(linkspan_publisher), intent(in) :: self
      integer, intent(in), optional :: count
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_size_t) :: wanted
      wanted = 1
      if (present(count)) wanted = max(int(count, c_size_t), 0_c_size_t)
      call finish(c_publisher_wait_for_subscribers(self%handle, wanted, nanoseconds(timeout)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine subscriber_subscribe(self, endpoint, options, stat, errmsg)
      class(linkspan_subscriber), intent(inout) :: self
      character(*), intent(in) :: endpoint
      type(linkspan_options), intent(in), optional :: options
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(lent_options) :: lent
      call subscriber_release(self)
      call lend(options, lent)
      call finish(c_subscriber_new(terminated(endpoint), lent%c, self%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Opens `posix:/name` (what shm_open calls `/name`), `sysv:0x1234` (the key of shmget) or a path.
   subroutine region_open(self, source, stat, errmsg)
      class(linkspan_region), intent(inout) :: self
      character(*), intent(in) :: source
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call region_release(self)
      call finish(c_region_open(terminated(source), self%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! How many bytes are there now.
   function region_length(self, stat, errmsg) result(length)
      class(linkspan_region), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(int64) :: length
      call finish(c_region_length(self%handle, length), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end function

   ! Copies so many bytes from an offset from zero; linkspan_out_of_range where they are not all there.
   subroutine region_bytes(self, offset, length, bytes, stat, errmsg)
      class(linkspan_region), intent(in) :: self
      integer(int64), intent(in) :: offset, length
      integer(int8), allocatable, target, intent(out) :: bytes(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int64_t) :: there
      integer(c_int32_t) :: status
      integer(int8), target :: nothing(1)
      status = c_region_length(self%handle, there)
      if (status == linkspan_ok) then
         if (offset >= 0 .and. length >= 0 .and. offset <= there .and. length <= there - offset) then
            allocate (bytes(length))
            status = c_region_bytes(self%handle, offset, place_of(bytes), int(length, c_size_t))
            if (status /= linkspan_ok) deallocate (bytes)
         else
            ! More than there is: C refuses it before it writes, and returns how much there is.
            status = c_region_bytes(self%handle, offset, c_loc(nothing), int(length, c_size_t))
         end if
      end if
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! The text at an offset from zero, up to the first NUL or the end.
   subroutine region_text(self, offset, text, stat, errmsg)
      class(linkspan_region), intent(in) :: self
      integer(int64), intent(in) :: offset
      character(:), allocatable, intent(out) :: text
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: pointer
      integer(c_size_t) :: length
      integer(c_int32_t) :: status
      status = c_region_text(self%handle, offset, pointer, length)
      if (status == linkspan_ok) then
         text = text_of_length(pointer, length)
         call c_free(pointer, length)
      end if
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! The fields of a struct, such as "u32 count; f64 celsius; char name[16]", as a map. `counter` names a field that
   ! the owner makes odd while it writes: then all fields are of one write, or the call ends with linkspan_stalled.
   subroutine region_read(self, layout, value, offset, counter, stat, errmsg)
      class(linkspan_region), intent(in) :: self
      character(*), intent(in) :: layout
      type(linkspan_message), intent(inout) :: value
      integer(int64), intent(in), optional :: offset
      character(*), intent(in), optional :: counter
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int64_t) :: at
      integer(c_int32_t) :: status
      at = 0
      if (present(offset)) at = offset
      if (present(counter)) then
         status = c_region_read(self%handle, terminated(layout), at, terminated(counter), handle)
      else
         status = c_region_read(self%handle, terminated(layout), at, value=handle)
      end if
      if (status == linkspan_ok) call take(value, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Starts a service of this name. It calls its controller in the background, and waits for none.
   subroutine service_start(self, name, options, stat, errmsg)
      class(linkspan_service), intent(inout) :: self
      character(*), intent(in) :: name
      type(linkspan_service_options), intent(in), optional :: options
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(lent_service_options) :: lent
      call service_release(self)
      call lend_service(options, lent)
      call finish(c_service_start(terminated(name), lent%c, self%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! The options as C reads them. `lent` keeps the texts and has to outlive the call that they are for.
   subroutine lend_service(options, lent)
      type(linkspan_service_options), intent(in), optional, target :: options
      type(lent_service_options), intent(inout), target :: lent
      lent%c%size = c_sizeof(lent%c)
      if (.not. present(options)) return
      call lend_text(options%controller, lent%controller, lent%c%controller)
      call lend_text(options%description, lent%description, lent%c%description)
      ! For C zero is no period at all, and one nanosecond none between two steps.
      if (options%every >= 0) lent%c%every = max(nanoseconds(options%every), 1_c_int64_t)
      lent%c%paused = logical(options%paused, c_bool)
      lent%c%leave_signals = logical(.not. options%handle_signals, c_bool)
      lent%c%on_cancel = options%on_cancel
      lent%c%on_cancel_context = options%on_cancel_context
      call lend(options%channel, lent%channel)
      lent%c%channel = c_loc(lent%channel%c)
      if (allocated(options%commands)) then
         call lend_texts(options%commands, lent%letters, lent%names)
         lent%c%commands_count = size(lent%names, kind=c_size_t)
         if (size(lent%names) > 0) lent%c%commands = c_loc(lent%names)
      end if
   end subroutine

   ! Texts as an array of pointers to letters, each with its NUL.
   subroutine lend_texts(given, letters, names)
      character(*), intent(in) :: given(:)
      character(kind=c_char), allocatable, target, intent(inout) :: letters(:)
      type(c_ptr), allocatable, intent(inout) :: names(:)
      integer :: i, j, at
      allocate (letters(size(given)*(len(given) + 1)), names(size(given)))
      letters = c_null_char
      do i = 1, size(given)
         at = (i - 1)*(len(given) + 1)
         do j = 1, len_trim(given(i))
            letters(at + j) = given(i) (j:j)
         end do
         names(i) = c_loc(letters(at + 1))
      end do
   end subroutine

   ! The next task, for ever without a time-out; false once the service is STOPPED. With the first call
   ! it is READY, and RUNNING unless it was to be paused. When it fails, the task stays as it was.
   function service_next(self, task, timeout, stat, errmsg) result(more)
      class(linkspan_service), intent(in) :: self
      type(linkspan_task), intent(inout) :: task
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      logical :: more
      integer(c_int32_t) :: status
      type(c_task) :: c
      c%size = c_sizeof(c)
      status = c_service_next(self%handle, nanoseconds(timeout), c)
      if (status == linkspan_ok) then
         task%c = c
         task%command = c%command
         task%before = c%before
         task%name = text_of(c%name)
         task%id = text_of(c%id)
         task%remaining = merge(linkspan_forever, real(c%remaining, real64)*1e-9_real64, &
            c%remaining == huge(c%remaining))
      end if
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
      more = status == linkspan_ok .and. c%command /= linkspan_command_end
   end function

   ! With what a task is to be done, as long as it is not answered.
   subroutine task_arguments(self, arguments, stat, errmsg)
      class(linkspan_task), intent(in) :: self
      type(linkspan_message), intent(inout) :: arguments
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int32_t) :: status
      status = c_message_retain(self%c%arguments)
      if (status == linkspan_ok) call take(arguments, self%c%arguments)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! It is done; the client that sent it gets the value.
   subroutine service_task_done(self, task, value, stat, errmsg)
      class(linkspan_service), intent(in) :: self
      type(linkspan_task), intent(in) :: task
      type(linkspan_message), intent(in), optional :: value
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: given
      given = c_null_ptr
      if (present(value)) given = value%handle
      call finish(c_service_task_done(self%handle, task%c, given), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! It could not be done: a status, and a text for a person; linkspan_remote for what is no error of Linkspan's.
   subroutine service_task_failed(self, task, status, text, stat, errmsg)
      class(linkspan_service), intent(in) :: self
      type(linkspan_task), intent(in) :: task
      integer, intent(in) :: status
      character(*), intent(in) :: text
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_service_task_failed(self%handle, task%c, int(status, c_int32_t), terminated(text)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! The service cannot go on: FAILED, with this as the reason.
   subroutine service_set_failed(self, status, text, stat, errmsg)
      class(linkspan_service), intent(in) :: self
      integer, intent(in) :: status
      character(*), intent(in) :: text
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_service_set_failed(self%handle, int(status, c_int32_t), terminated(text)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! A problem that does not stop the service; "" clears it.
   subroutine service_set_reason(self, text, stat, errmsg)
      class(linkspan_service), intent(in) :: self
      character(*), intent(in) :: text
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_service_set_reason(self%handle, terminated(text)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Adds a line to its log, of the level "debug", "info", "warning" or "error".
   subroutine service_log(self, text, level, stat, errmsg)
      class(linkspan_service), intent(in) :: self
      character(*), intent(in) :: text
      character(*), intent(in), optional :: level
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      character(:), allocatable :: how
      how = "info"
      if (present(level)) how = level
      call finish(c_service_log(self%handle, terminated(text), terminated(how)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! As a signal to stop would; the second time, what is under way is given up.
   subroutine service_shutdown(self, stat, errmsg)
      class(linkspan_service), intent(in) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_service_shutdown(self%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   function service_info(self) result(info)
      class(linkspan_service), intent(in) :: self
      type(c_service_info) :: info
      info%size = c_sizeof(info)
      call finish(c_service_get_info(self%handle, info))
   end function

   ! linkspan_state_running and so on; linkspan_state_name names it.
   function service_state(self) result(state)
      class(linkspan_service), intent(in) :: self
      integer :: state
      type(c_service_info) :: c
      c = service_info(self)
      state = c%state
   end function

   ! Whether what the program does now is to be given up.
   function service_is_cancelled(self) result(is)
      class(linkspan_service), intent(in) :: self
      logical :: is
      type(c_service_info) :: c
      c = service_info(self)
      is = c%is_cancelled
   end function

   ! Whether it is registered with a controller now.
   function service_is_connected(self) result(is)
      class(linkspan_service), intent(in) :: self
      logical :: is
      type(c_service_info) :: c
      c = service_info(self)
      is = c%is_connected
   end function

   ! The number that was drawn for this incarnation.
   function service_epoch(self) result(epoch)
      class(linkspan_service), intent(in) :: self
      integer(int64) :: epoch
      type(c_service_info) :: c
      c = service_info(self)
      epoch = c%epoch
   end function

   ! Connects to a controller: $LINKSPAN_CONTROLLER or else unix:controller where no endpoint is given.
   subroutine controller_open(self, endpoint, options, timeout, stat, errmsg)
      class(linkspan_controller), intent(inout) :: self
      character(*), intent(in), optional :: endpoint
      type(linkspan_options), intent(in), optional :: options
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(lent_options) :: lent
      integer(c_int32_t) :: status
      call controller_release(self)
      call lend(options, lent)
      if (present(endpoint)) then
         status = c_controller_connect(terminated(endpoint), lent%c, nanoseconds(timeout), self%handle)
      else
         status = c_controller_connect(options=lent%c, timeout=nanoseconds(timeout), controller=self%handle)
      end if
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! The records of all services of the controller: an array of maps.
   subroutine controller_services(self, services, timeout, stat, errmsg)
      class(linkspan_controller), intent(in) :: self
      type(linkspan_message), intent(inout) :: services
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_controller_services(self%handle, nanoseconds(timeout), handle)
      if (status == linkspan_ok) call take(services, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! The record of one service; linkspan_not_found where none has that name.
   subroutine controller_status(self, service, record, timeout, stat, errmsg)
      class(linkspan_controller), intent(in) :: self
      character(*), intent(in) :: service
      type(linkspan_message), intent(inout) :: record
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_controller_status(self%handle, terminated(service), nanoseconds(timeout), handle)
      if (status == linkspan_ok) call take(record, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Gives a service a command, "PAUSE" or one of its own, and waits until it is done.
   subroutine controller_command(self, service, command, value, arguments, timeout, stat, errmsg)
      class(linkspan_controller), intent(in) :: self
      character(*), intent(in) :: service, command
      type(linkspan_message), intent(inout), optional :: value
      type(linkspan_message), intent(in), optional :: arguments
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: given, handle
      integer(c_int32_t) :: status
      given = c_null_ptr
      if (present(arguments)) given = arguments%handle
      status = c_controller_command(self%handle, terminated(service), terminated(command), given, &
                                    nanoseconds(timeout), handle)
      if (status == linkspan_ok) then
         if (present(value)) then
            call take(value, handle)
         else
            status = c_message_release(handle)
         end if
      end if
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Gives a service a command that it has so many seconds for, and waits until it is accepted or refused, or done
   ! with `until_done`. The answer has its outcome so far, also a failure; its id is what
   ! controller%answer takes. The same id again is the same command; an epoch, from a service's record, is that of
   ! one incarnation.
   subroutine controller_begin(self, service, command, answer, arguments, within, id, epoch, until_done, timeout, &
                               stat, errmsg)
      class(linkspan_controller), intent(in) :: self
      character(*), intent(in) :: service, command
      type(linkspan_message), intent(inout) :: answer
      type(linkspan_message), intent(in), optional :: arguments
      real(real64), intent(in), optional :: within
      character(*), intent(in), optional :: id
      integer(int64), intent(in), optional :: epoch
      logical, intent(in), optional :: until_done
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_command_request) :: request
      type(c_ptr) :: handle
      character(:), allocatable, target :: who, what, which
      integer(c_int32_t) :: status
      request%size = c_sizeof(request)
      who = terminated(service)
      what = terminated(command)
      request%service = c_loc(who)
      request%command = c_loc(what)
      if (present(id)) then
         which = terminated(id)
         request%id = c_loc(which)
      end if
      if (present(arguments)) request%arguments = arguments%handle
      request%within = nanoseconds(within)
      if (present(epoch)) request%epoch = epoch
      if (present(until_done)) request%until_done = logical(until_done, c_bool)
      status = c_controller_begin(self%handle, request, nanoseconds(timeout), handle)
      if (status == linkspan_ok) call take(answer, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! What has become of a command that was begun.
   subroutine controller_answer(self, service, id, answer, timeout, stat, errmsg)
      class(linkspan_controller), intent(in) :: self
      character(*), intent(in) :: service, id
      type(linkspan_message), intent(inout) :: answer
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_controller_answer(self%handle, terminated(service), terminated(id), nanoseconds(timeout), handle)
      if (status == linkspan_ok) call take(answer, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! The newest lines of a service's log, or of the controller's event log: an array of maps.
   subroutine controller_log(self, log, service, lines, timeout, stat, errmsg)
      class(linkspan_controller), intent(in) :: self
      type(linkspan_message), intent(inout) :: log
      character(*), intent(in), optional :: service
      integer, intent(in), optional :: lines
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_size_t) :: number
      integer(c_int32_t) :: status
      number = 100
      if (present(lines)) number = int(lines, c_size_t)
      if (present(service)) then
         status = c_controller_log(self%handle, terminated(service), number, nanoseconds(timeout), handle)
      else
         status = c_controller_log(self%handle, lines=number, timeout=nanoseconds(timeout), log=handle)
      end if
      if (status == linkspan_ok) call take(log, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Subscribes to these services or to all, for controller%next: first the state of each, then its changes; of their
   ! data, looked at every so many seconds.
   subroutine controller_watch(self, data_every, services, stat, errmsg)
      class(linkspan_controller), intent(in) :: self
      real(real64), intent(in), optional :: data_every
      character(*), intent(in), optional :: services(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      character(kind=c_char), allocatable, target :: letters(:)
      type(c_ptr), allocatable, target :: names(:)
      integer(c_int64_t) :: period
      integer(c_int32_t) :: status
      period = 0
      if (present(data_every)) period = nanoseconds(data_every)
      status = linkspan_ok
      if (present(services)) then
         call lend_texts(services, letters, names)
         status = c_controller_watch(self%handle, period, c_loc(names), size(names, kind=c_size_t))
      else
         status = c_controller_watch(self%handle, period, c_null_ptr, 0_c_size_t)
      end if
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Makes the controller forget a service that has gone.
   subroutine controller_forget(self, service, timeout, stat, errmsg)
      class(linkspan_controller), intent(in) :: self
      character(*), intent(in) :: service
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_controller_forget(self%handle, terminated(service), nanoseconds(timeout)), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! The next event of what is watched, for ever without a time-out: a map whose `what` is service, gone,
   ! data, log or missed. What `push` held stays there when it fails.
   subroutine controller_next(self, push, timeout, stat, errmsg)
      class(linkspan_controller), intent(in) :: self
      type(linkspan_message), intent(inout) :: push
      real(real64), intent(in), optional :: timeout
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_controller_next(self%handle, nanoseconds(timeout), handle)
      if (status == linkspan_ok) call take(push, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! ------------------------------------------------------------------------------------------- records by tables
   ! What generated code calls, with the table of a type and the place of a value.

   ! The table of a type, which `fill` fills in at the first use. A fault in it is reported where it is used.
   function linkspan_table(record, fill) result(table)
      type(linkspan_record), intent(in), target :: record
      type(c_funptr), value :: fill
      type(c_ptr) :: table
      integer(c_int32_t) :: outcome
      table = c_loc(record)
      if (.not. c_associated(record%prepared)) outcome = c_record_prepare(table, fill)
   end function

   ! How many bytes a part lies behind the beginning of the whole.
   pure function linkspan_offset(whole, part) result(bytes)
      type(c_ptr), intent(in) :: whole, part
      integer(c_size_t) :: bytes
      bytes = int(transfer(part, 0_c_intptr_t) - transfer(whole, 0_c_intptr_t), c_size_t)
   end function

   ! Describes an array in Fortran's order to the library, which has given the type of its elements.
   function linkspan_view_array(array, value) result(found)
      type(c_ptr), value :: array
      type(*), intent(in), contiguous, target :: value(..)
      logical(c_bool) :: found
      type(c_array), pointer :: to
      call c_f_pointer(array, to)
      to%order = linkspan_column
      to%rank = int(rank(value), c_size_t)
      to%dims(:rank(value)) = shape(value, kind=c_int64_t)
      to%length = int(size(value, kind=int64)*element_bytes(int(to%dtype)), c_size_t)
      if (size(value) > 0) to%data = c_loc(value)
      found = .true._c_bool
   end function

   ! The lengths of the array that the library is about to give.
   function linkspan_array_lengths(array) result(lengths)
      type(c_ptr), value :: array
      integer(int64) :: lengths(15)
      type(c_array), pointer :: from
      call c_f_pointer(array, from)
      lengths = from%dims
   end function

   ! Where its elements go, in Fortran's order.
   function linkspan_array_place(array, value) result(place)
      type(c_ptr), value :: array
      type(*), intent(inout), contiguous, target :: value(..)
      type(c_ptr) :: place
      type(c_array), pointer :: to
      call c_f_pointer(array, to)
      to%order = linkspan_column
      place = c_null_ptr
      if (size(value) > 0) place = c_loc(value)
   end function

   ! The same for an array of any number of dimensions, in its own order.
   function linkspan_view_ndarray(array, value) result(found)
      type(c_ptr), value :: array
      type(linkspan_ndarray), intent(in), target :: value
      logical(c_bool) :: found
      type(c_array), pointer :: to
      found = logical(allocated(value%shape) .and. allocated(value%bytes), c_bool)
      if (.not. found) return
      call c_f_pointer(array, to)
      to%dtype = int(value%dtype, c_int32_t)
      to%order = int(value%order, c_int32_t)
      to%rank = size(value%shape, kind=c_size_t)
      if (to%rank <= size(to%dims)) to%dims(:to%rank) = value%shape
      to%length = size(value%bytes, kind=c_size_t)
      to%data = place_of(value%bytes)
   end function

   function linkspan_make_ndarray(array, value) result(place)
      type(c_ptr), value :: array
      type(linkspan_ndarray), intent(inout), target :: value
      type(c_ptr) :: place
      type(c_array), pointer :: from
      integer :: stat
      call c_f_pointer(array, from)
      value%dtype = from%dtype
      value%order = from%order
      value%shape = from%dims(:from%rank)
      place = c_null_ptr
      deallocate (value%bytes, stat=stat)
      allocate (value%bytes(from%length), stat=stat)
      if (stat == 0 .and. from%length > 0) place = c_loc(value%bytes)
   end function

   subroutine linkspan_put_record(table, from, message, stat, errmsg)
      type(c_ptr), intent(in) :: table, from
      type(linkspan_message), intent(inout) :: message
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(message)
      call finish(c_record_put(table, from, message%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine linkspan_get_record(table, to, message, stat, errmsg)
      type(c_ptr), intent(in) :: table, to
      type(linkspan_message), intent(in) :: message
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_record_get(table, to, message%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine linkspan_encode_record(table, from, encoding, bytes, stat, errmsg)
      type(c_ptr), intent(in) :: table, from
      integer, intent(in) :: encoding
      integer(int8), allocatable, intent(out) :: bytes(:)
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: pointer
      integer(c_size_t) :: length
      integer(c_int32_t) :: status
      status = c_record_encode(table, from, int(encoding, c_int32_t), pointer, length)
      if (status == linkspan_ok) then
         bytes = bytes_of(pointer, length)
         call c_free(pointer, length)
      end if
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine linkspan_decode_record(table, to, bytes, encoding, stat, errmsg)
      type(c_ptr), intent(in) :: table, to
      integer(int8), intent(in), contiguous, target :: bytes(:)
      integer, intent(in) :: encoding
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      integer(c_int32_t) :: status
      status = c_record_decode(table, to, place_of(bytes), size(bytes, kind=c_size_t), int(encoding, c_int32_t))
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! As one value of a writer; an error stays there.
   subroutine linkspan_write_record(writer, table, from, key)
      type(linkspan_writer), intent(inout) :: writer
      type(c_ptr), intent(in) :: table, from
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: outcome
      call writer_ensure(writer)
      if (present(key)) then
         outcome = c_writer_put_record(writer%handle, ended(key), table, from)
      else
         outcome = c_writer_put_record(writer%handle, record=table, from=from)
      end if
   end subroutine

   ! The next value of a reader; an error stays there.
   subroutine linkspan_read_record(reader, table, to)
      type(linkspan_reader), intent(inout) :: reader
      type(c_ptr), intent(in) :: table, to
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_record(reader%handle, table, to)
   end subroutine

   ! ------------------------------------------------------------------------------------------- writers and readers
   ! A key for C, which ends at its first NUL.
   pure function ended(key)
      character(*), intent(in) :: key
      character(len(key) + 1, kind=c_char) :: ended
      ended = key//c_null_char
   end function

   ! A writer is made with its first value. Where there is no memory for it, its later calls fail.
   subroutine writer_ensure(self)
      class(linkspan_writer), intent(inout) :: self
      integer(c_int32_t) :: outcome
      if (.not. c_associated(self%handle)) outcome = c_writer_new(self%handle)
   end subroutine

   subroutine writer_refuse(self, status, text)
      class(linkspan_writer), intent(inout) :: self
      integer, intent(in) :: status
      character(*), intent(in) :: text
      integer(c_int32_t) :: outcome
      call writer_ensure(self)
      outcome = c_writer_refuse(self%handle, status=int(status, c_int32_t), text=terminated(text))
   end subroutine

   subroutine writer_put_bool(self, value, key)
      class(linkspan_writer), intent(inout) :: self
      logical, intent(in) :: value
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: outcome
      call writer_ensure(self)
      if (present(key)) then
         outcome = c_writer_put_bool(self%handle, ended(key), logical(value, c_bool))
      else
         outcome = c_writer_put_bool(self%handle, value=logical(value, c_bool))
      end if
   end subroutine

   subroutine writer_put_i64(self, value, key)
      class(linkspan_writer), intent(inout) :: self
      integer(int64), intent(in) :: value
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: outcome
      call writer_ensure(self)
      if (present(key)) then
         outcome = c_writer_put_i64(self%handle, ended(key), value)
      else
         outcome = c_writer_put_i64(self%handle, value=value)
      end if
   end subroutine

   subroutine writer_put_u64(self, value, key)
      class(linkspan_writer), intent(inout) :: self
      integer(int64), intent(in) :: value
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: outcome
      call writer_ensure(self)
      if (present(key)) then
         outcome = c_writer_put_u64(self%handle, ended(key), value)
      else
         outcome = c_writer_put_u64(self%handle, value=value)
      end if
   end subroutine

   subroutine writer_put_f64(self, value, key)
      class(linkspan_writer), intent(inout) :: self
      real(real64), intent(in) :: value
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: outcome
      call writer_ensure(self)
      if (present(key)) then
         outcome = c_writer_put_f64(self%handle, ended(key), value)
      else
         outcome = c_writer_put_f64(self%handle, value=value)
      end if
   end subroutine

   subroutine writer_put_text(self, value, key)
      class(linkspan_writer), intent(inout) :: self
      character(*), intent(in) :: value
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: outcome
      call writer_ensure(self)
      if (present(key)) then
         outcome = c_writer_put_text(self%handle, ended(key), value, len(value, c_size_t))
      else
         outcome = c_writer_put_text(self%handle, text=value, length=len(value, c_size_t))
      end if
   end subroutine

   subroutine writer_put_bytes(self, value, key)
      class(linkspan_writer), intent(inout) :: self
      integer(int8), intent(in), contiguous, target :: value(:)
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: outcome
      call writer_ensure(self)
      if (present(key)) then
         outcome = c_writer_put_bytes(self%handle, ended(key), place_of(value), size(value, kind=c_size_t))
      else
         outcome = c_writer_put_bytes(self%handle, bytes=place_of(value), length=size(value, kind=c_size_t))
      end if
   end subroutine

   subroutine writer_put_timestamp(self, value, key)
      class(linkspan_writer), intent(inout) :: self
      type(linkspan_timestamp), intent(in) :: value
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: outcome
      call writer_ensure(self)
      if (present(key)) then
         outcome = c_writer_put_timestamp(self%handle, ended(key), value%nanoseconds)
      else
         outcome = c_writer_put_timestamp(self%handle, nanoseconds=value%nanoseconds)
      end if
   end subroutine

   subroutine writer_put_uuid(self, value, key)
      class(linkspan_writer), intent(inout) :: self
      integer(int8), intent(in), contiguous, target :: value(:)
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: outcome
      call writer_ensure(self)
      if (size(value) /= 16) call self%refuse(linkspan_wrong_type, "a UUID has 16 bytes")
      if (present(key)) then
         outcome = c_writer_put_uuid(self%handle, ended(key), place_of(value))
      else
         outcome = c_writer_put_uuid(self%handle, uuid=place_of(value))
      end if
   end subroutine

   subroutine writer_put_decimal(self, value, key)
      class(linkspan_writer), intent(inout) :: self
      character(*), intent(in) :: value
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: outcome
      call writer_ensure(self)
      if (present(key)) then
         outcome = c_writer_put_decimal(self%handle, ended(key), value, len(value, c_size_t))
      else
         outcome = c_writer_put_decimal(self%handle, text=value, length=len(value, c_size_t))
      end if
   end subroutine

   subroutine writer_put_message(self, value, key)
      class(linkspan_writer), intent(inout) :: self
      type(linkspan_message), intent(in) :: value
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: outcome
      call writer_ensure(self)
      if (present(key)) then
         outcome = c_writer_put_message(self%handle, ended(key), value%handle)
      else
         outcome = c_writer_put_message(self%handle, value=value%handle)
      end if
   end subroutine

   ! Puts an array in memory of the program; `by_row` puts it in C's order.
   subroutine writer_put_elements(self, dtype, value, key, by_row)
      class(linkspan_writer), intent(inout) :: self
      integer, intent(in) :: dtype
      type(*), intent(in), contiguous, target :: value(..)
      character(*), intent(in), optional :: key
      logical, intent(in), optional :: by_row
      type(c_array) :: array
      if (size(value) > 0) array%data = c_loc(value)
      call put_array_of(self, dtype, shape(value, kind=c_int64_t), array, key, by_row)
   end subroutine

   subroutine put_array_of(self, dtype, shape, array, key, by_row)
      class(linkspan_writer), intent(inout) :: self
      integer, intent(in) :: dtype
      integer(c_int64_t), intent(in) :: shape(:)
      type(c_array), intent(inout) :: array
      character(*), intent(in), optional :: key
      logical, intent(in), optional :: by_row
      type(c_array) :: rows
      integer(int8), allocatable, target :: bytes(:)
      integer(c_int32_t) :: outcome
      logical :: turned
      call writer_ensure(self)
      array%dtype = int(dtype, c_int32_t)
      array%order = linkspan_column
      array%rank = size(shape, kind=c_size_t)
      array%dims(:size(shape)) = shape
      turned = .false.
      if (present(by_row)) turned = by_row .and. size(shape) > 1
      if (turned) then
         allocate (bytes(max(1_c_int64_t, product(shape)*element_bytes(dtype))))
         rows = array
         rows%order = linkspan_row
         rows%data = c_loc(bytes)
         outcome = c_array_copy(array, rows)
         if (outcome /= linkspan_ok) call self%refuse(int(outcome), last_text())
         array = rows
      end if
      if (present(key)) then
         outcome = c_writer_put_array(self%handle, ended(key), array)
      else
         outcome = c_writer_put_array(self%handle, array=array)
      end if
   end subroutine

   pure function element_bytes(dtype) result(bytes)
      integer, intent(in) :: dtype
      integer(int64) :: bytes
      select case (dtype)
      case (linkspan_bool, linkspan_i8, linkspan_u8)
         bytes = 1
      case (linkspan_i16, linkspan_u16)
         bytes = 2
      case (linkspan_i32, linkspan_u32, linkspan_f32)
         bytes = 4
      case (linkspan_c128)
         bytes = 16
      case default
         bytes = 8
      end select
   end function

   subroutine writer_put_ndarray(self, value, key)
      class(linkspan_writer), intent(inout) :: self
      type(linkspan_ndarray), intent(in), target :: value
      character(*), intent(in), optional :: key
      type(c_array) :: array
      integer(c_int32_t) :: outcome
      call writer_ensure(self)
      if (.not. (allocated(value%shape) .and. allocated(value%bytes))) then
         call self%refuse(linkspan_missing, "an array has no shape or no elements")
         return
      end if
      if (size(value%shape) > 15 .or. product(value%shape)*element_bytes(value%dtype) /= size(value%bytes)) then
         call self%refuse(linkspan_out_of_range, "an array has another number of bytes than its shape says")
         return
      end if
      array%dtype = int(value%dtype, c_int32_t)
      array%order = int(value%order, c_int32_t)
      array%rank = size(value%shape, kind=c_size_t)
      array%dims(:size(value%shape)) = value%shape
      array%data = place_of(value%bytes)
      if (present(key)) then
         outcome = c_writer_put_array(self%handle, ended(key), array)
      else
         outcome = c_writer_put_array(self%handle, array=array)
      end if
   end subroutine

   ! Puts the name of an enum's value, counted from zero.
   subroutine writer_put_name(self, names, value, key)
      class(linkspan_writer), intent(inout) :: self
      character(*), intent(in) :: names(:)
      integer, intent(in) :: value
      character(*), intent(in), optional :: key
      if (value < 0 .or. value >= size(names)) then
         call self%refuse(linkspan_out_of_range, "a number is none of an enum's values")
      else
         call self%put_text(trim(names(value + 1)), key)
      end if
   end subroutine

   subroutine writer_begin_map(self, key)
      class(linkspan_writer), intent(inout) :: self
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: outcome
      call writer_ensure(self)
      if (present(key)) then
         outcome = c_writer_begin_map(self%handle, ended(key))
      else
         outcome = c_writer_begin_map(self%handle)
      end if
   end subroutine

   subroutine writer_begin_array(self, key)
      class(linkspan_writer), intent(inout) :: self
      character(*), intent(in), optional :: key
      integer(c_int32_t) :: outcome
      call writer_ensure(self)
      if (present(key)) then
         outcome = c_writer_begin_array(self%handle, ended(key))
      else
         outcome = c_writer_begin_array(self%handle)
      end if
   end subroutine

   subroutine writer_end(self)
      class(linkspan_writer), intent(inout) :: self
      integer(c_int32_t) :: outcome
      outcome = c_writer_end(self%handle)
   end subroutine

   ! Makes what was written the value of `message`, and begins anew.
   subroutine writer_finish(self, message, stat, errmsg)
      class(linkspan_writer), intent(inout) :: self
      type(linkspan_message), intent(inout) :: message
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call ensure(message)
      call finish(c_writer_finish(self%handle, message%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! Begins with the value of a message.
   subroutine reader_begin(self, message)
      class(linkspan_reader), intent(inout) :: self
      type(linkspan_message), intent(in) :: message
      integer(c_int32_t) :: outcome
      if (.not. c_associated(self%handle)) outcome = c_reader_new(self%handle)
      outcome = c_reader_message(self%handle, message%handle)
   end subroutine

   ! Tells the first error.
   subroutine reader_finish(self, stat, errmsg)
      class(linkspan_reader), intent(inout) :: self
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      call finish(c_reader_finish(self%handle), stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   subroutine reader_refuse(self, status, text)
      class(linkspan_reader), intent(inout) :: self
      integer, intent(in) :: status
      character(*), intent(in) :: text
      integer(c_int32_t) :: outcome
      outcome = c_reader_refuse(self%handle, int(status, c_int32_t), terminated(text))
   end subroutine

   function reader_get_null(self) result(null)
      class(linkspan_reader), intent(inout) :: self
      logical :: null
      logical(c_bool) :: found
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_null(self%handle, found)
      null = found
   end function

   function reader_get_bool(self) result(value)
      class(linkspan_reader), intent(inout) :: self
      logical :: value
      logical(c_bool) :: found
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_bool(self%handle, found)
      value = found
   end function

   ! An integer from `least` to `greatest`.
   function reader_get_i64(self, least, greatest) result(value)
      class(linkspan_reader), intent(inout) :: self
      integer(int64), intent(in) :: least, greatest
      integer(int64) :: value
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_i64(self%handle, least, greatest, value)
   end function

   ! An integer without a sign, as the same 64 bits.
   function reader_get_u64(self) result(value)
      class(linkspan_reader), intent(inout) :: self
      integer(int64) :: value
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_u64(self%handle, -1_c_int64_t, value)
   end function

   function reader_get_f64(self) result(value)
      class(linkspan_reader), intent(inout) :: self
      real(real64) :: value
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_f64(self%handle, value)
   end function

   function reader_get_f32(self) result(value)
      class(linkspan_reader), intent(inout) :: self
      real(real32) :: value
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_f32(self%handle, value)
   end function

   subroutine reader_get_text(self, value)
      class(linkspan_reader), intent(inout) :: self
      character(:), allocatable, intent(inout) :: value
      type(c_ptr) :: text
      integer(c_size_t) :: length
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_text(self%handle, text, length)
      value = text_of_length(text, length)
   end subroutine

   subroutine reader_get_key(self, value)
      class(linkspan_reader), intent(inout) :: self
      character(:), allocatable, intent(inout) :: value
      type(c_ptr) :: text
      integer(c_size_t) :: length
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_key(self%handle, text, length)
      value = text_of_length(text, length)
   end subroutine

   subroutine reader_get_decimal(self, value)
      class(linkspan_reader), intent(inout) :: self
      character(:), allocatable, intent(inout) :: value
      type(c_ptr) :: text
      integer(c_size_t) :: length
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_decimal(self%handle, text, length)
      value = text_of_length(text, length)
   end subroutine

   subroutine reader_get_bytes(self, value)
      class(linkspan_reader), intent(inout) :: self
      integer(int8), allocatable, intent(inout) :: value(:)
      type(c_ptr) :: bytes
      integer(c_size_t) :: length
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_bytes(self%handle, bytes, length)
      value = bytes_of(bytes, length)
   end subroutine

   function reader_get_timestamp(self) result(value)
      class(linkspan_reader), intent(inout) :: self
      type(linkspan_timestamp) :: value
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_timestamp(self%handle, value%nanoseconds)
   end function

   subroutine reader_get_uuid(self, value)
      class(linkspan_reader), intent(inout) :: self
      integer(int8), intent(out), target :: value(16)
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_uuid(self%handle, c_loc(value))
   end subroutine

   ! Any value.
   subroutine reader_get_message(self, message)
      class(linkspan_reader), intent(inout) :: self
      type(linkspan_message), intent(inout) :: message
      type(c_ptr) :: handle
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_message(self%handle, handle)
      call take(message, handle)
   end subroutine

   ! Takes an array of this element type; of any order where `order` is -1. `lengths` gives how many dimensions it
   ! has, and their
   ! lengths; -1 is any length. Gives its shape, all zero at an error; `get_elements` gives what is in it.
   function reader_get_shape(self, dtype, order, lengths) result(shape)
      class(linkspan_reader), intent(inout) :: self
      integer, intent(in) :: dtype, order
      integer(int64), intent(in) :: lengths(:)
      integer(int64) :: shape(size(lengths))
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_array(self%handle, int(dtype, c_int32_t), int(order, c_int32_t), &
         int(size(lengths), c_int32_t), lengths, self%array)
      shape = 0
      if (outcome == linkspan_ok) shape = self%array%dims(:size(lengths))
   end function

   ! The elements of the array that `get_shape` took, into memory of the same shape.
   subroutine reader_get_elements(self, value)
      class(linkspan_reader), intent(inout) :: self
      type(*), intent(inout), contiguous, target :: value(..)
      integer(c_int32_t) :: outcome
      if (self%array%length == 0 .or. size(value) == 0) return
      outcome = copied(self%array, self%array%dtype, c_loc(value))
      if (outcome /= linkspan_ok) call self%refuse(int(outcome), last_text())
      self%array = c_array()
   end subroutine

   ! An array of any number of dimensions.
   subroutine reader_get_ndarray(self, dtype, order, value)
      class(linkspan_reader), intent(inout) :: self
      integer, intent(in) :: dtype, order
      type(linkspan_ndarray), intent(inout) :: value
      integer(c_int32_t) :: outcome
      outcome = c_reader_get_array(self%handle, int(dtype, c_int32_t), int(order, c_int32_t), -1_c_int32_t, &
         array=self%array)
      value%dtype = dtype
      value%order = self%array%order
      value%shape = self%array%dims(:self%array%rank)
      value%bytes = bytes_of(self%array%data, self%array%length)
      self%array = c_array()
   end subroutine

   ! The position of the next field in `names`, counted from one; 0 after the last.
   function reader_get_field(self, names, rules) result(field)
      class(linkspan_reader), intent(inout) :: self
      character(*), intent(in) :: names(:)
      integer, intent(in) :: rules(:)
      integer :: field
      integer(c_int32_t) :: position, outcome
      outcome = c_reader_get_field(self%handle, names, len(names, c_size_t), size(names, kind=c_size_t), &
         int(rules, c_int32_t), position)
      field = position + 1
   end function

   ! Begins a union and gives the position of its variant in `names`, counted from one; 0 at an error.
   function reader_get_variant(self, names) result(variant)
      class(linkspan_reader), intent(inout) :: self
      character(*), intent(in) :: names(:)
      integer :: variant
      integer(c_int32_t) :: position, outcome
      outcome = c_reader_get_variant(self%handle, names, len(names, c_size_t), size(names, kind=c_size_t), position)
      variant = position + 1
   end function

   ! An enum's value, counted from zero; `unknown` for a name that is not in `names`, if that is not below zero.
   function reader_get_enum(self, names, unknown) result(value)
      class(linkspan_reader), intent(inout) :: self
      character(*), intent(in) :: names(:)
      integer, intent(in) :: unknown
      integer :: value
      integer(c_int32_t) :: position, outcome
      outcome = c_reader_get_enum(self%handle, names, len(names, c_size_t), size(names, kind=c_size_t), &
         int(unknown, c_int32_t), position)
      value = position
   end function

   ! Begins a map and gives how many values it has.
   function reader_begin_map(self) result(count)
      class(linkspan_reader), intent(inout) :: self
      integer(int64) :: count
      integer(c_size_t) :: values
      integer(c_int32_t) :: outcome
      outcome = c_reader_begin_map(self%handle, values)
      count = values
   end function

   ! Begins a list and gives how many values it has.
   function reader_begin_array(self) result(count)
      class(linkspan_reader), intent(inout) :: self
      integer(int64) :: count
      integer(c_size_t) :: values
      integer(c_int32_t) :: outcome
      outcome = c_reader_begin_array(self%handle, values)
      count = values
   end function

   subroutine reader_end(self)
      class(linkspan_reader), intent(inout) :: self
      integer(c_int32_t) :: outcome
      outcome = c_reader_end(self%handle)
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
      status = c_latest(terminated(endpoint), lent%c, nanoseconds(timeout), handle)
      if (status == linkspan_ok) call take(message, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! The schema that was given for an endpoint by the program that listens there, or that is stored in its spool or
   ! journal, as a value: type/fields/0/name, type/fields/0/type/unit and so on, the canonical form of docs/schema.md.
   ! Waits at most 3 s.
   subroutine linkspan_schema(endpoint, message, stat, errmsg)
      character(*), intent(in) :: endpoint
      type(linkspan_message), intent(inout) :: message
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_schema(terminated(endpoint), handle)
      if (status == linkspan_ok) call take(message, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! The schema of what is replied there, like linkspan_schema.
   subroutine linkspan_reply_schema(endpoint, message, stat, errmsg)
      character(*), intent(in) :: endpoint
      type(linkspan_message), intent(inout) :: message
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_reply_schema(terminated(endpoint), handle)
      if (status == linkspan_ok) call take(message, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

   ! The schema that a message of the endpoint was written with: each record of a journal names its own.
   subroutine linkspan_schema_of(endpoint, written, message, stat, errmsg)
      character(*), intent(in) :: endpoint
      type(linkspan_message), intent(in) :: written
      type(linkspan_message), intent(inout) :: message
      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg
      type(c_ptr) :: handle
      integer(c_int32_t) :: status
      status = c_schema_of(terminated(endpoint), written%handle, handle)
      if (status == linkspan_ok) call take(message, handle)
      call finish(status, stat)
      if (present(errmsg)) call explain(errmsg, stat)
   end subroutine

end module
