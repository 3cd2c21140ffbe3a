! Reads a CBOR message into the generated packed record and writes it back: `echo IN OUT`.
program echo
   use, intrinsic :: iso_fortran_env, only: error_unit
   use linkspan
   use ECHO_TYPE_messages
   implicit none
   type(ECHO_TYPE) :: value
   type(linkspan_message) :: message, made, around
   integer(int8), allocatable :: bytes(:)
   character(:), allocatable :: why
   character(1024) :: path
   integer :: unit, length, stat

   call get_command_argument(1, path)
   open (newunit=unit, file=trim(path), access="stream", form="unformatted", status="old", action="read")
   inquire (unit=unit, size=length)
   allocate (bytes(length))
   read (unit) bytes
   close (unit)
   call linkspan_decode(bytes, linkspan_cbor, message)
   call ECHO_TYPE_decode(value, message, stat, why)
   if (stat == linkspan_ok) call repeated(value)
   ! Also as one value of a message that the program builds.
   if (stat == linkspan_ok) call ECHO_TYPE_put(value, around, "it", stat, why)
   if (stat == linkspan_ok) call ECHO_TYPE_get(value, around, "it", stat, why)
   if (stat == linkspan_ok) call ECHO_TYPE_encode(value, made, stat, why)
   if (stat /= linkspan_ok) then
      write (error_unit, "(a)") why
      error stop 1, quiet=.true.
   end if
   call linkspan_encode(made, linkspan_cbor, bytes)
   call get_command_argument(2, path)
   open (newunit=unit, file=trim(path), access="stream", form="unformatted", status="replace", action="write")
   write (unit) bytes
   close (unit)

contains

   ! Packing and unpacking without a message does not change a record.
   subroutine repeated(value)
      type(ECHO_TYPE), intent(inout) :: value
      integer(int8) :: block(ECHO_TYPE_size)
      call ECHO_TYPE_pack(value, block)
      call ECHO_TYPE_unpack(value, block)
   end subroutine
end program
