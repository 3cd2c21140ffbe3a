"""Another user of this machine at a port: sends given requests, or holds connections open, as the given uid.

    other_user.py send UID PORT    reads a list of requests in hexadecimal digits from stdin, prints what came back for each
    other_user.py hold UID PORT N  opens N connections that never finish a request, says so, and keeps them until stdin ends
"""

import encodings.idna  # noqa: F401  all that is needed: soon the interpreter is not ours to read
import json
import os
import resource
import select
import socket
import sys

PATIENCE = 60
# What each of the connections sends before it becomes silent.
BEGUN = (
    b"", b"", b"G", b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Slow: ",
    b"POST /api/services/a/commands HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
    b"GET /page.js HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",  # answered, and kept alive
)


def become(uid):
    if uid != os.getuid():
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)


def exchanged(port, request):
    """Returns the response until the other side closes, as each request asks it to."""
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
        begun = BEGUN[i % len(BEGUN)]
        try:
            stream.sendall(begun % port if b"%d" in begun else begun)
        except ConnectionError:
            pass  # its place was given to another one
    print("held", flush=True)
    # Further connections are opened all the time, as fast as one process can.
    while not select.select([0], [], [], 0.0005)[0]:
        held[count % len(held)].close()
        held[count % len(held)] = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        count += 1


def main():
    what, uid, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, max(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    become(uid)
    if what == "send":
        print(json.dumps([exchanged(port, bytes.fromhex(request)).decode("latin-1") for request in json.load(sys.stdin)]))
    else:
        hold(port, int(sys.argv[4]))


if __name__ == "__main__":
    main()
