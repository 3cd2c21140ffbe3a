"""A work queue: `jobs.py` adds three jobs, `jobs.py work` does jobs until a stop signal.

Start any number of workers.
"""

import sys

import linkspan

QUEUE = "spool:first/jobs"

if sys.argv[1:] == ["work"]:
    for job in linkspan.serve(QUEUE, shared=True):  # asking for the next job finishes the previous one
        print(f"job {job['number']} of {job['from']}, done in Python", flush=True)
else:
    with linkspan.connect(QUEUE) as queue:
        for number in (1, 2, 3):
            queue.send({"number": number, "from": "Python"})
