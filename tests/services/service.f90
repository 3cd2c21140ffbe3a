! The service in Fortran, which pulls its tasks. See README.md.
program service_peer
   use linkspan
   implicit none
   type(linkspan_service) :: service
   type(linkspan_service_options) :: options
   type(linkspan_task) :: task
   type(linkspan_message) :: arguments, value
   character(4096) :: name, gates, how
   integer :: steps = 0
   logical :: breaks = .false.

   call get_command_argument(1, name)
   call get_command_argument(2, gates)
   call get_command_argument(3, how)
   options%every = 0.02_real64
   options%paused = how == "ready"
   options%commands = [character(6) :: "CONFIG", "BACKUP", "echo", "fail", "break"]
   call service%start(trim(name), options)
   if (.not. passed("START")) continue
   do while (service%next(task))
      if (.not. passed(task%name)) then
         call service%task_failed(task, linkspan_cancelled, "the wait at a gate was cancelled")
         if (task%command == linkspan_command_shutdown) then
            call service%close()
            stop 1, quiet=.true.
         end if
         cycle
      end if
      select case (task%command)
      case (linkspan_command_step)
         if (breaks) then
            breaks = .false.
            call service%task_failed(task, linkspan_remote, "asked to break")
         else
            steps = steps + 1
            call service%task_done(task)
         end if
      case (linkspan_command_get_data)
         call value%clear()
         call value%put("language", "fortran")
         call value%put("steps", steps)
         call service%task_done(task, value)
      case (linkspan_command_config, linkspan_command_backup)
         call task%arguments(arguments)
         call service%task_done(task, arguments)
      case (linkspan_command_own)
         call carry_out()
      case default
         call service%task_done(task)
      end select
   end do
   call service%close()

contains

   subroutine carry_out()
      select case (task%name)
      case ("fail")
         call service%task_failed(task, linkspan_remote, "asked to fail")
      case ("break")
         breaks = .true.
         call service%task_done(task)
      case default
         call task%arguments(arguments)
         call service%task_done(task, arguments)
      end select
   end subroutine

   ! Waits while the gate is closed; false if the wait was cancelled.
   logical function passed(gate)
      use, intrinsic :: iso_c_binding, only: c_int
      character(*), intent(in) :: gate
      logical :: closed
      integer(c_int) :: ignored
      interface
         integer(c_int) function usleep(microseconds) bind(C)
            import :: c_int
            integer(c_int), value :: microseconds
         end function
      end interface
      passed = .true.
      do
         inquire (file=trim(gates)//"/"//gate, exist=closed)
         if (.not. closed) return
         passed = .not. service%is_cancelled()
         if (.not. passed) return
         ignored = usleep(5000_c_int)
      end do
   end function
end program
