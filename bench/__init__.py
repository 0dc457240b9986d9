"""Benchmarks: the sandbox beside bare ASGI on the same server and, where they are installed, stateless mocks.

``make bench`` or ``python -m bench --help``. The machine is shared and small, so only ratios of one run mean anything:
servers take turns within a round, and each round gives one ratio.
"""
