"""The parts of generate.py: each writes one part of the Fortran module."""
