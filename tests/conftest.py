"""For every suite: signals act as in a terminal, and a hanging test fails."""

import pytest
from support import costs, signals
from support.limits import pytest_runtest_call, pytest_runtest_setup, pytest_runtest_teardown  # noqa: F401

signals.restore()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(costs)
