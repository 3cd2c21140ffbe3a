"""The second driver: plays a real seismogram in real time, in arrays of 3 × 10 samples, at observatory/waveform.

The recording is the example of ObsPy: station BW.RJOB, 2009-08-24T00:20:03 UTC, three components at 100 Hz, thirty
seconds, in counts. It begins at its middle, before an event, and repeats; the field `restart` marks a repetition.
"""

import signal
import sys
import time

import linkspan
import numpy as np
from generated.observatory_waveform import SCHEMA, ObservatoryWaveform

RATE = 100  # samples a second
BLOCK = 10  # samples a message
BEGIN = 1500  # the first sample that is played
COMPONENTS = ("EHZ", "EHN", "EHE")  # up, north, east


def main(file):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    recording = np.load(file)
    samples = np.stack([recording[name] for name in COMPONENTS])
    first, begin, played = BEGIN, time.time_ns(), 0
    with linkspan.publisher("observatory/waveform", schema=SCHEMA, validate="send") as out:
        while True:
            at = begin + played * 1_000_000_000 // RATE
            late = time.time_ns() - at - BLOCK * 1_000_000_000 // RATE  # a block is complete at its last sample
            if abs(late) > 1_000_000_000:  # the process was stopped, or the clock was set: continue from now
                begin, late = begin + late, 0
                continue
            time.sleep(max(-late, 0) / 1e9)
            out.send(ObservatoryWaveform(
                at=linkspan.Timestamp(at),
                rate=RATE,
                first=first,
                restart=first == 0,
                components=list(COMPONENTS),
                samples=samples[:, first : first + BLOCK],
            ))
            played += BLOCK
            first = (first + BLOCK) % samples.shape[1]


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        pass
