! The schema vectors in Fortran.
!
! usage: schema_vectors DIRECTORY
program schema_vectors
   use, intrinsic :: iso_fortran_env, only: real64, int8
   use linkspan
   implicit none
   character(*), parameter :: at = "unix:test/schemas"
   real(real64), parameter :: soon = 20
   type(linkspan_message) :: law
   character(:), allocatable :: directory
   integer :: checks = 0, failures = 0
   integer :: row

   call get_directory(directory)
   call read_law(directory//"/schema_texts.json")
   do row = 0, law%count("") - 1
      call check_text()
   end do
   call read_law(directory//"/schema_pairs.json")
   do row = 0, law%count("") - 1
      call check_pair()
   end do
   call read_law(directory//"/schema_values.json")
   do row = 0, law%count("") - 1
      call check_value()
   end do
   deallocate (directory)
   print '(i0, a, i0, a)', checks, " checks, ", failures, " failed"
   if (failures > 0 .or. checks == 0) error stop 1

contains

   subroutine get_directory(directory)
      character(:), allocatable, intent(out) :: directory
      integer :: length
      call get_command_argument(1, length=length)
      allocate (character(length) :: directory)
      call get_command_argument(1, directory)
   end subroutine

   subroutine read_law(file)
      character(*), intent(in) :: file
      integer(int8), allocatable :: bytes(:)
      integer :: unit, length
      open (newunit=unit, file=file, access="stream", status="old", action="read")
      inquire (unit=unit, size=length)
      allocate (bytes(length))
      read (unit) bytes
      close (unit)
      call linkspan_decode(bytes, linkspan_json, law)
   end subroutine

   function text(column)
      character(*), intent(in) :: column
      character(:), allocatable :: text
      character(12) :: number
      integer :: stat
      write (number, '(i0)') row
      call law%get(trim(number)//"/"//column, text, stat=stat)
      if (stat /= linkspan_ok) text = ""
   end function

   function code()
      integer :: code, stat
      character(12) :: number
      write (number, '(i0)') row
      call law%get(trim(number)//"/code", code, stat=stat)
      if (stat /= linkspan_ok) code = linkspan_ok
   end function

   subroutine expect(expected, part, stat, errmsg)
      integer, intent(in) :: expected, stat
      character(*), intent(in) :: part
      character(:), allocatable, intent(in) :: errmsg
      character(:), allocatable :: found
      found = ""
      if (stat /= linkspan_ok) found = errmsg
      checks = checks + 1
      if (stat == expected .and. (part == "" .or. index(found, part) > 0)) return
      failures = failures + 1
      print '(a, i0, a, i0, 2a, i0, 2a)', "row ", row, ": ", stat, " ", found//"; expected ", expected, " ", part
   end subroutine

   subroutine check_text()
      type(linkspan_publisher) :: out
      type(linkspan_options) :: options
      character(:), allocatable :: why
      integer :: stat
      options%schema = text("toml")
      call out%open(at, options, stat=stat, errmsg=why)
      call expect(code(), text("text"), stat, why)
      if (stat == linkspan_ok) call out%close()
   end subroutine

   subroutine check_pair()
      type(linkspan_publisher) :: out
      type(linkspan_subscriber) :: subscriber
      type(linkspan_message) :: message
      type(linkspan_options) :: options
      character(:), allocatable :: why, difference
      integer :: stat
      options%schema = text("writer")
      call out%open(at, options)
      call message%put("a", 1)
      call out%send(message)
      options%schema = text("reader")
      call subscriber%subscribe(at, options)
      call subscriber%recv(message, timeout=soon, stat=stat, errmsg=why)
      difference = text("differences/0")
      call expect(merge(linkspan_ok, linkspan_schema_mismatch, difference == ""), difference, stat, why)
      call subscriber%close()
      call out%close()
   end subroutine

   subroutine check_value()
      type(linkspan_publisher) :: out
      type(linkspan_message) :: message
      type(linkspan_options) :: options
      character(:), allocatable :: why
      integer :: stat
      options%schema = text("schema")
      options%validate = "send"
      call out%open(at, options)
      call linkspan_decode(transfer(text("json"), [0_int8]), linkspan_json, message)
      call out%send(message, stat=stat, errmsg=why)
      call expect(code(), text("text"), stat, why)
      call out%close()
   end subroutine

end program
