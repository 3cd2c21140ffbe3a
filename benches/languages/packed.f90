! Packed records by generated code, compared with a copy of the type; run by packed.c.
module bench_packed
   use, intrinsic :: iso_c_binding, only: c_bool, c_double, c_float, c_int8_t, c_int32_t, c_int64_t
   use linkspan, only: linkspan_ok
   use imu_sample_messages
   use motor_state_messages
   implicit none
   ! Public, so that the compiler must write them.
   type(motor_state), save, public :: state, other_state
   type(imu_sample), save, public :: sample, other_sample
   integer(c_int8_t), save, public :: packed_state(motor_state_size), packed_sample(imu_sample_size)

contains

   subroutine prepare() bind(C, name="bench_prepare")
      state%on = .true._c_bool
      state%at = 1251082000250000000_c_int64_t
      state%mode = 2_c_int8_t
      state%speed = 49.5_c_float
      state%current = 3.25_c_double
      state%voltage = 230.5_c_double
      state%torque = 14.75_c_double
      state%angle = 0.5_c_double
      state%turns = 98765_c_int64_t
      state%errors = 2_c_int32_t
      sample%at = 1251082000250000000_c_int64_t
      sample%x = 0.25_c_double
      sample%temperature = 21.5_c_float
      sample%sequence = 98765_c_int32_t
      call motor_state_pack(state, packed_state)
      call imu_sample_pack(sample, packed_sample)
   end subroutine

   subroutine pack() bind(C, name="bench_pack")
      call motor_state_pack(state, packed_state)
   end subroutine

   subroutine unpack() bind(C, name="bench_unpack")
      integer :: stat
      call motor_state_unpack(other_state, packed_state, stat)
      if (stat /= linkspan_ok) error stop "a packed record does not fit"
   end subroutine

   subroutine copy() bind(C, name="bench_copy")
      other_state = state
   end subroutine

   subroutine unpack_numbers() bind(C, name="bench_unpack_numbers")
      integer :: stat
      call imu_sample_unpack(other_sample, packed_sample, stat)
      if (stat /= linkspan_ok) error stop "a packed record does not fit"
   end subroutine

   subroutine copy_numbers() bind(C, name="bench_copy_numbers")
      other_sample = sample
   end subroutine
end module
