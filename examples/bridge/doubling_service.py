"""Serves lab/double to Linkspan programs, in JSON, and uses only NATS."""

import asyncio
import json
import sys

import nats
import nats.micro


async def double(request: nats.micro.Request) -> None:
    number = json.loads(request.data)
    if number < 0:
        await request.respond_error("422", "no negative numbers")
    else:
        await request.respond(json.dumps(2 * number).encode(), headers={"Content-Type": "application/json"})


async def main() -> None:
    client = await nats.connect(sys.argv[1])
    service = await nats.micro.add_service(client, name="doubling", version="1.0.0")
    await service.add_endpoint(name="double", subject="linkspan.default.request.lab.double", handler=double)
    await client.flush()
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
