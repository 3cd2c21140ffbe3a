! The value vectors in Fortran: every value in every encoding, converted to every other.
!
! usage: vectors values.json
program vectors
   use linkspan
   implicit none
   integer, parameter :: encodings(4) = [linkspan_json, linkspan_cbor, linkspan_bson, linkspan_smile]
   type(linkspan_message) :: law
   integer :: checks = 0, failures = 0
   integer :: row, rows

   call read_law(law)
   rows = law%count("")
   do row = 0, rows - 1
      call check_value(row)
   end do
   print '(i0, a, i0, a, i0, a)', rows, " values, ", checks, " checks, ", failures, " failed"
   if (failures > 0 .or. checks == 0) error stop 1

contains

   subroutine read_law(message)
      type(linkspan_message), intent(inout) :: message
      character(4096) :: name
      integer(int8), allocatable :: bytes(:)
      integer :: unit, length
      call get_command_argument(1, name)
      open (newunit=unit, file=trim(name), access="stream", status="old", action="read")
      inquire (unit=unit, size=length)
      allocate (bytes(length))
      read (unit) bytes
      close (unit)
      call linkspan_decode(bytes, linkspan_json, message)
   end subroutine

   subroutine check(condition, row, what)
      logical, intent(in) :: condition
      integer, intent(in) :: row
      character(*), intent(in) :: what
      character(:), allocatable :: name
      character(12) :: number
      checks = checks + 1
      if (condition) return
      failures = failures + 1
      write (number, '(i0)') row
      call law%get(trim(number)//"/name", name)
      print '(3a)', name, ": ", what
   end subroutine

   subroutine form(row, encoding, bytes)
      integer, intent(in) :: row, encoding
      integer(int8), allocatable, intent(out) :: bytes(:)
      character(:), allocatable :: text
      character(12) :: number
      integer :: i, byte
      write (number, '(i0)') row
      call law%get(trim(number)//"/"//linkspan_encoding_name(encoding), text)
      if (encoding == linkspan_json) then
         bytes = transfer(text, [0_int8])
         return
      end if
      allocate (bytes(len(text)/2))
      do i = 1, size(bytes)
         read (text(2*i - 1:2*i), '(z2)') byte
         bytes(i) = int(merge(byte - 256, byte, byte > 127), int8)
      end do
   end subroutine

   function same(a, b)
      integer(int8), intent(in) :: a(:), b(:)
      logical :: same
      same = size(a) == size(b)
      if (same) same = all(a == b)
   end function

   subroutine check_value(row)
      integer, intent(in) :: row
      type(linkspan_message) :: message
      integer(int8), allocatable :: bytes(:), expected(:), got(:)
      character(:), allocatable :: what
      integer :: from, to, stat
      do from = 1, size(encodings)
         call form(row, encodings(from), bytes)
         call linkspan_decode(bytes, encodings(from), message)
         do to = 1, size(encodings)
            call form(row, encodings(to), expected)
            what = linkspan_encoding_name(encodings(from))//" to "//linkspan_encoding_name(encodings(to))
            call linkspan_encode(message, encodings(to), got, stat=stat)
            call check(stat == linkspan_ok, row, what)
            if (stat == linkspan_ok) call check(same(got, expected), row, what)
            call linkspan_transcode(bytes, encodings(from), encodings(to), got, stat=stat)
            call check(stat == linkspan_ok, row, what//", transcoded")
            if (stat == linkspan_ok) call check(same(got, expected), row, what//", transcoded")
         end do
      end do
   end subroutine

end program
