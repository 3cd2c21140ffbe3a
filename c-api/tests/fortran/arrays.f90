! Arrays in Fortran.
program arrays_test
   use linkspan
   implicit none
   character(:), allocatable :: errmsg
   integer :: stat
   call explicit_shapes()
   call sections()
   call fixed_texts()
   call lower_bounds()
   call complex_numbers()
   call ranks()
   call lists_of_lists()
   call refusals()
   deallocate (errmsg)
   print '(a)', "ok"

contains

   subroutine must(held, what)
      logical, intent(in) :: held
      character(*), intent(in) :: what
      if (held) return
      if (allocated(errmsg)) error stop what//": "//errmsg
      error stop what
   end subroutine

   logical function says(words)
      character(*), intent(in) :: words
      says = index(errmsg, words) > 0
   end function

   ! The first index counts the lists.
   subroutine lists_of_lists()
      type(linkspan_message) :: message, whole
      real(real64), allocatable :: matrix(:, :), row(:), cube(:, :, :)
      integer(int8), allocatable :: small(:, :)
      integer :: numbers(2, 3)
      logical, allocatable :: flags(:, :)
      character(*), parameter :: text = '{"m":[[1,2,3],[4,5.5,6]],"i":[[1,2,3],[4,5,600]],"ragged":[[1,2],[3]],"empty":[],'// &
                                        '"none":[[],[]],"flags":[[true,false]],"cube":[[[1,2]],[[3,4]]],"mixed":[1,[2]]}'
      integer :: i
      call linkspan_decode([(int(iachar(text(i:i)), int8), i=1, len(text))], linkspan_json, message)
      call message%get("m", matrix)
      call must(all(shape(matrix) == [2, 3]), "the shape of lists")
      call must(all(matrix == reshape([1.0_real64, 4.0_real64, 2.0_real64, 5.5_real64, 3.0_real64, 6.0_real64], [2, 3])), "lists")
      call message%get_into("i", numbers)
      call must(numbers(2, 3) == 600 .and. numbers(1, 2) == 2 .and. numbers(2, 1) == 4, "lists into an explicit shape")
      call message%get("i", small, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_out_of_range .and. says("path i/1/2"), "a large number in lists")
      call message%get("flags", flags)
      call must(size(flags) == 2 .and. flags(1, 1) .and. .not. flags(1, 2), "lists of logicals")
      call message%get("cube", cube)
      call must(all(shape(cube) == [2, 1, 2]) .and. cube(2, 1, 1) == 3, "three levels")
      call message%get("empty", matrix)
      call must(size(matrix) == 0, "an empty list")
      call message%get("none", matrix)
      call must(all(shape(matrix) == [2, 0]), "empty lists")
      call message%get("ragged", matrix, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_wrong_type .and. says("2 lists of different lengths"), "ragged lists")
      call message%get("mixed", matrix, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_wrong_type .and. says("a list of 2 values"), "a number beside a list")
      call message%get("m", row, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_wrong_type, "lists are no row")
      call message%get("cube", matrix, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_wrong_type, "three levels are no matrix")
      call whole%begin_array()
      do i = 1, 2
         call whole%begin_array()
         call whole%add(i)
         call whole%end()
      end do
      call whole%end()
      call whole%get("", matrix)
      call must(all(shape(matrix) == [2, 1]) .and. matrix(2, 1) == 2, "the whole value")
   end subroutine

   subroutine explicit_shapes()
      type(linkspan_message) :: message
      real(real64) :: wave(3, 4), wide(2, 3)
      integer(int32) :: narrow(2, 3)
      logical :: flags(4)
      logical(c_bool) :: bytes(4)
      real(real32) :: listed(3), empty(0)
      integer :: i
      narrow = reshape([1, 2, 3, 4, 5, 6], [2, 3])
      call message%put("wave", reshape([(real(i, real64), i=1, 12)], [3, 4]))
      call message%put("narrow", narrow)
      call message%put("flags", [.true., .false., .false., .true.])
      call message%put("empty", [real(real32) ::])
      call message%begin_array("list")
      call message%add(1)
      call message%add(2.5_real64)
      call message%add(-3)
      call message%end()
      call message%get_into("wave", wave)
      call must(wave(3, 4) == 12 .and. wave(1, 2) == 4, "an explicit shape")
      call message%get_into("narrow", wide)
      call must(all(wide == narrow), "a wider kind")
      call message%get_into("flags", flags)
      call must(all(flags .eqv. [.true., .false., .false., .true.]), "logicals")
      call message%get_into("flags", bytes)
      call must(all(bytes .eqv. flags), "logicals of a byte")
      call message%get_into("list", listed)
      call must(all(listed == [1.0, 2.5, -3.0]), "a list")
      call message%get_into("empty", empty)
      call message%get_into("list/1", listed(2))
      call must(all(listed == [1.0, 2.5, -3.0]), "a scalar")
   end subroutine

   subroutine sections()
      type(linkspan_message) :: message
      real(real64) :: table(4, 6)
      real(real64), allocatable :: row(:)
      logical :: flags(8)
      call message%put("row", [1.0_real64, 2.0_real64, 3.0_real64])
      call message%put("flags", [.true., .true.])
      table = 0
      call message%get_into("row", table(2, 1:6:2))
      call must(all(table(2, 1:6:2) == [1, 2, 3]) .and. count(table /= 0) == 3, "a section of a row")
      call message%get_into("row", table(1:3, 6))
      call must(all(table(1:3, 6) == [1, 2, 3]) .and. count(table /= 0) == 6, "a section of a column")
      call message%get_into("row", table(4:2:-1, 1))
      call must(all(table(2:4, 1) == [3, 2, 1]), "a section backwards")
      allocate (row(-1:1))
      call message%get_into("row", row)
      call must(lbound(row, 1) == -1 .and. row(-1) == 1 .and. row(1) == 3, "an allocated array keeps its bounds")
      flags = .false.
      call message%get_into("flags", flags(3:7:4))
      call must(flags(3) .and. flags(7) .and. count(flags) == 2, "a section of logicals")
   end subroutine

   subroutine fixed_texts()
      type(linkspan_message) :: message
      character(8) :: name
      call message%put("name", "boiler")
      call message%put("long", "the boiler house")
      name = "xxxxxxxx"
      call message%get_into("name", name)
      call must(name == "boiler" .and. name(7:) == "  ", "a text of fixed length")
      call message%get_into("long", name, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_out_of_range .and. name == "boiler", "a text that is too long")
      call must(says("character(8)") .and. says("16 bytes, at path long"), "its error")
   end subroutine

   ! Results of get begin at 1, whatever the sender's bounds were. Element (i, j) counts from the lower bounds.
   subroutine lower_bounds()
      type(linkspan_message) :: message
      integer(int32) :: sent(0:2, -1:0)
      integer(int32), allocatable :: got(:, :)
      integer(int32), pointer :: view(:, :)
      sent = reshape([1, 2, 3, 4, 5, 6], [3, 2])
      call message%put("grid", sent)
      call message%get("grid", got)
      call must(all(lbound(got) == 1) .and. all(shape(got) == [3, 2]), "lower bounds of an allocatable")
      call must(got(1, 1) == sent(0, -1) .and. got(3, 2) == sent(2, 0), "elements count from the lower bounds")
      call message%get("grid", view)
      call must(all(lbound(view) == 1) .and. all(view == got), "lower bounds of a pointer")
      allocate (got(7:9, 0:1), stat=stat)
      call message%get("grid", got)
      call must(all(lbound(got) == 1), "an allocatable is allocated anew")
   end subroutine

   subroutine complex_numbers()
      type(linkspan_message) :: message
      complex(real32) :: single, singles(2)
      complex(real64) :: double, doubles(2)
      complex(real32), allocatable :: some(:)
      complex(real64), allocatable :: many(:)
      call message%put("single", (1.5_real32, -2.0_real32))
      call message%put("double", (1.5_real64, -2.0_real64))
      call message%put("singles", [(1.0_real32, 2.0_real32), (3.0_real32, 4.0_real32)])
      call message%put("large", (1.0e200_real64, 0.0_real64))
      call message%put("real", 4.5_real64)
      call message%begin_array("list")
      call message%add((1.0_real64, 2.0_real64))
      call message%add(3.0_real64)
      call message%end()
      call message%get("single", double)
      call must(double == (1.5_real64, -2.0_real64), "a complex number of 32 bits in one of 64")
      call message%get("double", single)
      call must(single == (1.5, -2.0), "a complex number of 64 bits in one of 32, as a real one is")
      call message%get("real", single)
      call must(single == (4.5, 0.0), "a real number")
      call message%get("large", single, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_out_of_range .and. says("at path large"), "one that does not fit")
      call message%get_into("singles", doubles)
      call must(doubles(2) == (3.0_real64, 4.0_real64), "complex arrays widen")
      call message%get_into("singles", singles)
      call must(singles(1) == (1.0, 2.0), "complex arrays of 32 bits")
      call message%get("list", some)
      call message%get("list", many)
      call must(size(some) == 2 .and. some(1) == (1.0, 2.0) .and. some(2) == (3.0, 0.0), "a list")
      call must(all(many == some), "a list of both kinds")
   end subroutine

   subroutine ranks()
      type(linkspan_message) :: message
      integer(int16), allocatable, dimension(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :) :: out, back
      integer(int16), pointer :: view(:, :, :, :, :, :, :, :, :, :, :, :, :, :, :)
      logical, allocatable :: flags(:, :, :), flags_back(:, :, :)
      integer :: i
      allocate (out(2, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3))
      out = reshape([(int(i, int16), i=1, 12)], shape(out))
      call message%put("out", out)
      call message%get("out", back)
      call must(all(shape(back) == shape(out)) .and. all(back == out), "15 dimensions")
      call message%get("out", view)
      call must(all(view == out), "a view of 15 dimensions")
      flags = reshape([.true., .false., .true., .true., .false., .true.], [1, 2, 3])
      call message%put("flags", flags)
      call message%get("flags", flags_back)
      call must(all(flags .eqv. flags_back), "logicals of 3 dimensions")
   end subroutine

   subroutine refusals()
      type(linkspan_message) :: message, nothing, other
      type(linkspan_channel) :: closed
      type(linkspan_error) :: error
      real(real64), target :: grid(2, 2)
      real(real64), allocatable :: line(:)
      real(real64), pointer :: view(:), pair(:, :)
      integer(int8) :: small, smalls(2)
      call message%put("grid", reshape([1.0_real64, 2.0_real64, 3.0_real64, 4.0_real64, 5.0_real64, 6.0_real64], [3, 2]))
      call message%put("name", "boiler")
      call message%put("many", [300, 1])
      call message%begin_array("list")
      call message%add(1)
      call message%add(300)
      call message%end()
      call message%get_into("grid", grid, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_wrong_type, "another shape")
      call must(says("[2, 2]") .and. says("[3, 2]") .and. says("at path grid"), "both shapes")
      call message%get("grid", line, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_wrong_type .and. .not. allocated(line), "another rank")
      call must(says("1 dimension") .and. says("[3, 2]") .and. says("at path grid"), "both ranks")
      call linkspan_last_error(error)
      call must(error%path == "grid" .and. error%status == linkspan_wrong_type, "the last error")
      call message%get("name", line, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_wrong_type .and. says("found text"), "no array")
      call message%get("many", view, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_wrong_type .and. .not. associated(view), "a view of another kind")
      call must(says("f64") .and. says("i32") .and. says("at path many"), "both kinds")
      call message%get("list/1", small, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_out_of_range .and. says("300") .and. says("at path list/1"), "a large number")
      call message%get_into("list", smalls, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_out_of_range .and. says("at path list/1"), "a large number in a list")
      call message%get_into("nowhere", smalls, stat=stat)
      call must(stat == linkspan_missing, "nothing there")
      call nothing%get_into("grid", grid, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_invalid_state .and. says("the linkspan_message holds nothing"), "an empty message")
      call other%put("inner", nothing, stat=stat, errmsg=errmsg)
      call must(says("the linkspan_message holds nothing") .and. says(", at path inner"), "an empty message in another one")
      call closed%send(message, stat=stat, errmsg=errmsg)
      call must(stat == linkspan_invalid_state .and. says("the linkspan_channel is not open"), "a channel that was not opened")
      pair => grid
      call closed%loan(pair, [4], stat=stat, errmsg=errmsg)
      call must(stat == linkspan_wrong_type .and. .not. associated(pair) .and. says("2 dimensions"), "a shape of another rank")
      call linkspan_last_error(error)
      call must(error%text == errmsg, "a failure of this side is the last error too")
   end subroutine
end program
