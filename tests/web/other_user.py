"""Acts as another user of this machine: sends requests to a port, or holds connections to it open, with the given uid.

    other_user.py send UID PORT    reads a JSON list of requests in hexadecimal from stdin, prints a JSON list of their responses
    other_user.py hold UID PORT N  opens N idle connections, prints `held`, and keeps N connections open until stdin ends
"""

import encodings.idna  # noqa: F401  imported now: the other user may be unable to read the interpreter's files
import json
import os
import resource
import select
import socket
import sys

PATIENCE = 60
# The bytes that the connections send before they become idle.
FIRST_BYTES = (
    b"", b"", b"G", b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Slow: ",
    b"POST /api/services/a/commands HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
    b"GET /page.js HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",  # answered, and kept alive
)


def become(uid):
    if uid != os.getuid():
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)


def response(port, request):
    """Returns the server's output until it closes the connection, as each request demands."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as stream:
        got = b""
        try:
            stream.sendall(request)
            while len(got) < 1 << 20 and (chunk := stream.recv(65536)):
                got += chunk
        except ConnectionError:
            pass
        return got


def hold(port, count):
    held = []
    for i in range(count):
        stream = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        held.append(stream)
        first = FIRST_BYTES[i % len(FIRST_BYTES)]
        try:
            stream.sendall(first % port if b"%d" in first else first)
        except ConnectionError:
            pass  # the server closed it in favour of a newer one
    print("held", flush=True)
    # The load continues: connections are closed and opened until stdin ends.
    while not select.select([0], [], [], 0.0005)[0]:
        held[count % len(held)].close()
        held[count % len(held)] = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        count += 1


def main():
    what, uid, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, max(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    become(uid)
    if what == "send":
        print(json.dumps([response(port, bytes.fromhex(request)).decode("latin-1") for request in json.load(sys.stdin)]))
    else:
        hold(port, int(sys.argv[4]))


if __name__ == "__main__":
    main()
