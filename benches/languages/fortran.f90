! A round trip of a map with two fields through the Fortran module, run by fortran.c. Each trip builds and reads it.
module bench_worker
   use, intrinsic :: iso_c_binding, only: c_char, c_int, c_null_char
   use, intrinsic :: iso_fortran_env, only: int64, real64
   use linkspan
   implicit none
   private
   type(linkspan_channel), save :: channel
   type(linkspan_message), save :: reading, answer
   integer(int64), save :: count = 0

contains

   subroutine connect(endpoint, length, spin) bind(C, name="bench_connect")
      integer(c_int), value :: length, spin
      character(kind=c_char), intent(in) :: endpoint(length)
      character(len=length) :: name
      type(linkspan_options) :: options
      integer :: i
      do i = 1, length
         name(i:i) = endpoint(i)
      end do
      options%spin = spin
      call channel%connect(name, options, timeout=20.0_real64)
   end subroutine

   subroutine once() bind(C, name="bench_once")
      integer(int64) :: number
      real(real64) :: celsius
      count = count + 1
      call reading%clear()
      call reading%put("count", count)
      call reading%put("celsius", 21.5_real64)
      call channel%send(reading)
      call channel%recv(answer)
      call answer%get("count", number)
      call answer%get("celsius", celsius)
      ! The far end keeps an answer of each length ready.
      if (number < 1 .or. number > count) error stop "something else came back"
   end subroutine
end module
