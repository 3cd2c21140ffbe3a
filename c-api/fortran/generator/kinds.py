"""The kinds and ranks of elements, the types with a handle, and common text of procedures."""

# Name here, declaration, dtype in C. logical(c_bool) is a byte with 0 or 1.
KINDS = [
    ("i8", "integer(int8)", "linkspan_i8"),
    ("i16", "integer(int16)", "linkspan_i16"),
    ("i32", "integer(int32)", "linkspan_i32"),
    ("i64", "integer(int64)", "linkspan_i64"),
    ("r32", "real(real32)", "linkspan_f32"),
    ("r64", "real(real64)", "linkspan_f64"),
    ("c32", "complex(real32)", "linkspan_c64"),
    ("c64", "complex(real64)", "linkspan_c128"),
    ("bool", "logical(c_bool)", "linkspan_bool"),
]
RANKS = range(1, 16)
# Types that lend memory for arrays, with their C names. A request is a message.
LENDERS = {"channel": "channel", "message": "request", "publisher": "publisher"}
HANDLES = ["channel", "pending_reply", "listener", "server", "publisher", "subscriber", "region", "service", "controller"]
TAIL = """      integer, intent(out), optional :: stat
      character(:), allocatable, intent(inout), optional :: errmsg"""
#: Refuses a key that is not allocated: passed on as an optional argument it would be absent, and the value one without a key.
KEY_IS_THERE = """      if (.not. is_there(key)) then
         call finish(unallocated("key"), stat, errmsg)
         return
      end if
"""


def colons(rank: int) -> str:
    return "(" + ", ".join([":"] * rank) + ")"
