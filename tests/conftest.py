"""For every suite here: signals act as in a terminal, however the tests were started."""

from support import signals

signals.restore()
