"""Benchmarks: speed, memory, start-up and quality, against a bare loop and against a peer.

Run them with `make bench`, or `python -m benchmarks.run throughput` for one of them.
"""
