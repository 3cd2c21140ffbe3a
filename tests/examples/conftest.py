"""The markers of the tests of the examples."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "valgrind: takes a minute; the same calls are under AddressSanitizer every day")
