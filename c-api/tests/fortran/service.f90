! A service in Fortran: without arguments it needs no other program; `control NAME` commands a `serve NAME`.
module patience
   use, intrinsic :: iso_c_binding
   implicit none
contains
   ! Runs when the current work is cancelled.
   subroutine give_up(context) bind(C)
      type(c_ptr), value :: context
      integer(c_int), pointer, volatile :: calls
      call c_f_pointer(context, calls)
      calls = calls + 1
   end subroutine
end module

program service_test
   use linkspan
   use patience
   implicit none
   character(256) :: role, name
   call get_command_argument(1, role)
   call get_command_argument(2, name)
   select case (role)
   case ("serve")
      call serve(trim(name))
   case ("control")
      call control(trim(name))
   case default
      call works_alone()
      call waits_and_fails()
   end select
   print '(a)', "ok"

contains

   subroutine check(condition, what)
      logical, intent(in) :: condition
      character(*), intent(in) :: what
      if (.not. condition) error stop what
   end subroutine

   subroutine works_alone()
      type(linkspan_service) :: service
      type(linkspan_service_options) :: options
      type(linkspan_task) :: task
      type(linkspan_message) :: message
      integer(c_int), target, volatile :: calls
      integer :: i, steps, stat
      character(:), allocatable :: why
      call service%start("unix:power", stat=stat, errmsg=why)
      call check(stat == linkspan_invalid_endpoint .and. index(why, "unix:power") > 0, "bad name")
      options%commands = [character(9) :: "calibrate", "PAUSE"]
      call service%start("power", options, stat=stat, errmsg=why)
      call check(stat == linkspan_out_of_range .and. index(why, "PAUSE") > 0, "bad command")
      calls = 0
      options%commands = [character(9) :: "calibrate", "CONFIG"]
      options%every = 0
      options%handle_signals = .false.
      options%on_cancel = c_funloc(give_up)
      options%on_cancel_context = c_loc(calls)
      call service%start("lab/power", options)
      call check(service%state() == linkspan_state_starting, "starting")
      call check(linkspan_state_name(service%state()) == "STARTING", "its name")
      do i = 1, 3
         call check(service%next(task, timeout=60.0_real64), "a step")
         call check(task%command == linkspan_command_step .and. task%name == "STEP" .and. task%id == "", "a step")
         call check(task%before == linkspan_state_running .and. task%remaining == linkspan_forever, "no end")
         call task%arguments(message)
         call check(message%type_at("") == linkspan_type_null, "no arguments")
         call check(.not. service%next(task, timeout=0.0_real64, stat=stat) .or. stat /= 0, "one at a time")
         call check(stat == linkspan_invalid_state, "one at a time")
         call service%task_done(task)
         call service%task_done(task, stat=stat, errmsg=why)
         call check(stat == linkspan_invalid_state .and. index(why, "answered") > 0, "answered once")
      end do
      call service%log("three steps")
      call service%set_reason("noisy")
      call service%stats(message)
      call message%get("steps", steps)
      call check(steps == 3, "three steps")
      call check(service%next(task), "one more")
      call service%shutdown()
      call check(service%state() == linkspan_state_stopping .and. .not. service%is_cancelled(), "stopping")
      call service%shutdown()
      call check(service%is_cancelled() .and. .not. service%is_connected() .and. service%epoch() /= 0, "cancelled")
      do while (calls == 0)
      end do
      call service%task_done(task)
      call check(service%next(task), "a shutdown")
      call check(task%command == linkspan_command_shutdown, "a shutdown")
      call service%task_done(task)
      call check(.not. service%next(task), "the end")
      call check(service%state() == linkspan_state_stopped, "stopped")
      call service%close()
   end subroutine

   subroutine waits_and_fails()
      type(linkspan_service) :: service
      type(linkspan_service_options) :: options
      type(linkspan_task) :: task
      integer :: stat
      options%paused = .true.
      options%every = 1.0_real64
      call service%start("power", options)
      call check(.not. service%next(task, timeout=0.0_real64, stat=stat), "nothing to do")
      call check(stat == linkspan_timeout .and. service%state() == linkspan_state_ready, "ready")
      call service%set_failed(linkspan_no_space, "the disk is full")
      call check(service%state() == linkspan_state_failed, "failed")
      call service%shutdown()
      call check(service%next(task), "a shutdown")
      call check(task%command == linkspan_command_shutdown .and. task%before == linkspan_state_failed, "before")
      call service%task_failed(task, linkspan_remote, "it does not close")
      call check(service%state() == linkspan_state_failed, "still failed")
      call service%close()
   end subroutine

   subroutine serve(name)
      character(*), intent(in) :: name
      type(linkspan_service) :: service
      type(linkspan_service_options) :: options
      type(linkspan_task) :: task
      type(linkspan_message) :: value, arguments
      integer :: steps, checkpoints, n, stat
      logical :: is_open
      character(:), allocatable :: why
      steps = 0
      checkpoints = 0
      is_open = .true.
      options%every = 0.01_real64
      options%description = "counts"
      options%commands = [character(9) :: "double", "hold", "break", "odd", "CONFIG"]
      call service%start(name, options)
      call service%log("it counts")
      do while (service%next(task))
         stat = linkspan_ok
         call value%clear()
         select case (task%command)
         case (linkspan_command_step)
            steps = steps + 1
         case (linkspan_command_pause)
            is_open = .false.
         case (linkspan_command_run)
            if (task%before == linkspan_state_paused) is_open = .true.
         case (linkspan_command_checkpoint)
            checkpoints = checkpoints + 1
         case (linkspan_command_get_data)
            call value%put("steps", steps)
            call value%put("checkpoints", checkpoints)
            call value%put("open", is_open)
         case (linkspan_command_config)
            call task%arguments(value)
         case (linkspan_command_own)
            call check(task%remaining > 0 .and. len(task%id) > 0, "it has a deadline and an id")
            select case (task%name)
            case ("double")
               call task%arguments(arguments)
               call arguments%get("n", n, stat=stat, errmsg=why)
               if (stat == linkspan_ok) call value%put("twice", 2*n)
            case ("hold")
               do while (.not. service%is_cancelled())
               end do
               stat = linkspan_cancelled
               why = "it was held, and given up"
            case ("break")
               stat = linkspan_no_space
               why = "the disk is full"
            case default
               stat = linkspan_remote
               why = "the sensor is odd"
            end select
         end select
         if (stat == linkspan_ok) then
            call service%task_done(task, value)
         else
            call service%task_failed(task, stat, why)
         end if
      end do
      call service%close()
   end subroutine

   subroutine becomes(controller, name, what, word)
      type(linkspan_controller), intent(in) :: controller
      character(*), intent(in) :: name, what, word
      type(linkspan_message) :: push
      character(:), allocatable :: kind, who, how
      do
         call controller%next(push, timeout=60.0_real64)
         call push%get("what", kind)
         if (kind /= "service") cycle
         call push%get("service/name", who)
         call push%get("service/"//what, how)
         if (who == name .and. how == word) exit
      end do
   end subroutine

   subroutine fails(controller, name, command, status, words)
      type(linkspan_controller), intent(in) :: controller
      character(*), intent(in) :: name, command, words
      integer, intent(in) :: status
      integer :: stat
      character(:), allocatable :: why
      call controller%command(name, command, timeout=60.0_real64, stat=stat, errmsg=why)
      call check(stat == status, command//" fails as it should")
      call check(index(why, words) > 0, why)
   end subroutine

   subroutine control(name)
      character(*), intent(in) :: name
      type(linkspan_controller) :: controller
      type(linkspan_message) :: message, arguments
      character(:), allocatable :: text, id, why
      integer :: number, stat, i
      logical :: is_so
      call controller%open(timeout=60.0_real64)
      call controller%next(message, timeout=0.0_real64, stat=stat)
      call check(stat == linkspan_invalid_state, "nothing is watched")
      call controller%watch(data_every=0.02_real64, services=[name])
      call becomes(controller, name, "state", "RUNNING")
      do
         call controller%next(message, timeout=60.0_real64)
         call message%get("what", text)
         if (text /= "data") cycle
         call message%get("value/steps", number)
         if (number > 0) exit
      end do
      call controller%services(message)
      call message%get("0/name", text)
      call check(message%count("") == 1 .and. text == name, "one service")

      call fails(controller, name, "RUN", linkspan_invalid_state, "RUNNING")
      call controller%command(name, "PAUSE")
      call controller%status(name, message)
      call message%get("state", text)
      call check(text == "PAUSED", "paused")
      call fails(controller, name, "CHECKPOINT", linkspan_invalid_state, "PAUSED")
      call controller%command(name, "RUN")
      call controller%command(name, "CHECKPOINT")
      call controller%command(name, "GET_DATA", message)
      call message%get("open", is_so)
      call message%get("checkpoints", number)
      call check(is_so .and. number == 1, "one checkpoint")

      call arguments%put("n", 21)
      call controller%command(name, "double", message, arguments, timeout=60.0_real64)
      call message%get("twice", number)
      call check(number == 42, "twice")
      call controller%command(name, "CONFIG", message, arguments)
      call message%get("n", number)
      call check(number == 21, "settings")
      call fails(controller, name, "break", linkspan_no_space, "the disk is full")
      call fails(controller, name, "odd", linkspan_remote, "the sensor is odd")
      call fails(controller, name, "BACKUP", linkspan_unsupported, "BACKUP")
      call fails(controller, "lab/nobody", "PAUSE", linkspan_not_found, name)
      call controller%begin(name, "double", message, arguments, within=20.0_real64)
      call message%get("id", id)
      call controller%command(name, "GET_DATA") ! which waits behind it
      call controller%answer(name, id, message)
      call message%get("outcome", text)
      call message%get("value/twice", number)
      call check(text == "DONE" .and. number == 42, "begun and done")
      call controller%begin(name, "double", message, arguments, id=id, until_done=.true.)
      call message%get("outcome", text)
      call check(text == "DONE", "the same id is the same command")
      call controller%begin(name, "break", message, id="mine", until_done=.true.)
      call message%get("outcome", text)
      call check(text == "FAILED", "its own id")
      call controller%begin(name, "break", message, epoch=1_int64)
      call message%get("outcome", text)
      call check(text == "REJECTED", "another incarnation")

      call controller%command(name, "hold", timeout=0.3_real64, stat=stat, errmsg=why)
      call check(stat == linkspan_timeout, "held for too long")
      call controller%command(name, "STATUS", message)
      call message%get("doing", text)
      call check(text == "hold", "the library answers")
      call controller%command(name, "CANCEL")
      call controller%command(name, "GET_DATA")
      call controller%log(message, name)
      is_so = .false.
      do i = 0, message%count("") - 1
         call message%get(position(i)//"/text", text)
         is_so = is_so .or. text == "it counts"
      end do
      call check(is_so, "its log")
      call controller%log(message, lines=10)
      call check(message%count("") > 0, "the event log")
      call controller%stats(message)
      call message%get("services", number)
      call check(number == 1 .and. controller%fileno() >= 0, "its figures")
      call controller%forget(name, stat=stat)
      call check(stat == linkspan_invalid_state, "it is there")
      call controller%command(name, "SHUTDOWN")
      call becomes(controller, name, "view", "GONE")
      call controller%forget(name)
      call controller%close()
   end subroutine

   function position(i)
      integer, intent(in) :: i
      character(:), allocatable :: position
      character(12) :: number
      write (number, '(i0)') i
      position = trim(number)
   end function
end program
