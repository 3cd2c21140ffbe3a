! Messages in Fortran.
program message_test
   use linkspan
   implicit none
   integer :: failures = 0
   integer, parameter :: encodings(4) = [linkspan_json, linkspan_cbor, linkspan_bson, linkspan_smile]

   call scalars_and_text()
   call arrays_keep_their_indices()
   call all_kinds_and_ranks()
   call row_major_data()
   call references()
   call trailing_blanks()
   call what_is_not_allocated()
   call errors_are_told()
   call codecs()
   if (failures > 0) error stop 1
   print '(a)', "ok"

contains

   subroutine check(condition, what)
      logical, intent(in) :: condition
      character(*), intent(in) :: what
      if (condition) return
      failures = failures + 1
      print '(2a)', "not so: ", what
   end subroutine

   subroutine scalars_and_text()
      type(linkspan_message) :: m
      type(linkspan_timestamp) :: at
      real(real64) :: x
      real(real32) :: y
      integer(int8) :: small
      integer :: n
      integer(int64) :: wide
      logical :: truth
      logical(c_bool) :: byte
      complex(real64) :: z
      character(:), allocatable :: text, words(:)
      integer(int8), allocatable :: bytes(:)
      integer(int8), pointer :: viewed(:)
      integer :: stat
      call m%put("celsius", 21.4_real64)
      call m%put("single", 0.5)
      call m%put("count", -7)
      call m%put("wide", huge(1_int64))
      call m%put("tiny", 3_int8)
      call m%put("ok", .true.)
      call m%put("not", .false._c_bool)
      call m%put("z", (1.0_real64, -2.0_real64))
      call m%put("name", "grüß")
      call m%put("empty", "")
      call m%put("words", ["one  ", "two  ", "three"])
      call m%put("at", linkspan_timestamp(1251082000250000000_int64))
      call m%put_null("none")
      call m%put_bytes("raw", [0_int8, 1_int8, -1_int8])
      call m%begin_array("rows")
      call m%begin_map()
      call m%put("x", 1.5_real64)
      call m%end()
      call m%add(8)
      call m%add("text")
      call m%end()

      call m%get("celsius", x)
      call check(x == 21.4_real64, "real64")
      call m%get("single", y)
      call check(y == 0.5, "real32")
      call m%get("count", n)
      call check(n == -7, "integer")
      call m%get("count", x)
      call check(x == -7, "an integer as a real")
      call m%get("wide", wide)
      call check(wide == huge(wide), "int64")
      call m%get("tiny", small)
      call check(small == 3, "int8")
      call m%get("ok", truth)
      call check(truth, "logical")
      call m%get("not", byte)
      call check(.not. logical(byte), "logical(c_bool)")
      call m%get("z", z)
      call check(z == (1.0_real64, -2.0_real64), "complex")
      call m%get("celsius", z)
      call check(z == (21.4_real64, 0.0_real64), "a real as a complex number")
      call m%get("name", text)
      call check(text == "grüß", "text")
      call m%get("empty", text)
      call check(len(text) == 0, "empty text")
      call m%get("words", words)
      call check(size(words) == 3 .and. words(1) == "one" .and. words(3) == "three" .and. len(words) == 5, "texts")
      call m%get("words/1", text)
      call check(text == "two", "the elements of texts lose their trailing blanks")
      call m%get("at", at)
      call check(at%nanoseconds == 1251082000250000000_int64, "timestamp")
      at = linkspan_now()
      call check(at%nanoseconds > 1251082000250000000_int64, "now")
      call check(m%type_at("none") == linkspan_type_null .and. m%has("none") .and. .not. m%has("nothing"), "null")
      call m%get_bytes("raw", bytes)
      call check(all(bytes == [0_int8, 1_int8, -1_int8]), "bytes")
      call m%get_bytes("raw", viewed)
      call check(size(viewed) == 3 .and. all(viewed == bytes), "a view of bytes")
      call m%get_bytes("name", viewed, stat=stat)
      call check(stat == linkspan_wrong_type .and. .not. associated(viewed), "a text is no bytes")
      call m%get("rows/0/x", x)
      call m%get("rows/2", text)
      call check(x == 1.5 .and. text == "text" .and. m%count("rows") == 3, "paths")
      call m%get_key("", 2, text)
      call check(text == "count", "keys")
      call check(m%sequence() == 0 .and. m%source() == "" .and. m%name() == "", "built here")
   end subroutine

   subroutine arrays_keep_their_indices()
      type(linkspan_message) :: m
      real(real64) :: grid(3, 4)
      real(real64), allocatable :: copy(:, :), vector(:)
      real(real64), pointer :: view(:, :), line(:)
      logical, allocatable :: mask(:)
      logical(c_bool), allocatable :: got(:)
      integer :: j, k
      grid = reshape([((10*j + k, j=1, 3), k=1, 4)], [3, 4])
      call m%put("grid", grid)
      call m%put("part", grid(1:3:2, 2:3))
      call m%put("row", grid(2, :))
      call m%put("none", [real(real64) ::])
      mask = grid(1, :) > 12
      call m%put("mask", mask)
      call m%get("grid", copy)
      call check(all(copy == grid), "an allocatable has the same elements")
      call m%get("grid", view)
      call check(all(view == grid), "a pointer has the same elements")
      call m%get("part", copy)
      call check(all(shape(copy) == [2, 2]) .and. all(copy == grid(1:3:2, 2:3)), "a section")
      call m%get("row", line)
      call check(all(line == grid(2, :)), "a row")
      call m%get("none", vector)
      call check(size(vector) == 0, "an empty array")
      call m%get("none", line)
      call check(size(line) == 0, "an empty view")
      call m%get("mask", got)
      call check(all(got .eqv. mask), "default logicals travel as bool")
      call check(m%rank_at("grid") == 2, "rank")
   end subroutine

   subroutine all_kinds_and_ranks()
      type(linkspan_message) :: m
      integer(int8), allocatable :: a1(:)
      integer(int16), allocatable :: a2(:, :)
      integer(int32), allocatable :: a3(:, :, :)
      integer(int64), allocatable :: a4(:, :, :, :)
      real(real32), allocatable :: a5(:, :, :, :, :)
      real(real64), allocatable :: a6(:, :, :, :, :, :)
      complex(real32), allocatable :: a7(:, :, :, :, :, :, :)
      complex(real64), allocatable :: b1(:)
      logical(c_bool), allocatable :: b2(:, :)
      integer(int32), pointer :: p3(:, :, :)
      complex(real32), pointer :: p7(:, :, :, :, :, :, :)
      integer(int64), allocatable :: wide(:, :)
      integer :: k
      call linkspan_decode(cube(), linkspan_cbor, m)
      call m%get("a1", a1)
      call check(all(a1 == [(int(k, int8), k=1, 2)]), "int8, rank 1")
      call m%get("a2", a2)
      call check(all(a2 == reshape([(int(k, int16), k=1, 6)], [2, 3])), "int16, rank 2")
      call m%get("a2", wide)
      call check(all(wide == a2), "int16 into int64")
      call m%get("a3", a3)
      call m%get("a3", p3)
      call check(all(a3 == reshape([(k, k=1, 24)], [2, 3, 4])) .and. all(a3 == p3), "int32, rank 3")
      call m%get("a4", a4)
      call check(all(shape(a4) == [1, 2, 3, 4]) .and. a4(1, 2, 3, 4) == 24 .and. a4(1, 2, 1, 1) == 2, "int64, rank 4")
      call m%get("a5", a5)
      call check(all(shape(a5) == [1, 1, 2, 3, 4]) .and. a5(1, 1, 2, 3, 4) == 24, "real32, rank 5")
      call m%get("a6", a6)
      call check(all(shape(a6) == [1, 1, 1, 2, 3, 4]) .and. a6(1, 1, 1, 1, 2, 1) == 3, "real64, rank 6")
      call m%get("a7", a7)
      call m%get("a7", p7)
      call check(all(shape(a7) == [4, 3, 2, 1, 1, 1, 1]) .and. a7(2, 1, 1, 1, 1, 1, 1) == (2, -2), "complex, rank 7")
      call check(all(a7 == p7), "complex, rank 7, a view")
      call m%get("b1", b1)
      call check(all(b1 == [(1, 2), (3, 4)]), "complex(real64)")
      call m%get("b2", b2)
      call check(all(b2 .eqv. reshape([.true., .false., .false., .true.], [2, 2])), "logical(c_bool), rank 2")
   end subroutine

   function cube() result(bytes)
      integer(int8), allocatable :: bytes(:)
      type(linkspan_message) :: m
      integer :: k
      call m%put("a1", [(int(k, int8), k=1, 2)])
      call m%put("a2", reshape([(int(k, int16), k=1, 6)], [2, 3]))
      call m%put("a3", reshape([(k, k=1, 24)], [2, 3, 4]))
      call m%put("a4", reshape([(int(k, int64), k=1, 24)], [1, 2, 3, 4]))
      call m%put("a5", reshape([(real(k), k=1, 24)], [1, 1, 2, 3, 4]))
      call m%put("a6", reshape([(real(k, real64), k=1, 24)], [1, 1, 1, 2, 3, 4]))
      call m%put("a7", reshape([(cmplx(k, -k), k=1, 24)], [4, 3, 2, 1, 1, 1, 1]))
      call m%put("b1", [(1.0_real64, 2.0_real64), (3.0_real64, 4.0_real64)])
      call m%put("b2", reshape([.true._c_bool, .false._c_bool, .false._c_bool, .true._c_bool], [2, 2]))
      call linkspan_encode(m, linkspan_cbor, bytes)
   end function

   subroutine row_major_data()
      type(linkspan_message) :: m
      real(real64), allocatable :: grid(:, :), line(:)
      real(real64), pointer :: view(:, :)
      integer(int16), allocatable :: wide(:)
      integer(int8), allocatable :: same(:)
      character(:), allocatable :: why
      integer :: stat
      ! 2 × 3, row-major: 0 1 2 / 3 4 5
      call from_json('{"grid":{"$ndarray":{"dtype":"f64","shape":[2,3],"order":"row","data":'// &
                     '"AAAAAAAAAAAAAAAAAADwPwAAAAAAAABAAAAAAAAACEAAAAAAAAAQQAAAAAAAABRA"}},'// &
                     '"list":[1,2.5,3],"mixed":[1,"two"],'// &
                     '"bytes":{"$ndarray":{"dtype":"u8","shape":[2],"order":"row","data":"AP8="}}}', m)
      call m%get("grid", grid)
      call check(all(shape(grid) == [2, 3]) .and. grid(1, 3) == 2 .and. grid(2, 1) == 3, "row-major keeps its indices")
      call m%get("grid", view, stat=stat, errmsg=why)
      call check(stat == linkspan_wrong_type .and. index(why, "allocatable") > 0, "a row-major view names the remedy")
      call check(.not. associated(view), "no view")
      call m%get("list", line)
      call check(all(line == [1.0_real64, 2.5_real64, 3.0_real64]), "a list of numbers")
      call m%get("mixed", line, stat=stat, errmsg=why)
      call check(stat == linkspan_wrong_type .and. index(why, "mixed/1") > 0 .and. .not. allocated(line), "no list")
      call m%get("bytes", wide)
      call check(all(wide == [0_int16, 255_int16]), "unsigned bytes widen")
      call m%get("bytes", same, stat=stat)
      call check(stat == linkspan_wrong_type .and. .not. allocated(same), "unsigned bytes don't fit int8")
   end subroutine

   subroutine from_json(text, m)
      character(*), intent(in) :: text
      type(linkspan_message), intent(inout) :: m
      call linkspan_decode(transfer(text, [0_int8]), linkspan_json, m)
   end subroutine

   subroutine references()
      type holder
         type(linkspan_message) :: inner
      end type
      type(linkspan_message) :: a, b
      type(holder) :: first, second
      integer :: n
      call a%put("n", 1)
      b = a
      b = b
      call a%release()
      call b%get("n", n)
      call check(n == 1, "a reference keeps the message")
      a = b
      call a%clear()
      call a%put("n", 2)
      call b%get("n", n)
      call check(n == 1, "clear leaves other references alone")
      first%inner = a
      second%inner = first%inner
      call first%inner%release()
      call second%inner%get("n", n)
      call check(n == 2, "a component is a reference too")
      call b%put("in", a)
      call b%get_message("in", a)
      call a%get("n", n)
      call check(n == 2, "messages in messages")
   end subroutine

   subroutine trailing_blanks()
      type(linkspan_message) :: m
      character(12) :: key, name
      character(:), allocatable :: text
      real(real64) :: x
      real(real64), allocatable :: wave(:)
      integer :: n
      key = "celsius"
      name = "grün"
      call m%put(key, 21.5_real64)
      call m%get("celsius   ", x)
      call check(x == 21.5_real64 .and. m%has(key), "a key of fixed length")
      key = "name"
      call m%put(key, name)
      call m%get(key, text)
      call check(len(text) == len("grün"), "a text of fixed length")
      call m%put("kept", "two  ", keep_blanks=.true.)
      call m%get("kept", text)
      call check(len(text) == 5, "blanks that are kept")
      call m%put("wave ", [1.0_real64, 2.0_real64])
      call m%get("wave", wave)
      call check(size(wave) == 2, "the key of an array")
      call m%begin_map("inner  ")
      call m%put("   n ", 3)
      call m%end()
      call m%get("inner/   n    ", n)
      call check(n == 3, "blanks in front are of the key")
      call m%put_decimal("price", "1.10  ")
      call m%get_decimal("price ", text)
      call check(text == "1.10", "a decimal")
   end subroutine

   subroutine what_is_not_allocated()
      type(linkspan_message) :: m
      real(real64), allocatable :: wave(:), grid(:, :), one
      logical, allocatable :: mask(:)
      character(:), allocatable :: words(:), why
      integer(int8), allocatable :: bytes(:)
      integer :: stat
      call m%put("here", [1.0_real64])
      call m%put("wave", wave, stat=stat, errmsg=why)
      call refused(stat, why, "path wave")
      call m%put("grid", grid, stat=stat, errmsg=why)
      call refused(stat, why, "path grid")
      call m%put("one", one, stat=stat, errmsg=why)
      call refused(stat, why, "path one")
      call m%put("mask", mask, stat=stat, errmsg=why)
      call refused(stat, why, "path mask")
      call m%put("words", words, stat=stat, errmsg=why)
      call refused(stat, why, "path words")
      call m%get_into("here", wave, stat=stat, errmsg=why)
      call refused(stat, why, "path here")
      call m%get_into("here", mask, stat=stat, errmsg=why)
      call refused(stat, why, "path here")
      allocate (wave(0), grid(0, 3), mask(0), bytes(0))
      call m%put("wave", wave)
      call m%put("grid", grid)
      call m%put("mask", mask)
      call m%put_bytes("bytes", bytes)
      call m%put("none", [real(real64) ::])
      call check(m%rank_at("grid") == 2 .and. m%rank_at("none") == 1 .and. m%count("") == 6, "empty arrays")
   end subroutine

   subroutine refused(stat, why, where)
      integer, intent(in) :: stat
      character(*), intent(in) :: why, where
      call check(stat == linkspan_invalid_state .and. index(why, "is not allocated") > 0 .and. index(why, where) > 0, why)
   end subroutine

   subroutine errors_are_told()
      type(linkspan_message) :: m
      type(linkspan_error) :: error
      character(:), allocatable :: why, text
      integer(int8) :: small
      real(real64) :: x
      real(real64), pointer :: view(:)
      real(real64), allocatable :: grid(:, :)
      integer :: stat, e
      call m%put("n", 300)
      call m%put("single", [1.0, 2.0])
      call m%get("n", small, stat=stat, errmsg=why)
      call check(stat == linkspan_out_of_range .and. index(why, "300 does not fit i8") > 0, "out of range")
      call m%get("nothing/here", x, stat=stat, errmsg=why)
      call check(stat == linkspan_missing .and. index(why, "nothing/here") > 0, "missing names the path")
      call linkspan_last_error(error)
      call check(error%status == linkspan_missing .and. error%path == "nothing/here" .and. .not. error%retryable, &
                 "last error")
      call check(linkspan_status_name(stat) == "Missing", "status names")
      call m%get("n", text, stat=stat)
      call check(stat == linkspan_wrong_type, "wrong type")
      call m%get("single", view, stat=stat, errmsg=why)
      call check(stat == linkspan_wrong_type .and. index(why, "f32") > 0, "a view needs the kind")
      call m%get("single", grid, stat=stat, errmsg=why)
      call check(stat == linkspan_wrong_type .and. index(why, "2 dimensions") > 0, "a rank is a rank")
      call m%end(stat=stat)
      call check(stat == linkspan_invalid_state, "nothing to end")
      e = linkspan_encoding_of("xml", stat=stat)
      call check(stat == linkspan_unsupported, "no such encoding")
   end subroutine

   subroutine codecs()
      type(linkspan_message) :: m, again
      integer(int8), allocatable :: bytes(:), json(:), direct(:)
      real(real64), allocatable :: wave(:)
      integer :: e, stat
      do e = 1, size(encodings)
         call m%clear()
         call m%put("wave", [1.0_real64, 2.0_real64])
         call m%put("op", "fft")
         call linkspan_encode(m, encodings(e), bytes)
         call linkspan_decode(bytes, encodings(e), again)
         call again%get("wave", wave)
         call check(all(wave == [1, 2]), "decoded "//linkspan_encoding_name(encodings(e)))
         call linkspan_transcode(bytes, encodings(e), linkspan_json, json)
         call linkspan_encode(m, linkspan_json, direct)
         call check(size(json) == size(direct), "transcoded")
         call check(all(json == direct), "transcoded")
         call check(linkspan_encoding_of(linkspan_encoding_name(encodings(e))) == encodings(e), "names")
      end do
      call linkspan_decode([1_int8, 2_int8], linkspan_cbor, again, stat=stat)
      call check(stat == linkspan_malformed, "trailing bytes")
      call check(len(linkspan_version()) > 0, "version")
   end subroutine

end program
