! Tries each wait of the table: `waits TABLE TRANSPORT` prints the rows with their outcomes.
program waits
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan
   use linkspan
   implicit none
   character(8), parameter :: kinds(7) = [character(8) :: "none", "zero", "positive", "there", "forever", "negative", "nan"]
   real(real64), parameter :: soon = 60, short = 0.05_real64
   character(256) :: path, transport, line
   character(16) :: words(9)
   character(:), allocatable :: found
   integer :: unit, status, kind, number

   call get_command_argument(1, path)
   call get_command_argument(2, transport)
   number = 0
   open (newunit=unit, file=trim(path), status="old", action="read")
   do
      read (unit, "(a)", iostat=status) line
      if (status /= 0) exit
      if (line == "" .or. line(1:1) == "#") cycle
      read (line, *) words
      found = trim(words(1))//" "//trim(words(2))
      do kind = 1, 7
         number = number + 1
         if (words(2 + kind) == "-") then
            found = found//" -"
         else
            found = found//" "//tried(trim(words(1))//" "//trim(words(2)), kinds(kind))
         end if
      end do
      print "(a)", found
   end do

contains

   ! Opens the row's objects, sends the message if the row expects one, and calls.
   function tried(row, kind) result(outcome)
      character(*), intent(in) :: row, kind
      character(:), allocatable :: outcome, name
      type(linkspan_options) :: options
      type(linkspan_publisher) :: out
      type(linkspan_subscriber) :: reader
      type(linkspan_listener) :: listener
      type(linkspan_channel) :: near, far
      type(linkspan_server) :: server
      type(linkspan_message) :: one, got
      real(real64), allocatable :: timeout
      character(12) :: digits
      integer :: stat
      logical :: there, is
      write (digits, "(i0)") number
      name = trim(transport)//":waits/"//trim(digits)
      options%timeout = short
      there = kind == "there" .or. kind == "forever"
      ! An unallocated time-out counts as absent.
      select case (kind)
      case ("zero")
         timeout = 0
      case ("positive", "there")
         timeout = short
      case ("forever")
         timeout = linkspan_forever
      case ("negative")
         timeout = -1
      case ("nan")
         timeout = ieee_value(short, ieee_quiet_nan)
      end select
      outcome = "message"
      call one%put("n", 1)
      select case (row)
      case ("subscriber recv", "subscriber next")
         call out%open(name)
         call reader%subscribe(name, options)
         call out%send(one)
         call reader%recv(got, timeout=soon)
         if (there) call out%send(one)
         if (row == "subscriber recv") then
            call reader%recv(got, timeout=timeout, stat=stat)
         else
            is = reader%next(got, timeout=timeout, stat=stat)
         end if
      case ("nobody recv")
         call reader%subscribe(name, options)
         call reader%recv(got, timeout=timeout, stat=stat)
      case ("channel recv", "channel call", "channel flush")
         call listener%listen(name)
         call near%connect(name, options, timeout=soon)
         call listener%accept(far, timeout=soon)
         if (row == "channel flush") call near%send(one, timeout=soon)
         if (there) call far%send(one, timeout=soon)
         if (row == "channel recv") call near%recv(got, timeout=timeout, stat=stat)
         if (row == "channel call") call near%call(one, got, timeout=timeout, stat=stat)
         if (row == "channel flush") call near%flush(timeout=timeout, stat=stat)
      case ("listener accept")
         call listener%listen(name, options)
         if (there) call near%connect(name, timeout=soon)
         call listener%accept(far, timeout=timeout, stat=stat)
         outcome = "done"
      case ("server next")
         call server%serve(name, options)
         if (there) call near%connect(name, timeout=soon)
         if (there) call near%send(one, timeout=soon)
         is = server%next(got, timeout=timeout, stat=stat)
      case ("publisher wait")
         call out%open(name, options)
         call out%send(one)
         if (there) call reader%subscribe(name)
         if (there) call reader%recv(got, timeout=soon)
         call out%wait_for_subscribers(1, timeout=timeout, stat=stat)
         outcome = "done"
      case ("publisher latest")
         call out%open(name)
         if (there) call out%send(one)
         call linkspan_latest(name, got, timeout=timeout, stat=stat)
      case ("absent latest")
         call linkspan_latest(name, got, timeout=timeout, stat=stat)
      case ("absent connect")
         call near%connect(name, timeout=timeout, stat=stat)
         outcome = "done"
      case default
         error stop "no such row"
      end select
      select case (stat)
      case (linkspan_ok)
         continue
      case (linkspan_timeout)
         outcome = "Timeout"
      case (linkspan_not_found)
         outcome = "NotFound"
      case (linkspan_empty)
         outcome = "Empty"
      case (linkspan_out_of_range)
         outcome = "OutOfRange"
      case default
         write (digits, "(i0)") stat
         outcome = trim(digits)
      end select
   end function
end program
