"""Stripe's side of billing: Postgres decides and remembers; this asks, carries and repeats."""
