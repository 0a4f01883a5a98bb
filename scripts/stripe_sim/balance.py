"""Balance transactions: what each movement leaves in the account after fees."""

from __future__ import annotations

from stripe.params._balance_transaction_list_params import BalanceTransactionListParams
from stripe.params._balance_transaction_retrieve_params import BalanceTransactionRetrieveParams

from scripts.stripe_sim.account import Account
from scripts.stripe_sim.clock import DAY
from scripts.stripe_sim.routes import Route, listing, retrieving
from scripts.stripe_sim.store import Document

DISPUTE_FEE = 1500


def fee_of(amount: int) -> int:
    """2.9 % + 30: Stripe's usual price for a card in the US."""
    return (amount * 29 + 500) // 1000 + 30


def book(account: Account, kind: str, amount: int, source: Document, fee: int = 0) -> Document:
    """Record a movement; refunds and disputes are negative."""
    details = {"amount": fee, "application": None, "currency": source["currency"], "type": "stripe_fee"}
    transaction: Document = {
        "id": account.new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": account.now + 2 * DAY,
        "balance_type": "payments",
        "created": account.now,
        "currency": source["currency"],
        "description": source.get("description"),
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [details | {"description": "Stripe processing fees"}] if fee else [],
        "net": amount - fee,
        "reporting_category": {"adjustment": "dispute", "refund_failure": "refund_failure"}.get(kind, kind),
        "source": source["id"],
        "status": "pending",
        "type": kind,
    }
    return account.save(transaction)


_URL = "/v1/balance_transactions"
ROUTES = (
    Route("GET", _URL, listing("balance_transaction", _URL), BalanceTransactionListParams),
    Route("GET", f"{_URL}/{{}}", retrieving("balance_transaction"), BalanceTransactionRetrieveParams),
)
