"""What a round trip and an idle user cost in Locust, beside what people use without geventws.

    python -m loadtests.bench_locust                the round trips of 50 users, five rounds
    python -m loadtests.bench_locust --idle 2000    the memory of users that only wait

Each contender is a Locust worker of its own on one core, against loadtests/bench's echo in C on
another; in a round each is measured once, so that all of them get the same noise.
"""
