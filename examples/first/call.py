"""Request and reply: `call.py serve` adds up the numbers of each request, `call.py` sends one."""

import sys
from array import array

import linkspan


def add_up(request):
    return {"sum": float(sum(request["numbers"])), "from": "Python"}


if sys.argv[1:] == ["serve"]:
    linkspan.serve("first/call").run(add_up)  # the caller gets its exceptions
else:
    with linkspan.connect("first/call") as channel:
        reply = channel.call({"numbers": array("d", [1, 2, 3.5])})
        print(f"the sum is {reply['sum']:.1f}, says {reply['from']}")
