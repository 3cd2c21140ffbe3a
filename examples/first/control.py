"""A controller's client: asks `service` for its data, pauses it, lets it run, and ends it."""

import linkspan

counter = linkspan.Controller().service("lab/counter")
print("counts" if counter.get_data()["count"] >= 0 else "does not count")
counter.pause()
print(counter.status()["state"])
counter.run()
counter.shutdown()
