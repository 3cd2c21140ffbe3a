! A channel: start it twice, in any two languages. The first one listens, the second one joins it.
program first_channel
   use linkspan
   implicit none
   type(linkspan_channel) :: channel
   type(linkspan_message) :: hello, message
   character(:), allocatable :: from

   call channel%open("first/channel")
   call hello%put("from", "Fortran")
   call channel%send(hello)
   call channel%recv(message)
   call message%get("from", from)
   if (channel%role() == linkspan_role_listener) then
      print '(2a)', "the listener heard from ", from
   else
      print '(2a)', "the connector heard from ", from
   end if
   call channel%close()
end program
