"""The marker of what needs mdBook, which is built where it is not installed."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "mdbook: builds the whole book, and mdBook where it is not installed")
