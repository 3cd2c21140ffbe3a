! Decodes the next and the newest message of a name: `decode ENDPOINT [SCHEMA]` prints each value, or the error's number
! and text.
program decode
   use linkspan
   use meter_messages
   implicit none
   type(linkspan_subscriber) :: in
   type(linkspan_options) :: options
   type(linkspan_message) :: message
   character(1024) :: name, schema

   call get_command_argument(1, name)
   call get_command_argument(2, schema)
   if (schema /= "") options%schema = trim(schema)
   call in%subscribe(trim(name), options)
   call in%recv(message, timeout=60.0_real64)
   call decoded()
   call linkspan_latest(trim(name), message, options, timeout=60.0_real64)
   call decoded()

contains

   subroutine decoded()
      type(meter) :: value
      character(:), allocatable :: why
      integer :: stat
      call METER_DECODE(message, stat, why)
      if (stat == linkspan_ok) then
         print "(f0.1)", value%pressure
      else if (stat == linkspan_schema_mismatch) then
         print "(2a)", "SchemaMismatch ", why
      else
         print "(i0, 2a)", stat, " ", why
      end if
   end subroutine
end program
