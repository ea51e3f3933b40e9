"""What a message costs the processor, here and elsewhere: `make bench`, or `make bench QUICK=1`.

    python -m loadtests.bench --quick              the short variant, under three minutes
    python -m loadtests.bench --only 'echo 32 B'   some scenarios, by a regular expression
    python -m loadtests.bench --table              the last results again, as tables and plots

How it goes, from the data to the page:

- messages.py prepares the bytes that are sent, scenarios.py says what is measured, contenders.py
  who takes part, and how each is started.
- building.py makes what runs: two C programs, a venv with the peers, two copies of the checkout.
- run.py starts the contenders, pinned to one core, and loads them from another, in rounds.
- report.py turns the samples into tables of medians and ratios, plot.py into pictures.

servers/ and clients/ are the contenders, each the smallest program that its documentation suggests.
wsload.c is the load generator, wsecho.c the fixed server that the clients talk to.
"""
