"""What a message costs the processor, here and elsewhere: `make bench`, or `make bench QUICK=1`.

    python -m loadtests.bench --quick                the short variant, under three minutes
    python -m loadtests.bench --targets --list       what the targets need, and how long it takes
    python -m loadtests.bench --targets --merge F    measure that, and add it to the results in F
    python -m loadtests.bench --only echo32B --servers receive picows --merge F
    python -m loadtests.bench --page --merge F       docs/performance.md, of all that is in F

With --merge what F has already is not measured again (or with --anew it is), and every round is
kept as soon as it is done: a run that was interrupted goes on where it was.

How it goes, from the data to the page:

- messages.py prepares the bytes that are sent, scenarios.py says what is measured, contenders.py
  who takes part, and how each is started, targets.py what is asked for.
- building.py makes what runs: two C programs, a venv with the peers, two copies of the checkout.
- run.py starts the contenders, pinned to one core, and loads them from another, in rounds.
- results.py keeps what was found, and on what machine; plan.py says what is missing of it.
- report.py turns the samples into tables of medians and ratios, plot.py and pictures.py into plots,
  performance.py into the page, with the words of prose.py.

servers/ and clients/ are the contenders, each the smallest program that its documentation suggests.
wsload.c is the load generator, wsecho.c the fixed server that the clients talk to.
"""
