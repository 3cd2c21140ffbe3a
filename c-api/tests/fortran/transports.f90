! A Fortran program at each end of every transport: `transports receive|send|serve|call|publish|subscribe ENDPOINT`.
program transports_test
   use linkspan
   implicit none
   integer, parameter :: rows = 1000
   real(real64), parameter :: soon = 60
   ! A subscriber confirms all messages here, so that the publisher does not end earlier.
   character(*), parameter :: done = "unix:test/done"
   character(256) :: role, endpoint
   character(16) :: transport
   call get_command_argument(1, role)
   call get_command_argument(2, endpoint)
   transport = endpoint(:index(endpoint, ":") - 1)
   select case (role)
   case ("receive")
      call receive(trim(endpoint))
   case ("send")
      call send(trim(endpoint))
   case ("serve")
      call serve(trim(endpoint))
   case ("call")
      call ask(trim(endpoint))
   case ("publish")
      call publish(trim(endpoint))
   case ("subscribe")
      call subscribe(trim(endpoint))
   case ("refused")
      call refused(trim(endpoint))
   case default
      error stop "usage: transports receive|send|serve|call|publish|subscribe|refused ENDPOINT"
   end select
   print '(a)', "ok"

contains

   pure integer(int64) function integer_of(row)
      integer, intent(in) :: row
      integer_of = row*3000000000_int64 - 7
   end function

   function name_of(row) result(name)
      integer, intent(in) :: row
      character(:), allocatable :: name
      character(12) :: number
      write (number, '(i0)') row
      name = "röw "//trim(number)
   end function

   pure real(real64) function number_of(row)
      integer, intent(in) :: row
      number_of = row/8.0_real64 - 3
   end function

   function at(row, what) result(path)
      integer, intent(in) :: row
      character(*), intent(in) :: what
      character(:), allocatable :: path
      character(12) :: number
      write (number, '(i0)') row
      path = "records/"//trim(number)//"/"//what
      if (what == "") path = "columns/number/"//trim(number)
   end function

   subroutine make(table)
      type(linkspan_message), intent(inout) :: table
      integer(int64) :: integers(rows)
      logical :: flags(rows)
      integer :: row
      call table%clear()
      call table%begin_array("records")
      do row = 0, rows - 1
         integers(row + 1) = integer_of(row)
         flags(row + 1) = mod(row, 3) == 0
         call table%begin_map()
         call table%put("integer", integers(row + 1))
         call table%put("name", name_of(row))
         call table%put("flag", flags(row + 1))
         if (mod(row, 5) == 4) then
            call table%put_null("number")
         else
            call table%put("number", number_of(row))
         end if
         call table%end()
      end do
      call table%end()
      call table%begin_map("columns")
      call table%put("integer", integers)
      call table%put("flag", flags)
      call table%begin_array("name")
      do row = 0, rows - 1
         call table%add(name_of(row))
      end do
      call table%end()
      call table%begin_array("number")
      do row = 0, rows - 1
         if (mod(row, 5) == 4) then
            call table%add_null()
         else
            call table%add(number_of(row))
         end if
      end do
      call table%end()
      call table%end()
   end subroutine

   subroutine check(table)
      type(linkspan_message), intent(in) :: table
      integer(int64), allocatable :: integers(:)
      character(:), allocatable :: names(:), name
      logical(c_bool), allocatable :: flags(:)
      integer(int64) :: whole
      logical :: flag
      integer :: row
      if (table%count("records") /= rows .or. table%count("columns/number") /= rows) error stop "rows"
      call table%get("columns/integer", integers)
      call table%get("columns/name", names)
      call table%get("columns/flag", flags)
      if (any([size(integers), size(names), size(flags)] /= rows)) error stop "columns"
      do row = 0, rows - 1
         call table%get(at(row, "integer"), whole)
         if (whole /= integer_of(row) .or. integers(row + 1) /= whole) error stop "integer"
         call table%get(at(row, "name"), name)
         if (name /= name_of(row) .or. names(row + 1) /= name) error stop "name"
         call table%get(at(row, "flag"), flag)
         if ((flag .neqv. mod(row, 3) == 0) .or. (flag .neqv. logical(flags(row + 1)))) error stop "flag"
         call check_number(table, at(row, "number"), row)
         call check_number(table, at(row, ""), row)
      end do
   end subroutine

   subroutine check_number(table, path, row)
      type(linkspan_message), intent(in) :: table
      character(*), intent(in) :: path
      integer, intent(in) :: row
      real(real64) :: number
      if (mod(row, 5) == 4) then
         if (table%type_at(path) /= linkspan_type_null) error stop "no number"
      else
         call table%get(path, number)
         if (number /= number_of(row)) error stop "number"
      end if
   end subroutine

   subroutine receive(name)
      character(*), intent(in) :: name
      type(linkspan_listener) :: listener
      type(linkspan_channel) :: channel
      type(linkspan_message) :: table
      type(linkspan_options) :: options
      if (transport == "dgram") then
         call channel%open(name, timeout=soon)
      else
         options%ack = "manual"
         call listener%listen(name, options)
         call listener%accept(channel, timeout=soon)
      end if
      call channel%recv(table, timeout=soon)
      call check(table)
      if (transport /= "dgram") call channel%ack()
      call channel%close(timeout=soon)
      call listener%close()
   end subroutine

   subroutine send(name)
      character(*), intent(in) :: name
      type(linkspan_channel) :: channel
      type(linkspan_message) :: table
      type(linkspan_options) :: options
      options%replay_count = 4
      call channel%connect(name, options, timeout=soon)
      call make(table)
      call channel%send(table, timeout=soon)
      call channel%close(timeout=soon)
   end subroutine

   subroutine serve(name)
      character(*), intent(in) :: name
      type(linkspan_server) :: server
      type(linkspan_message) :: request
      type(linkspan_options) :: options
      options%ack = "manual"
      call server%serve(name, options)
      if (.not. server%next(request, timeout=soon)) error stop "no request"
      call server%ack(request)
      call server%reply(request, request)
      call server%close(timeout=soon)
   end subroutine

   subroutine ask(name)
      character(*), intent(in) :: name
      type(linkspan_channel) :: channel
      type(linkspan_message) :: table, reply
      type(linkspan_options) :: options
      options%idempotent = .true.
      call channel%connect(name, options, timeout=soon)
      call make(table)
      call channel%call(table, reply, timeout=soon)
      call check(reply)
      call channel%close(timeout=soon)
   end subroutine

   subroutine publish(name)
      character(*), intent(in) :: name
      type(linkspan_publisher) :: out
      type(linkspan_server) :: done_server
      type(linkspan_message) :: table
      type(linkspan_options) :: options
      options%durable = transport == "journal"
      if (transport == "journal") options%retain_seconds = 3600
      call done_server%serve(done)
      call out%open(name, options)
      call make(table)
      call out%send(table)
      if (.not. done_server%next(table, timeout=soon)) error stop "no reader"
      call done_server%reply(table, table)
      call done_server%close(timeout=soon)
      call out%events(table)
      if (table%type_at("") /= linkspan_type_array) error stop "events"
      call out%close()
   end subroutine

   subroutine subscribe(name)
      character(*), intent(in) :: name
      type(linkspan_subscriber) :: tables
      type(linkspan_channel) :: control
      type(linkspan_message) :: table
      type(linkspan_options) :: options
      if (transport == "journal") then
         options%client_id = "reader"
         options%from = "first"
      end if
      options%ack = "manual"
      call tables%subscribe(name, options)
      call tables%recv(table, timeout=soon)
      call check(table)
      call tables%ack()
      call linkspan_latest(name, table, timeout=soon)
      call check(table)
      call tables%close()
      call control%connect(done, timeout=soon)
      call table%clear()
      call control%call(table, table, timeout=soon)
      call control%close(timeout=soon)
   end subroutine

   subroutine refused(name)
      character(*), intent(in) :: name
      type(linkspan_channel) :: channel
      type(linkspan_subscriber) :: subscriber
      type(linkspan_options) :: options
      character(:), allocatable :: why
      integer :: stat
      options%locked = .true.
      call channel%connect(name, options, timeout=soon, stat=stat, errmsg=why)
      if (stat /= linkspan_unsupported .or. index(why, trim(transport)//": cannot do that") == 0) error stop "refused"
      options%locked = .false.
      options%from = "yesterday"
      call subscriber%subscribe(name, options, stat=stat, errmsg=why)
      if (stat == linkspan_ok .or. index(why, "from") == 0) error stop "from"
   end subroutine

end program
