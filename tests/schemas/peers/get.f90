! Reads the next message of a name as the generated type, whole or at a path: `get ENDPOINT PATH` prints the value or
! the error.
program get
   use linkspan
   use meter_messages
   implicit none
   type(linkspan_subscriber) :: in
   type(linkspan_message) :: message
   type(meter) :: value
   character(1024) :: name, path
   character(:), allocatable :: why
   integer :: stat

   call get_command_argument(1, name)
   call get_command_argument(2, path)
   call in%subscribe(trim(name))
   call in%recv(message, timeout=60.0_real64)
   call METER_GET(message, path, stat, why)
   if (stat == linkspan_ok) then
      print "(f0.1)", value%pressure
   else if (stat == linkspan_schema_mismatch) then
      print "(2a)", "SchemaMismatch ", why
   else
      print "(i0, 2a)", stat, " ", why
   end if
end program
