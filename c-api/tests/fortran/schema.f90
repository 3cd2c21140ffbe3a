! Schemas in Fortran: a peer with another unit gets the differences, a newer version reads, values are checked.
program schema_test
   use, intrinsic :: iso_fortran_env, only: real64
   use linkspan
   implicit none
   character(*), parameter :: nl = new_line('a')
   character(*), parameter :: watts = 'name = "power"' // nl // '[fields.watts]' // nl // 'type = "f64"' // nl &
      // 'unit = "W"' // nl
   character(*), parameter :: kilowatts = 'name = "power"' // nl // '[fields.watts]' // nl // 'type = "f64"' // nl &
      // 'unit = "kW"' // nl
   character(*), parameter :: newer = watts // '[fields.phase]' // nl // 'type = "u8"' // nl // 'default = 1' // nl
   call on("unix:test/schema")
   call on("shm:test/schema")
   call replies()
   call listeners()
   call records()
   print '(a)', "ok"

contains

   subroutine on(name)
      character(*), intent(in) :: name
      type(linkspan_publisher) :: out
      type(linkspan_subscriber) :: subscriber
      type(linkspan_message) :: reading
      type(linkspan_options) :: options
      character(:), allocatable :: why
      real(real64) :: value
      integer :: stat
      options%schema = watts
      options%validate = "both"
      call out%open(name, options)
      call reading%put("watts", 230.5_real64)
      call out%send(reading)
      call reading%put("watts", "much")
      call out%send(reading, stat=stat, errmsg=why)
      if (stat /= linkspan_wrong_type .or. index(why, "f64 in W is expected") == 0) error stop "it was sent"
      options%schema = kilowatts
      call subscriber%subscribe(name, options)
      call subscriber%recv(reading, timeout=60.0_real64, stat=stat, errmsg=why)
      if (stat /= linkspan_schema_mismatch) error stop "it was received"
      if (index(why, "watts: the unit is W there and kW here") == 0) error stop "why"
      call subscriber%close()
      options%schema = newer
      call subscriber%subscribe(name, options)
      call subscriber%recv(reading, timeout=60.0_real64)
      call reading%get("watts", value)
      if (value /= 230.5_real64) error stop "watts"
      call subscriber%close()
      call linkspan_names(reading)
      call reading%get("0/endpoint", why)
      if (index(why, ":") == 0) error stop "names"
      call linkspan_schema(name, reading)
      call reading%get("type/fields/0/type/unit", why)
      if (why /= "W") error stop "unit"
      call out%close()
   end subroutine

   subroutine replies()
      character(*), parameter :: level = 'name = "tank"' // nl // '[fields.level]' // nl // 'type = "f64"' // nl // 'unit = '
      type(linkspan_server) :: server
      type(linkspan_channel) :: client
      type(linkspan_message) :: found
      type(linkspan_options) :: options
      character(:), allocatable :: why
      integer :: stat
      options%schema = watts
      options%reply_schema = level // '"m"' // nl
      call server%serve("unix:test/tank", options)
      call linkspan_reply_schema("unix:test/tank", found)
      call found%get("type/fields/0/type/unit", why)
      if (why /= "m") error stop "unit of replies"
      options%reply_schema = level // '"cm"' // nl
      call client%connect("unix:test/tank", options, timeout=60.0_real64, stat=stat, errmsg=why)
      if (stat /= linkspan_schema_mismatch) error stop "it connected"
      if (index(why, "the unit is m there and cm here") == 0) error stop "why of replies"
      call server%close()
   end subroutine

   ! A refused client has no channel, so the listener reports it.
   subroutine listeners()
      type(linkspan_listener) :: listener
      type(linkspan_channel) :: client
      type(linkspan_message) :: found
      type(linkspan_options) :: options
      character(:), allocatable :: kind
      integer :: stat, forgotten
      options%schema = watts
      call listener%listen("unix:test/power", options)
      call listener%events(found)
      if (found%count("") /= 0) error stop "events before the first client"
      options%schema = kilowatts
      call client%connect("unix:test/power", options, timeout=60.0_real64, stat=stat)
      if (stat /= linkspan_schema_mismatch) error stop "the client connected"
      call listener%events(found)
      call found%get("0/kind", kind)
      if (found%count("") /= 1 .or. kind /= "schema_mismatch") error stop "events of a listener"
      call listener%stats(found)
      call found%get("forgotten", forgotten)
      if (forgotten /= 0) error stop "counters of a listener"
      call listener%close()
   end subroutine

   subroutine records()
      type(linkspan_publisher) :: out
      type(linkspan_subscriber) :: subscriber
      type(linkspan_message) :: reading, found
      type(linkspan_options) :: options
      integer :: i, stat
      do i = 1, 2
         options%schema = merge(watts // repeat(nl, len(newer) - len(watts)), newer, i == 1)
         call out%open("journal:test/power", options)
         call reading%clear()
         call reading%put("watts", 1.0_real64)
         call out%send(reading)
         call out%close()
      end do
      options%from = "first"
      call subscriber%subscribe("journal:test/power", options)
      do i = 1, 2
         call subscriber%recv(reading, timeout=60.0_real64)
         call linkspan_schema_of("journal:test/power", reading, found, stat=stat)
         if (stat /= linkspan_ok) error stop "schema of a record"
         if (found%has("type/fields/1") .neqv. i == 2) error stop "fields of a record"
      end do
      call subscriber%close()
   end subroutine

end program
