"""Options: equal names everywhere, listed in `help`, refused in Python's words."""

import re

import linkspan
import pytest
from linkspan import Options, ServiceOptions

NAME = "unix:lab/options"


def refused(kind, **options):
    with pytest.raises(kind) as caught:
        linkspan.listen(NAME, **options)
    return caught.value


def test_unknown_option_names_the_nearest_and_is_no_key_error():
    error = refused(linkspan.Unsupported, timout=1)
    assert "did you mean timeout?" in str(error) and error.path == "timout"
    assert not isinstance(error, KeyError)
    assert "did you mean" not in str(refused(linkspan.Unsupported, colour="red"))
    with pytest.raises(linkspan.Unsupported, match="did you mean every"):
        linkspan.ServiceLoop("power", evry=1.0)


def test_every_option_of_the_core_is_documented_where_help_looks():
    listed = re.search(r"there are (.*) and (\w+)", str(refused(linkspan.Unsupported, colour="red")))
    core = {*listed[1].split(", "), listed[2]}
    assert set(Options.__annotations__) == core
    for kind in (Options, ServiceOptions):
        for name in kind.__annotations__:
            assert f"`{name}`" in kind.__doc__ or f"`{name}`" in Options.__doc__, name


@pytest.mark.parametrize("given", [5, "x", [], object()])
def test_on_wait_that_cannot_be_called_is_refused(given):
    assert refused(linkspan.WrongType, on_wait=given).path == "on_wait"
    with linkspan.listen(NAME) as listener, pytest.raises(TypeError, match="on_wait is something that can be called"):
        listener.accept(timeout=0, on_wait=given)


@pytest.mark.parametrize("given", [-1, float("nan"), "soon", [1]])
def test_invalid_time_out_is_refused_in_terms_of_python(given):
    error = refused(linkspan.Error, timeout=given)
    assert isinstance(error, (TypeError, ValueError)) and error.path == "timeout"
    assert "timeout" in str(error) and "None" in str(error)


@pytest.mark.parametrize("given", [None, float("inf"), 1e30, 1e308])
def test_endless_time_out_is_accepted(given):
    calls = []

    def stop():
        calls.append(1)
        return False

    with linkspan.listen(NAME, on_wait=stop) as listener, pytest.raises(linkspan.Cancelled):
        listener.accept(timeout=given)
    assert calls


def test_decimal_mode_is_answered_with_the_octal_one():
    assert "0o660" in str(refused(linkspan.OutOfRange, mode=660))
    linkspan.listen(NAME, mode=0o660).close()


def test_refusals_name_the_argument():
    with pytest.raises(TypeError, match="endpoint"):
        linkspan.connect(5)
    with pytest.raises(linkspan.Unsupported, match="encoding"):
        linkspan.listen(NAME, encoding="yaml")


def test_address_in_use_names_the_process(peer):
    other = peer(f"listener = linkspan.listen({NAME!r}); say('listens', os.getpid()); sys.stdin.read()")
    pid = other.line().split()[1]
    with pytest.raises(linkspan.AddressInUse, match=rf"process {pid}\b"):
        linkspan.listen(NAME)
    with pytest.raises(linkspan.AddressInUse, match=rf"process {pid}\b"):
        linkspan.serve(NAME)


def test_unknown_option_is_named_before_any_value_is_looked_at():
    assert refused(linkspan.Unsupported, timeout="soon", mode="x", bufer=1).path == "bufer"
    assert refused(linkspan.Unsupported, on_wait=5, bufer=1).path == "bufer"
    assert refused(linkspan.WrongType, timeout="soon", buffer=1).path == "timeout"
