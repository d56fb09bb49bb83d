"""Benchmarks: ratios within one run, never absolute promises. `make bench` runs all of it."""
