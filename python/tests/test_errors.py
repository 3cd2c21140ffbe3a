"""Exceptions match the core's table and derive from the expected built-in ones."""

import pickle

import linkspan
import pytest
from linkspan import _native, errors

BUILT_IN = {
    "Timeout": (TimeoutError,),
    "Disconnected": (ConnectionError,),
    "Stalled": (ConnectionError,),
    "NotFound": (ConnectionError, FileNotFoundError),
    "PermissionDenied": (PermissionError,),
    "Missing": (KeyError,),
    "WrongType": (TypeError,),
    "Malformed": (ValueError,),
    "OutOfRange": (ValueError,),
    "InvalidEndpoint": (ValueError,),
}


def classes():
    return {n: c for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, errors.Error) and c is not errors.Error}


def test_exception_classes_match_the_table():
    table = {name: (code, retryable) for code, name, retryable, _, _ in _native.error_table()}
    assert {n: (c.code, c.retryable) for n, c in classes().items()} == table
    assert all(c.kind == n for n, c in classes().items())
    assert len(table) == 27 and table["Timeout"] == (110, True) and table["Internal"] == (127, False)
    assert set(errors.__all__) == {"Error", *table}
    for name in errors.__all__:
        assert getattr(linkspan, name) is getattr(errors, name)
        assert name in linkspan.__all__


@pytest.mark.parametrize("name", list(classes()))
def test_one_text_built_in_bases_and_pickle(name):
    kind = classes()[name]
    others = {b for bases in BUILT_IN.values() for b in bases} - set(BUILT_IN.get(name, ()))
    assert issubclass(kind, BUILT_IN.get(name, ()) or Exception)
    assert not [b for b in others if issubclass(kind, b) and b is not ConnectionError or b in kind.__bases__]
    error = kind("what happened, and what to do")
    error.endpoint, error.offset, error.path = "shm:lab", 3, "rows/0"
    assert str(error) == "what happened, and what to do" and error.args == (str(error),)
    assert getattr(error, "errno", None) is None
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and str(again) == str(error)
    assert (again.endpoint, again.offset, again.path, again.code) == ("shm:lab", 3, "rows/0", kind.code)


def test_subclass_of_a_program_keeps_its_base():
    class Mine(errors.Timeout):
        pass

    assert (Mine.code, Mine.kind, Mine.retryable) == (110, "Timeout", True)
