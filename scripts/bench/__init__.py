"""Benchmarks: ratios within one run, since only ratios travel between machines."""
