"""Load on a server, and what becomes of it; `geventws bench` is its face.

- histogram.py counts times, ticker.py waits for a moment, plan.py says what is to be done.
- tally.py counts what was done, lane.py is one connection, fleet.py opens and closes many.
- loading.py sends, over the open connections, for the length of one round.
- bench.py does the rounds of one target, or of two in turn; report.py says what came of them.
"""
