! Reads the structs that the C test `region` writes to shared memory: `region SOURCE`.
program region_test
   use linkspan
   implicit none
   character(256) :: argument
   call get_command_argument(1, argument)
   call read_structs(trim(argument))
   print '(a)', "ok"

contains

   subroutine read_structs(source)
      character(*), intent(in) :: source
      character(*), parameter :: layout = "u32 writes; f64 celsius; char name[16]; i16 raw[2][4]; bool valid"
      type(linkspan_region) :: region
      type(linkspan_message) :: reading
      character(:), allocatable :: text
      integer(int8), allocatable :: bytes(:)
      integer(int16), allocatable :: raw(:, :)
      integer(int64) :: length
      real(real64) :: celsius
      logical :: valid
      integer :: stat
      call region%open(source)
      length = region%length()
      call region%read(layout, reading)
      call reading%get("celsius", celsius)
      call reading%get("name", text)
      if (celsius /= 21.25_real64 .or. text /= "first") error stop "the first"
      call region%read(layout, reading, offset=length/2, counter="writes")
      call reading%get("celsius", celsius)
      call reading%get("valid", valid)
      call reading%get("raw", raw)
      if (celsius /= -40.5_real64 .or. .not. valid) error stop "the second"
      if (any(shape(raw) /= [2, 4])) error stop "shape"
      if (raw(2, 4) /= -107 .or. raw(1, 1) /= -100) error stop "raw"
      call region%text(16_int64, text)
      if (text /= "first") error stop "text"
      call region%bytes(0_int64, 4_int64, bytes)
      if (any(bytes /= [2_int8, 0_int8, 0_int8, 0_int8])) error stop "bytes"
      call region%bytes(length, 1_int64, bytes, stat=stat)
      if (stat /= linkspan_out_of_range .or. allocated(bytes)) error stop "behind the end"
      call region%bytes(0_int64, 0_int64, bytes)
      if (size(bytes) /= 0) error stop "no bytes"
      call region%close()
      call region%close()
      call region%read(layout, reading, stat=stat)
      if (stat /= linkspan_invalid_state) error stop "closed"
      call region%open("posix:/linkspan-nobody", stat=stat, errmsg=text)
      if (stat /= linkspan_not_found .or. len(text) == 0) error stop "nobody"
   end subroutine

end program
