"""The parts of generate.py. Each writes one part of the Fortran module."""
