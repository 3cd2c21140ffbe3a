"""A service that counts. A controller, such as `control`, may ask it, pause it, run it and end it."""

import linkspan


class Counter(linkspan.Service):
    count = 0

    def step(self):
        self.count += 1

    def data(self):
        return {"count": self.count}


linkspan.run(Counter(), name="lab/counter", every=0.1)
print("stopped")
