//! Names in Python, and the words that it reserves.

use super::{Case, Naming};

pub(super) const NAMING: Naming = Naming {
    types: Case::Pascal,
    fields: Case::Snake,
    values: Case::Upper,
    variants: Case::Snake,
    begins_with_letter: false,
    ignores_case: false,
    longest: 255,
    reserved: &PYTHON,
    reserved_types: BUILT_IN,
    reserved_members: &[],
    reserved_if_packed: &["pack", "unpack", "numpy_dtype", "packed"],
};

/// Keywords, and names of generated code that a field could hide.
const PYTHON: [&str; 60] = [
    "False",
    "None",
    "True",
    "and",
    "as",
    "assert",
    "async",
    "await",
    "break",
    "class",
    "continue",
    "def",
    "del",
    "elif",
    "else",
    "except",
    "finally",
    "for",
    "from",
    "global",
    "if",
    "import",
    "in",
    "is",
    "lambda",
    "nonlocal",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "try",
    "while",
    "with",
    "yield",
    "Any",
    "Callable",
    "ClassVar",
    "Decimal",
    "Enum",
    "Message",
    "Timestamp",
    "TypeAlias",
    "UUID",
    "bool",
    "bytes",
    "dataclass",
    "decode",
    "dict",
    "field",
    "float",
    "from_value",
    "int",
    "list",
    "np",
    "npt",
    "read",
    "str",
    "tuple",
    "cls",
];

/// Built-in classes of Python.
const BUILT_IN: &str = "ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError \
    BrokenPipeError BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError \
    ConnectionRefusedError ConnectionResetError DeprecationWarning EOFError Ellipsis EncodingWarning \
    EnvironmentError Exception ExceptionGroup FileExistsError FileNotFoundError FloatingPointError \
    FutureWarning GeneratorExit IOError ImportError ImportWarning IndentationError IndexError \
    InterruptedError IsADirectoryError KeyError KeyboardInterrupt LookupError MemoryError \
    ModuleNotFoundError NameError NotADirectoryError NotImplemented NotImplementedError OSError \
    OverflowError PendingDeprecationWarning PermissionError ProcessLookupError RecursionError \
    ReferenceError ResourceWarning RuntimeError RuntimeWarning StopAsyncIteration StopIteration \
    SyntaxError SyntaxWarning SystemError SystemExit TabError TimeoutError TypeError UnboundLocalError \
    UnicodeDecodeError UnicodeEncodeError UnicodeError UnicodeTranslateError UnicodeWarning UserWarning \
    ValueError Warning ZeroDivisionError";
