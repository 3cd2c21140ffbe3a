! The service in Fortran, which pulls its tasks: see README.md here.
program service_peer
   use linkspan
   implicit none
   type(linkspan_service) :: service
   type(linkspan_service_options) :: options
   type(linkspan_command) :: command
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
   do while (service%next(command))
      if (.not. passed(command%name)) then
         call service%failed(command, linkspan_cancelled, "the wait at a gate was cancelled")
         if (command%verb == linkspan_shutdown) then
            call service%close()
            stop 1, quiet=.true.
         end if
         cycle
      end if
      select case (command%verb)
      case (linkspan_step)
         if (breaks) then
            breaks = .false.
            call service%failed(command, linkspan_remote, "asked to break")
         else
            steps = steps + 1
            call service%done(command)
         end if
      case (linkspan_get_data)
         call value%clear()
         call value%put("language", "fortran")
         call value%put("steps", steps)
         call service%done(command, value)
      case (linkspan_config, linkspan_backup)
         call command%arguments(arguments)
         call service%done(command, arguments)
      case (linkspan_own)
         call carry_out()
      case default
         call service%done(command)
      end select
   end do
   call service%close()

contains

   subroutine carry_out()
      select case (command%name)
      case ("fail")
         call service%failed(command, linkspan_remote, "asked to fail")
      case ("break")
         breaks = .true.
         call service%done(command)
      case default
         call command%arguments(arguments)
         call service%done(command, arguments)
      end select
   end subroutine

   ! Waits while the gate is closed; false where the wait was cancelled.
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
