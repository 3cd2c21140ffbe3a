! The peer in Fortran. See README.md.
program peer
   use linkspan
   implicit none
   character(:), allocatable :: role
   role = word(1)
   select case (role)
   case ("serve")
      call serve(word(2), word(3))
   case ("call")
      call ask_for_all(word(2), word(3), word(4))
   case ("send")
      call send_all(word(2), word(3), word(4))
   case ("receive")
      call receive_all(word(2), word(3), word(4))
   case ("publish")
      call publish_all(word(2), word(3), word(4))
   case ("subscribe")
      call hear_all(word(2), word(3), word(4))
   case default
      print '(2a)', "usage: peer serve ENDPOINT ENCODING | ", &
         "call, send, receive, publish or subscribe ENDPOINT ENCODING VECTORS"
      stop 2
   end select

contains

   function word(i) result(text)
      integer, intent(in) :: i
      character(:), allocatable :: text
      character(4096) :: buffer
      call get_command_argument(i, buffer)
      text = trim(buffer)
   end function

   function options_of(encoding) result(options)
      character(*), intent(in) :: encoding
      type(linkspan_options) :: options
      options%encoding = encoding
      options%timeout = 60.0_real64
   end function

   subroutine serve(endpoint, encoding)
      character(*), intent(in) :: endpoint, encoding
      type(linkspan_server) :: server
      type(linkspan_message) :: request, reply, sent, item
      character(:), allocatable :: asked
      integer(int8), allocatable :: bytes(:)
      integer :: stat
      call server%serve(endpoint, options_of(encoding))
      print '(a)', "ready"
      flush (6)
      call sent%begin_array()
      do while (server%next(request))
         asked = ""
         call request%get("peer", asked, stat=stat)
         if (stat /= linkspan_ok) asked = ""
         select case (asked)
         case ("sent")
            call sent%end()
            call server%reply(request, sent)
            call sent%clear()
            call sent%begin_array()
         case ("fail")
            call reply%clear(); call reply%begin_array()
            call reply%add(1); call reply%add(2)
            call reply%end()
            call server%fail(request, 7, "peer.fail", "asked to fail", reply)
         case ("drop")
            call request%release()
         case ("stop")
            call reply%clear()
            call server%reply(request, reply)
            exit
         case default
            call server%reply(request, request, stat=stat)
            ! A sent message does not want an answer.
            if (stat == linkspan_invalid_state) then
               call linkspan_encode(request, linkspan_cbor, bytes)
               call linkspan_decode(bytes, linkspan_raw, item)
               call sent%add(item)
            else if (stat /= linkspan_ok) then
               error stop "reply"
            end if
         end select
      end do
      call server%close()
   end subroutine

   ! Returns the bytes of a vector in an encoding.
   function bytes_of(vectors, i, encoding) result(bytes)
      type(linkspan_message), intent(in) :: vectors
      integer, intent(in) :: i
      character(*), intent(in) :: encoding
      integer(int8), allocatable :: bytes(:)
      character(:), allocatable :: text
      integer :: k, number
      call vectors%get(place(i)//"/"//encoding, text)
      if (encoding == "json") then
         bytes = transfer(text, [0_int8])
         return
      end if
      allocate (bytes(len(text)/2))
      do k = 1, size(bytes)
         read (text(2*k - 1:2*k), '(z2)') number
         bytes(k) = int(merge(number - 256, number, number > 127), int8)
      end do
   end function

   function place(i) result(text)
      integer, intent(in) :: i
      character(:), allocatable :: text
      character(12) :: buffer
      write (buffer, '(i0)') i
      text = trim(buffer)
   end function

   subroutine same(name, got, expected)
      character(*), intent(in) :: name
      integer(int8), intent(in) :: got(:), expected(:)
      logical :: equal
      equal = size(got) == size(expected)
      if (equal) equal = all(got == expected)
      if (.not. equal) then
         print '(2a)', name, ": another value came"
         stop 1
      end if
   end subroutine

   subroutine must_fail(channel, asked, type)
      type(linkspan_channel), intent(in) :: channel
      character(*), intent(in) :: asked, type
      type(linkspan_message) :: request, reply
      type(linkspan_error) :: error
      integer :: stat
      call request%put("peer", asked)
      call channel%call(request, reply, stat=stat)
      call linkspan_last_error(error)
      if (stat /= linkspan_remote .or. error%remote_type /= type) then
         print '(2a)', asked, ": another outcome came"
         stop 1
      end if
   end subroutine

   subroutine read_vectors(path, vectors)
      character(*), intent(in) :: path
      type(linkspan_message), intent(inout) :: vectors
      integer(int8), allocatable :: file(:)
      integer :: unit, length
      open (newunit=unit, file=path, access="stream", form="unformatted", action="read")
      inquire (unit, size=length)
      allocate (file(length))
      read (unit) file
      close (unit)
      call linkspan_decode(file, linkspan_json, vectors)
   end subroutine

   subroutine value_of(vectors, i, encoding, value)
      type(linkspan_message), intent(in) :: vectors
      integer, intent(in) :: i
      character(*), intent(in) :: encoding
      type(linkspan_message), intent(inout) :: value
      call linkspan_decode(bytes_of(vectors, i, encoding), linkspan_encoding_of(encoding), value)
   end subroutine

   ! Ends the program if the CBOR of a value differs from vector i.
   subroutine same_value(vectors, i, value)
      type(linkspan_message), intent(in) :: vectors, value
      integer, intent(in) :: i
      integer(int8), allocatable :: bytes(:)
      character(:), allocatable :: name
      call linkspan_encode(value, linkspan_cbor, bytes)
      call vectors%get(place(i)//"/name", name)
      call same(name, bytes, bytes_of(vectors, i, "cbor"))
   end subroutine

   subroutine say(text)
      character(*), intent(in) :: text
      print '(a)', text
      flush (6)
   end subroutine

   subroutine send_all(endpoint, encoding, path)
      character(*), intent(in) :: endpoint, encoding, path
      type(linkspan_channel) :: channel
      type(linkspan_message) :: vectors, value
      integer :: i
      call read_vectors(path, vectors)
      call channel%connect(endpoint, options_of(encoding))
      do i = 0, int(vectors%count("")) - 1
         call value_of(vectors, i, encoding, value)
         call channel%send(value)
      end do
      call channel%close()
   end subroutine

   subroutine receive_all(endpoint, encoding, path)
      character(*), intent(in) :: endpoint, encoding, path
      type(linkspan_server) :: server
      type(linkspan_message) :: vectors, sent
      integer :: i, count
      call read_vectors(path, vectors)
      count = int(vectors%count(""))
      call server%serve(endpoint, options_of(encoding))
      call say("ready")
      do i = 0, count - 1
         if (.not. server%next(sent)) error stop "next"
         call same_value(vectors, i, sent)
      end do
      call server%close()
      call say(place(count)//" received")
   end subroutine

   subroutine publish_all(endpoint, encoding, path)
      character(*), intent(in) :: endpoint, encoding, path
      type(linkspan_publisher) :: publisher
      type(linkspan_message) :: vectors, value
      character(400) :: line
      integer :: i, count, stat
      call read_vectors(path, vectors)
      count = int(vectors%count(""))
      call publisher%open(endpoint, options_of(encoding))
      do i = 0, count - 1
         call value_of(vectors, i, encoding, value)
         call publisher%send(value)
         if (i == 0) call say("ready")
         line = ""
         read (5, '(a)', iostat=stat) line
         if (stat /= 0 .or. line /= "received") then
            print '(3a)', place(i), ": it was not received: ", trim(line)
            stop 1
         end if
      end do
      call publisher%close()
      call say(place(count)//" published")
   end subroutine

   subroutine hear_all(endpoint, encoding, path)
      character(*), intent(in) :: endpoint, encoding, path
      type(linkspan_subscriber) :: subscriber
      type(linkspan_message) :: vectors, value
      integer :: i
      call read_vectors(path, vectors)
      call subscriber%subscribe(endpoint, options_of(encoding))
      do i = 0, int(vectors%count("")) - 1
         call subscriber%recv(value)
         call same_value(vectors, i, value)
         call say("received")
      end do
      call subscriber%close()
   end subroutine

   subroutine ask_for_all(endpoint, encoding, path)
      character(*), intent(in) :: endpoint, encoding, path
      type(linkspan_channel) :: channel
      type(linkspan_message) :: vectors, value, request, reply
      integer(int8), allocatable :: bytes(:)
      character(:), allocatable :: name
      integer :: count, i, code
      call read_vectors(path, vectors)
      code = linkspan_encoding_of(encoding)
      call channel%connect(endpoint, options_of(encoding))
      count = int(vectors%count(""))
      do i = 0, count - 1
         call linkspan_decode(bytes_of(vectors, i, encoding), code, value)
         call channel%call(value, reply)
         call linkspan_encode(reply, linkspan_cbor, bytes)
         call vectors%get(place(i)//"/name", name)
         call same(name, bytes, bytes_of(vectors, i, "cbor"))
      end do
      do i = 0, count - 1
         call linkspan_decode(bytes_of(vectors, i, encoding), code, value)
         call channel%send(value)
      end do
      call request%put("peer", "sent")
      call channel%call(request, reply)
      if (reply%count("") /= count) then
         print '(i0, a, i0, a)', count, " were sent, ", reply%count(""), " arrived"
         stop 1
      end if
      do i = 0, count - 1
         call reply%get_bytes(place(i), bytes)
         call vectors%get(place(i)//"/name", name)
         call same(name//" (sent)", bytes, bytes_of(vectors, i, "cbor"))
      end do
      call must_fail(channel, "fail", "peer.fail")
      call must_fail(channel, "drop", "linkspan.unanswered")
      call channel%close()
      print '(i0, a, i0, a)', count, " called, ", count, " sent, 2 failed"
   end subroutine
end program
