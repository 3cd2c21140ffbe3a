"""Programs that use NATS without Linkspan, selected by the first argument.

usage: nats_programs.py URL listen|publish|plain|end|newest|ask|bucket|double NAME [VALUE]

The name lab/a is the subject linkspan.default.publish.lab.a; each program prints its received messages, one line of JSON per message.
"""

import asyncio
import json
import sys

import nats
import nats.micro

JSON = {"Content-Type": "application/json"}


async def main() -> None:
    url, verb, name, *value = sys.argv[1:]
    client = await nats.connect(url)
    key = name.replace(".", "=2E").replace("/", ".")
    published, asked, newest = (f"linkspan.default.{word}.{key}" for word in ("publish", "request", "newest"))
    if verb == "listen":
        subscription = await client.subscribe(published)
        await client.flush()
        print("ready", flush=True)
        message = await subscription.next_msg(timeout=30)
        print(json.dumps([message.headers["Content-Type"], json.loads(message.data), len(message.headers)]), flush=True)
    elif verb == "publish":
        await client.publish(published, value[0].encode(), headers=JSON)
        await client.flush()
    elif verb == "plain":
        await client.publish(published, value[0].encode())
        await client.flush()
    elif verb == "double":
        # A minimal service: it answers in JSON without stating an encoding.
        async def double(request: nats.micro.Request) -> None:
            number = json.loads(request.data)
            answer = "{" if number is None else json.dumps([request.headers["Content-Type"], 2 * number])
            await request.respond(answer.encode())

        service = await nats.micro.add_service(client, name="doubling", version="1.0.0")
        await service.add_endpoint(name="double", subject=asked, handler=double)
        await client.flush()
        print("ready", flush=True)
        await asyncio.Event().wait()
    elif verb == "end":
        await client.publish(published, b"", headers={"Linkspan-Ended": "true"})
        await client.flush()
    elif verb == "newest":
        try:
            message = await client.request(newest, b"", timeout=10)
        except nats.errors.NoRespondersError:
            print(json.dumps("nobody"))
        else:
            headers = message.headers
            print(json.dumps([headers.get("Content-Type"), json.loads(message.data)] if message.data else headers["Nats-Service-Error-Code"]))
    elif verb == "ask":
        try:
            message = await client.request(asked, value[0].encode(), timeout=20, headers=JSON)
            print(json.dumps([message.headers.get("Nats-Service-Error"), message.headers["Content-Type"], message.data.decode(errors="replace")]))
        except nats.errors.NoRespondersError:
            print(json.dumps("nobody"))
    elif verb == "bucket":
        bucket = await client.jetstream().key_value("newest")
        entry = await bucket.get(key)
        print(entry.value.decode())
    await client.close()


asyncio.run(main())
