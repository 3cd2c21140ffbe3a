"""What the tests of all suites share; each module is one thing, imported by its name."""
