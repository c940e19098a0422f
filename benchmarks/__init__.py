"""Benchmarks: speed, memory, start-up and quality, against bare loops, peers and the machine's limits.

Run them with `make bench`, or `python -m benchmarks.run throughput` for one of them.
"""
