from tests.jobs.fixtures import queue

__all__ = ["queue"]
