"""A service that counts: 20 steps a second."""

import sys

import linkspan


class Logger(linkspan.Service):
    def step(self):
        pass

    def data(self):
        return {"steps": 1}


if __name__ == "__main__":
    linkspan.run(Logger(), name=sys.argv[1], every=0.05)
