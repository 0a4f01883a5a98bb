from tests.billing.fixtures import shop

__all__ = ["shop"]
