"""A plugin of pytest: PyMeasure's own protocol tests use each driver through `linkspan.share` and `linkspan.remote`.

Run it in an environment with `linkspan`, `pymeasure` and `pytest`, in the unpacked sources of PyMeasure:

    PYTHONPATH=TREE/tests/field python -m pytest -p pymeasure_over_the_wire tests/instruments

`expected_protocol` then gives the tests a remote object. The driver and its tests are unchanged.
`LINKSPAN_FIELD_TIMEOUT` is the time-out of a call, in seconds.
"""

import contextlib
import itertools
import os
import re
import sys
import tempfile
from pathlib import Path

import linkspan
import pymeasure.test

os.environ["LINKSPAN_DIR"] = tempfile.mkdtemp(prefix="linkspan-field-")
DIRECT = pymeasure.test.expected_protocol
NUMBERS = itertools.count()


def parts_of(owner, text, path=""):
    """Returns the paths of the channels of a driver, and of their channels, that the text of a test names.

    All channels of a large driver have more members than a schema can hold."""
    found = []
    for name, value in vars(owner).items():
        inner = value.values() if isinstance(value, dict) else [value]
        if name.startswith("_") or name == "parent" or not inner or not all(hasattr(one, "parent") and hasattr(one, "id") for one in inner):
            continue
        # Also as `ch_{number}`.
        if not re.search(rf"\b{name}\b|\b{name.rsplit('_', 1)[0]}_{{", text):
            continue
        found.append(f"{path}{name}")
        if not isinstance(value, dict):
            found += parts_of(value, text, f"{path}{name}.")
    return found


@contextlib.contextmanager
def expected_protocol(instrument_cls, comm_pairs, *args, **kwargs):
    with DIRECT(instrument_cls, comm_pairs, *args, **kwargs) as driver:
        # Over `contextmanager.__enter__` and the `with` of the test.
        text = Path(sys._getframe(2).f_code.co_filename).read_text(encoding="utf-8")
        name = f"field/n{next(NUMBERS)}"
        timeout = float(os.environ.get("LINKSPAN_FIELD_TIMEOUT", "30"))
        with linkspan.share(driver, name, parts=parts_of(driver, text)), linkspan.remote(name, timeout=timeout) as inst:
            yield inst


pymeasure.test.expected_protocol = expected_protocol
