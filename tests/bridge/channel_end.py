"""One end of a channel: sends numbers, and writes every received number to a file before it is consumed.

usage: channel_end.py open|hold|connect|listen NAME FIRST COUNT FILE [CLIENT_ID]

Each line of FILE is `incarnation sequence number`. With `hold` it receives nothing; with `listen` it receives from every client.
"""

import os
import sys
import threading

import linkspan


def main() -> None:
    how, name, first, count, file, *client_id = sys.argv[1:]
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    pace = float(os.environ.get("PACE", "0"))
    size = int(os.environ.get("SIZE", "0"))
    options = {"client_id": client_id[0]} if client_id else {}
    ended = threading.Event()

    def send(channel: linkspan.Channel) -> None:
        for number in range(int(first), int(first) + int(count)):
            channel.send({"number": number, "filling": "x" * size}, timeout=None)
            if pace:
                ended.wait(pace)
        print("sent", flush=True)

    def receive(channel: linkspan.Channel) -> None:
        while True:
            message = channel.recv(timeout=None)
            os.write(log, f"{os.getpid()} {message.sequence} {message.value['number']}\n".encode())

    def run(channel: linkspan.Channel) -> None:
        threading.Thread(target=send, args=(channel,), daemon=True).start()
        receive(channel)

    if how == "listen":
        with linkspan.listen(name) as listener:
            print("ready", flush=True)
            while True:
                channel = listener.accept(timeout=None)
                threading.Thread(target=serve, args=(channel, receive), daemon=True).start()
    verb = linkspan.connect if how == "connect" else linkspan.open
    channel = verb(name, timeout=None, **options)
    print("ready", flush=True)
    if how != "hold":
        threading.Thread(target=run, args=(channel,), daemon=True).start()
    sys.stdin.read()
    ended.set()


def serve(channel: linkspan.Channel, receive) -> None:
    try:
        receive(channel)
    except linkspan.Disconnected:
        channel.close(timeout=0)


if __name__ == "__main__":
    main()
