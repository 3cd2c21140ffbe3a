"""Prints the messages of lab/temperature from a Linkspan program, in JSON, and uses only NATS."""

import asyncio
import json
import sys

import nats


async def main() -> None:
    client = await nats.connect(sys.argv[1])
    messages = await client.subscribe("linkspan.default.publish.lab.temperature")
    await client.flush()
    print("subscribed", flush=True)
    async for message in messages.messages:
        print(message.headers["Linkspan-Sequence"], json.loads(message.data)["celsius"], flush=True)


asyncio.run(main())
