! Opens a publisher with the schema in a file: `open PATH` prints the status and the error's text.
program open_schema
   use linkspan
   implicit none
   type(linkspan_publisher) :: out
   type(linkspan_options) :: options
   character(:), allocatable :: path, why
   integer :: length, stat

   call get_command_argument(1, length=length)
   allocate (character(length) :: path)
   call get_command_argument(1, path)
   options%schema = path
   call out%open("unix:refused/fortran", options, stat=stat, errmsg=why)
   if (stat == linkspan_ok) then
      call out%close()
      why = ""
   end if
   print '(i0, 2a)', stat, " ", why
end program
