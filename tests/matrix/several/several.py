"""Subscribes to several names and prints name and number of each message, then the newest messages of a pattern."""

import sys

import linkspan

subscriber = linkspan.subscribe(sys.argv[1:])
print("ready", flush=True)
for _ in range(3):
    message = subscriber.recv(timeout=60)
    print(message.name, message["i"])
message = linkspan.latest("several/*", timeout=60)
print(message.name, message["i"])
