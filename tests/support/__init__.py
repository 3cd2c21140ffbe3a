"""Modules that the tests of all suites share, each imported by its name."""
