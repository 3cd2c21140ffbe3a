! A service in Fortran: alone without arguments; `serve NAME` as one that `control NAME` asks and tells through a
! controller.
module patience
   use, intrinsic :: iso_c_binding
   implicit none
contains
   ! Called by the library when what is under way is to be given up.
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
   call works_alone()
   call waits_and_fails()
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
      type(linkspan_command) :: command
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
         call check(service%next(command, timeout=20.0_real64), "a step")
         call check(command%verb == linkspan_step .and. command%name == "STEP" .and. command%id == "", "a step")
         call check(command%before == linkspan_state_running .and. command%left == linkspan_forever, "no end")
         call command%arguments(message)
         call check(message%type_at("") == linkspan_type_null, "no arguments")
         call check(.not. service%next(command, timeout=0.0_real64, stat=stat) .or. stat /= 0, "one at a time")
         call check(stat == linkspan_invalid_state, "one at a time")
         call service%done(command)
         call service%done(command, stat=stat, errmsg=why)
         call check(stat == linkspan_invalid_state .and. index(why, "answered") > 0, "answered once")
      end do
      call service%log("three steps")
      call service%reason("noisy")
      call service%stats(message)
      call message%get("steps", steps)
      call check(steps == 3, "three steps")
      call check(service%next(command), "one more")
      call service%shutdown()
      call check(service%state() == linkspan_state_stopping .and. .not. service%is_cancelled(), "stopping")
      call service%shutdown()
      call check(service%is_cancelled() .and. .not. service%is_connected() .and. service%epoch() /= 0, "cancelled")
      do while (calls == 0)
      end do
      call service%done(command)
      call check(service%next(command), "a shutdown")
      call check(command%verb == linkspan_shutdown, "a shutdown")
      call service%done(command)
      call check(.not. service%next(command), "the end")
      call check(service%state() == linkspan_state_stopped, "stopped")
      call service%close()
   end subroutine

   subroutine waits_and_fails()
      type(linkspan_service) :: service
      type(linkspan_service_options) :: options
      type(linkspan_command) :: command
      integer :: stat
      options%paused = .true.
      options%every = 1.0_real64
      call service%start("power", options)
      call check(.not. service%next(command, timeout=0.0_real64, stat=stat), "nothing to do")
      call check(stat == linkspan_timeout .and. service%state() == linkspan_state_ready, "ready")
      call service%fail(linkspan_no_space, "the disk is full")
      call check(service%state() == linkspan_state_failed, "failed")
      call service%shutdown()
      call check(service%next(command), "a shutdown")
      call check(command%verb == linkspan_shutdown .and. command%before == linkspan_state_failed, "before")
      call service%failed(command, linkspan_remote, "it does not close")
      call check(service%state() == linkspan_state_failed, "still failed")
      call service%close()
   end subroutine
end program
