! The spectrum program's arithmetic, without Linkspan: an STA/LTA trigger and a power spectrum.
!
! Built with FFTW, which is under the GNU General Public License; see README.md.
module seismology
   use, intrinsic :: iso_c_binding
   use, intrinsic :: iso_fortran_env, only: real64
   implicit none
   include 'fftw3.f03'

   integer, parameter :: shortest = 64, longest = 2048                 ! of a window, in samples
   real(real64), parameter :: short_average = 0.5, long_average = 3.0  ! seconds
   real(real64), parameter :: on_at = 2.5, off_at = 1.2                ! of their ratio
   real(real64), parameter :: pi = acos(-1.0_real64)

   ! The last samples, the newest at the end, with the state of the trigger at each.
   real(real64) :: wave(3, longest) = 0, ratio(longest) = 0, rate = 100
   logical(c_bool) :: on(longest) = .false.
   integer :: received = 0                     ! samples without a gap before them
   integer, private :: averaged = 0            ! samples in the averages
   real(real64), private :: sta = 0, lta = 0

contains

   ! Appends samples, and computes the trigger from the energy of the three components, with recursive averages.
   !
   ! See Withers et al. (1998).
   subroutine watch(samples, gap, restart)
      real(real64), intent(in) :: samples(:, :)
      logical, intent(in) :: gap, restart
      integer :: i, n
      n = size(samples, 2)
      if (gap) received = 0 ! a spectrum has no samples from before a gap
      if (gap .or. restart) averaged = 0
      wave = eoshift(wave, n, dim=2)
      ratio = eoshift(ratio, n)
      on = eoshift(on, n, boundary=.false._c_bool)
      wave(:, longest - n + 1:) = samples
      do i = longest - n + 1, longest
         if (averaged == 0) then
            sta = 0
            lta = 0
         end if
         averaged = averaged + 1
         sta = sta + (sum(wave(:, i)**2) - sta)/(short_average*rate)
         lta = lta + (sum(wave(:, i)**2) - lta)/(long_average*rate)
         if (averaged <= long_average*rate .or. lta <= 0) cycle ! the long average has too few samples
         ratio(i) = sta/lta
         on(i) = ratio(i) >= merge(off_at, on_at, logical(on(i - 1)))
      end do
      received = min(received + n, longest)
   end subroutine

   ! Returns the reason against a spectrum of the last n samples, or empty text.
   function objection(n) result(text)
      integer, intent(in) :: n
      character(:), allocatable :: text
      character(100) :: line
      line = ""
      if (n < shortest .or. n > longest) then
         write (line, '(3(a, i0))') "a window has ", shortest, " to ", longest, " samples; requested were ", n
      else if (n > received) then
         write (line, '(2(a, i0))') "only ", received, " samples have been received so far, requested were ", n
      end if
      text = trim(line)
   end function

   ! Returns the one-sided power spectral density of the last n samples in counts² per hertz, with a Hann window.
   !
   ! power(c, k) is the density of component c at (k - 1)*rate/n.
   function power(n)
      integer, intent(in) :: n
      real(real64) :: power(3, n/2 + 1)
      real(c_double) :: hann(n), x(n)
      complex(c_double_complex) :: transform(n/2 + 1)
      type(c_ptr) :: plan
      integer :: c, i
      hann = [(0.5*(1 - cos(2*pi*i/n)), i=0, n - 1)]
      plan = fftw_plan_dft_r2c_1d(n, x, transform, FFTW_ESTIMATE)
      do c = 1, 3
         x = wave(c, longest - n + 1:)
         x = (x - sum(x)/n)*hann
         call fftw_execute_dft_r2c(plan, x, transform)
         power(c, :) = 2*abs(transform)**2/(rate*sum(hann**2))
      end do
      call fftw_destroy_plan(plan)
   end function
end module
