"""Stripe on this machine: its HTTP API, hosted pages, signed webhooks, a test clock, and an adversary."""
