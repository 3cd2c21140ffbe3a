"""The marker for tests that need mdBook, which is built if it is missing."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "mdbook: builds the whole book, and mdBook where it is not installed")
