"""Opens a publisher with the schema in a file: `open.py PATH` prints the status and the error's text."""

import sys

import linkspan

try:
    linkspan.publisher("unix:refused/python", schema=sys.argv[1]).close()
    print("0 ")
except linkspan.Error as error:
    print(error.code, error)
