"""Marks tests that only root can run. Other users skip them; the report of `tests/run` counts them."""

import os

import pytest

several_users = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
mounts = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
