! A controller's client: asks `service` for its data, pauses it, lets it run, and ends it.
program first_control
   use linkspan
   implicit none
   type(linkspan_controller) :: controller
   type(linkspan_message) :: answer
   character(*), parameter :: name = "lab/counter"
   character(:), allocatable :: state
   integer :: count
   call controller%open()
   call controller%command(name, "GET_DATA", answer)
   call answer%get("count", count)
   print '(a)', trim(merge("counts        ", "does not count", count >= 0))
   call controller%command(name, "PAUSE")
   call controller%status(name, answer)
   call answer%get("state", state)
   print '(a)', state
   call controller%command(name, "RUN")
   call controller%command(name, "SHUTDOWN")
   call controller%close()
end program
