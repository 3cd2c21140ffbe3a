"""A service in another process that runs Python code in its hooks, with the results."""

import linkspan
from support import waiting

PROGRAM = """
    import json, os, threading

    class Power(linkspan.Service):
        scripts = json.loads(sys.argv[1])

        def act(self, hook, arguments=None):
            # A hook's script answers with its variable `result`.
            known = {"self": self, "arguments": arguments, "result": None, **globals()}
            exec(self.scripts.get(hook, ""), known)
            return known["result"]

        def on_start(self): self.act("on_start")
        def step(self): self.act("step")
        def on_pause(self): self.act("on_pause")
        def on_resume(self): self.act("on_resume")
        def on_checkpoint(self): self.act("on_checkpoint")
        def on_stop(self): self.act("on_stop")
        def data(self): return self.act("data")
        def on_config(self, arguments): return self.act("on_config", arguments)
        def on_backup(self, arguments): return self.act("on_backup", arguments)
        def do_calibrate(self, arguments): return self.act("do_calibrate", arguments)
        def do_script(self, arguments): self.scripts.update(arguments)

    linkspan.run(Power(), "power", **json.loads(sys.argv[2]))
    say("over")
"""


def start(peer, options=None, **scripts):
    """Starts the service: hook scripts by name, and the options of `run`."""
    import json

    return peer(PROGRAM, json.dumps(scripts), json.dumps({"every": 1000.0, **(options or {})}))


def until(look, *, within=60):
    """Waits for a true value; an unregistered service counts as false."""

    def found():
        try:
            return look()
        except linkspan.NotFound:
            return None

    return waiting.until("the state of the service", found, within)


def known(controller, state, name="power", **more):
    """Returns the service's handle after it reaches this state."""
    service = controller.service(name)
    expected = {"state": state, "view": "CONNECTED", **more}
    until(lambda: expected.items() <= service.status().items())
    return service
