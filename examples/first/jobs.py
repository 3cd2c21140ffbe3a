"""A queue of work: `jobs.py` puts three jobs into it, `jobs.py work` does jobs until it is asked to stop; start as many as you like."""

import sys

import linkspan

QUEUE = "spool:first/jobs"

if sys.argv[1:] == ["work"]:
    for job in linkspan.serve(QUEUE, shared=True):  # a job is done when the next one is asked for
        print(f"job {job['number']} of {job['from']}, done in Python", flush=True)
else:
    with linkspan.connect(QUEUE) as queue:
        for number in (1, 2, 3):
            queue.send({"number": number, "from": "Python"})
