"""Anthropic and OpenAI on this machine: their wire formats, answers that repeat, and faults on order."""
