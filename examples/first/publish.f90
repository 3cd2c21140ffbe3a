! Publish and subscribe: `publish` publishes ten readings a second, `publish subscribe` prints three readings.
program first_publish
   use, intrinsic :: iso_c_binding
   use linkspan
   implicit none
   interface ! Fortran cannot sleep by itself
      integer(c_int) function usleep(microseconds) bind(C)
         import :: c_int, c_int32_t
         integer(c_int32_t), value :: microseconds
      end function
   end interface
   character(9) :: role
   call get_command_argument(1, role)
   if (role == "subscribe") then
      call subscribe()
   else
      call publish()
   end if

contains

   subroutine subscribe()
      type(linkspan_subscriber) :: readings
      type(linkspan_message) :: reading
      character(:), allocatable :: from
      real(real64) :: celsius
      integer :: i
      call readings%subscribe("first/publish")
      do i = 1, 3
         if (.not. readings%next(reading)) exit ! a signal asked to stop
         call reading%get("celsius", celsius)
         call reading%get("from", from)
         print '(f0.1, 2a)', celsius, " °C from ", from
      end do
      call readings%close()
   end subroutine

   subroutine publish()
      type(linkspan_publisher) :: out
      type(linkspan_message) :: reading
      real(real64) :: celsius
      integer(c_int) :: slept
      call out%open("first/publish")
      celsius = 20
      do
         call reading%clear()
         call reading%put("celsius", celsius)
         call reading%put("from", "Fortran")
         call out%send(reading)
         celsius = celsius + 0.1_real64
         slept = usleep(100000)
      end do
   end subroutine
end program
