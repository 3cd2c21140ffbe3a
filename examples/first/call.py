"""Request and reply: `call.py serve` adds up the numbers of each request, `call.py` sends one."""

import sys
from array import array

import linkspan

if sys.argv[1:] == ["serve"]:
    for request in linkspan.serve("first/call"):
        request.reply({"sum": float(sum(request["numbers"])), "from": "Python"})
else:
    with linkspan.connect("first/call") as channel:
        reply = channel.call({"numbers": array("d", [1, 2, 3.5])})
        print(f"the sum is {reply['sum']:.1f}, says {reply['from']}")
