"""What every test shares: a runtime directory of its own, so that nothing outside the test is met or left behind."""

import pytest


@pytest.fixture(autouse=True)
def runtime_dir(tmp_path_factory, monkeypatch):
    """A short path: a Unix socket's address holds 107 bytes."""
    directory = tmp_path_factory.mktemp("ls")
    monkeypatch.setenv("LINKSPAN_DIR", str(directory))
    return directory
