"""What is said once for the tests of the examples: their markers."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "valgrind: takes a minute; the same calls are under AddressSanitizer every day")
