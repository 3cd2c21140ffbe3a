"""A channel: start it twice, in any two languages. The first listens, the second joins it."""

import linkspan

with linkspan.open("first/channel") as channel:
    channel.send({"from": "Python"})
    message = channel.recv()
    print(f"the {channel.role} received from {message['from']}")
