"""Sends 1,000 messages, flushes to learn the consumed number, and ends without close."""

import sys

import linkspan

channel = linkspan.connect(sys.argv[1])
for i in range(1000):
    channel.send({"i": i})
try:
    channel.flush(timeout=0.05)
    sys.exit(3)
except linkspan.Timeout as error:
    print(error.missed, flush=True)
sys.stdin.readline()
