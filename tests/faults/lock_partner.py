"""Locks, reads and writes a file on command through fcntl.lockf only."""

import fcntl
import os
import sys

file = os.open(sys.argv[1], os.O_RDWR)
end = 0


def lock(how: int) -> None:
    global end
    fcntl.lockf(file, how)
    end = 0


def put(text: str) -> None:
    global end
    if end == 0:
        os.ftruncate(file, 0)
    end += os.pwrite(file, (text + "\n" if text.endswith("}") else text).encode(), end)


for line in sys.stdin:
    match line.rstrip("\n").split(" ", 1):
        case ["read"]:
            lock(fcntl.LOCK_SH)
            answer = os.pread(file, 4096, 0).decode().rstrip("\n")
            lock(fcntl.LOCK_UN)
        case ["lock", how]:
            lock(fcntl.LOCK_SH if how == "shared" else fcntl.LOCK_EX)
            answer = "locked"
        case ["unlock"]:
            lock(fcntl.LOCK_UN)
            answer = "unlocked"
        case ["put", text]:
            put(text)
            answer = "put"
        case ["write", times]:
            for _ in range(int(times)):
                lock(fcntl.LOCK_EX)
                put('{"by":')
                put('"partner"}')
                lock(fcntl.LOCK_UN)
            answer = f"written {times}"
        case _:
            answer = "what?"
    print(answer, flush=True)
