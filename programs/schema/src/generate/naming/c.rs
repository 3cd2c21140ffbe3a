//! Names in C, and the words that C and C++ reserve.

use super::{Case, Naming};

/// Names in C. Words of C++ are avoided too, because C++ programs can include the header.
pub(super) const NAMING: Naming = Naming {
    types: Case::Snake,
    fields: Case::Snake,
    values: Case::Upper,
    variants: Case::Snake,
    begins_with_letter: false,
    ignores_case: false,
    longest: 255,
    reserved: &WORDS,
    reserved_types: DECLARED,
    reserved_members: &[],
    reserved_if_packed: &[],
};

/// Keywords of C and C++, and macros of the included headers.
pub(super) const WORDS: [&str; 102] = [
    "NULL",
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "char16_t",
    "char32_t",
    "char8_t",
    "class",
    "co_await",
    "co_return",
    "co_yield",
    "compl",
    "concept",
    "const",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "errno",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "linux",
    "long",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "requires",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "stderr",
    "stdin",
    "stdout",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "typeof_unqual",
    "union",
    "unix",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
];

/// Types and functions that the included headers declare.
const DECLARED: &str = "a64l abort abs aligned_alloc alloca arc4random arc4random_buf arc4random_uniform at_quick_exit \
    atexit atof atoi atol bcmp bcopy blkcnt_t blksize_t bsearch bzero caddr_t calloc clearenv clock_t \
    clockid_t daddr_t dev_t div div_t drand48 drand48_r ecvt ecvt_r erand48 erand48_r exit \
    explicit_bzero fcvt fcvt_r fd_mask fd_set ffs ffsl free fsblkcnt_t fsfilcnt_t fsid_t gcvt getenv \
    getloadavg getsubopt gid_t id_t index initstate initstate_r ino_t int16_t int32_t int64_t int8_t \
    int_fast16_t int_fast32_t int_fast64_t int_fast8_t int_least16_t int_least32_t int_least64_t \
    int_least8_t intmax_t intptr_t jrand48 jrand48_r key_t l64a labs lcong48 lcong48_r ldiv ldiv_t \
    locale_t loff_t lrand48 lrand48_r malloc max_align_t mblen mbstowcs mbtowc memccpy memchr memcmp \
    memcpy memmove memset mkdtemp mkstemp mkstemps mktemp mode_t mrand48 mrand48_r nlink_t nrand48 \
    nrand48_r off_t on_exit pid_t posix_memalign pselect pthread_attr_t pthread_barrier_t \
    pthread_barrierattr_t pthread_cond_t pthread_condattr_t pthread_key_t pthread_mutex_t \
    pthread_mutexattr_t pthread_once_t pthread_rwlock_t pthread_rwlockattr_t pthread_spinlock_t \
    pthread_t ptrdiff_t putenv qecvt qecvt_r qfcvt qfcvt_r qgcvt qsort quad_t quick_exit rand rand_r \
    random random_r realloc reallocarray realpath rindex rpmatch seed48 seed48_r select setenv setstate \
    setstate_r sigset_t size_t srand srand48 srand48_r srandom srandom_r ssize_t stpcpy stpncpy \
    strcasecmp strcasecmp_l strcat strchr strcmp strcoll strcoll_l strcpy strcspn strdup strerror \
    strerror_l strerror_r strlen strncasecmp strncasecmp_l strncat strncmp strncpy strndup strnlen \
    strpbrk strrchr strsep strsignal strspn strstr strtod strtof strtok strtok_r strtol strtold strtoul \
    strxfrm strxfrm_l suseconds_t system time_t timer_t u_char u_int u_int16_t u_int32_t u_int64_t \
    u_int8_t u_long u_quad_t u_short uid_t uint uint16_t uint32_t uint64_t uint8_t uint_fast16_t \
    uint_fast32_t uint_fast64_t uint_fast8_t uint_least16_t uint_least32_t uint_least64_t uint_least8_t \
    uintmax_t uintptr_t ulong unsetenv ushort valloc wchar_t wcstombs wctomb";
