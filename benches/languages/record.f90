! Records of ten fields by generated code, compared with the same work through a message; run by packed.c.
module bench_record
   use, intrinsic :: iso_c_binding, only: c_double, c_int8_t
   use linkspan
   use boiler_reading_messages
   implicit none
   type(boiler_reading), save :: reading
   type(linkspan_message), save :: message
   integer(c_int8_t), allocatable, save :: bytes(:), encoded(:)

contains

   subroutine prepare() bind(C, name="bench_prepare_record")
      reading%id = 123456
      reading%name = "boiler-7"
      reading%temperature = 71.25_c_double
      reading%pressure = 2.125_c_double
      reading%unit = "bar"
      reading%ok = .true.
      reading%station = "hall/3"
      reading%count = 98765
      reading%time = 1251082000.25_c_double
      reading%note = "warm"
      call reading%to_bytes(linkspan_cbor, bytes)
   end subroutine

   subroutine encode() bind(C, name="bench_encode")
      call reading%to_bytes(linkspan_cbor, encoded)
   end subroutine

   subroutine message_encode() bind(C, name="bench_message_encode")
      call message%clear()
      call message%put("id", reading%id)
      call message%put("name", reading%name)
      call message%put("temperature", reading%temperature)
      call message%put("pressure", reading%pressure)
      call message%put("unit", reading%unit)
      call message%put("ok", reading%ok)
      call message%put("station", reading%station)
      call message%put("count", reading%count)
      call message%put("time", reading%time)
      if (allocated(reading%note)) call message%put("note", reading%note)
      call linkspan_encode(message, linkspan_cbor, encoded)
   end subroutine

   subroutine decode() bind(C, name="bench_decode")
      call reading%from_bytes(bytes, linkspan_cbor)
   end subroutine

   subroutine message_decode() bind(C, name="bench_message_decode")
      call linkspan_decode(bytes, linkspan_cbor, message)
      call message%get("id", reading%id)
      call message%get("name", reading%name)
      call message%get("temperature", reading%temperature)
      call message%get("pressure", reading%pressure)
      call message%get("unit", reading%unit)
      call message%get("ok", reading%ok)
      call message%get("station", reading%station)
      call message%get("count", reading%count)
      call message%get("time", reading%time)
      call message%get("note", reading%note)
   end subroutine
end module
