! A service that counts. A controller, such as `control`, may ask it, pause it, run it and end it.
program first_service
   use linkspan
   implicit none
   type(linkspan_service) :: service
   type(linkspan_service_options) :: options
   type(linkspan_task) :: task
   type(linkspan_message) :: data
   integer :: count = 0
   options%every = 0.1_real64
   call service%start("lab/counter", options)
   do while (service%next(task))
      if (task%command == linkspan_command_step) count = count + 1
      if (task%command == linkspan_command_get_data) then
         call data%clear()
         call data%put("count", count)
         call service%task_done(task, data)
      else
         ! PAUSE, RUN, CHECKPOINT and SHUTDOWN are done at once: nothing is open.
         call service%task_done(task)
      end if
   end do
   call service%close()
   print '(a)', "stopped"
end program
