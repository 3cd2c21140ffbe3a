"""Sends 1,000 messages, flushes to learn the consumed number, and ends without close."""

import asyncio
import sys

import linkspan
import linkspan.aio


async def main() -> None:
    channel = await linkspan.aio.connect(sys.argv[1])
    for i in range(1000):
        await channel.send({"i": i})
    try:
        await channel.flush(timeout=0.05)
        sys.exit(3)
    except linkspan.Timeout as error:
        print(error.missed, flush=True)
    sys.stdin.readline()


asyncio.run(main())
