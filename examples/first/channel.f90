! A channel: start it twice, in any two languages. The first listens, the second joins it.
program first_channel
   use linkspan
   implicit none
   call talk()

contains

   subroutine talk()
      type(linkspan_channel) :: channel
      type(linkspan_message) :: hello, message
      character(:), allocatable :: role, from
      call channel%open("first/channel")
      role = "connector"
      if (channel%role() == linkspan_role_listener) role = "listener"
      call hello%put("from", "Fortran")
      call channel%send(hello)
      call channel%recv(message)
      call message%get("from", from)
      print '(4a)', "the ", role, " received from ", from
      call channel%close()
   end subroutine
end program
