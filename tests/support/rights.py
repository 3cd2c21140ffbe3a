"""What only root can do in a test. An ordinary user skips it and says so; the report of `tests/run` counts it."""

import os

import pytest

several_users = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
mounts = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
