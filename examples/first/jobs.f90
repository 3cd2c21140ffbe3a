! A work queue: `jobs` adds three jobs, `jobs work` does jobs until a stop signal. Start any number of workers.
program first_jobs
   use, intrinsic :: iso_fortran_env, only: output_unit
   use linkspan
   implicit none
   character(*), parameter :: queue_name = "spool:first/jobs"
   character(4) :: role
   call get_command_argument(1, role)
   if (role == "work") then
      call work()
   else
      call put_jobs()
   end if

contains

   subroutine work()
      type(linkspan_server) :: worker
      type(linkspan_message) :: job
      type(linkspan_options) :: options
      character(:), allocatable :: from
      integer :: number
      options%shared = .true.
      call worker%serve(queue_name, options)
      do while (worker%next(job)) ! the job before is done; until a signal asks to stop
         call job%get("number", number)
         call job%get("from", from)
         print '(a, i0, 3a)', "job ", number, " of ", from, ", done in Fortran"
         flush (output_unit)
      end do
      call worker%close()
   end subroutine

   subroutine put_jobs()
      type(linkspan_channel) :: queue
      type(linkspan_message) :: job
      integer :: number
      call queue%connect(queue_name)
      do number = 1, 3
         call job%clear()
         call job%put("number", number)
         call job%put("from", "Fortran")
         call queue%send(job)
      end do
      call queue%close()
   end subroutine
end program
