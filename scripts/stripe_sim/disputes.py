"""Disputes: a customer's bank takes the money back, and may return it."""

from __future__ import annotations

from typing import Any

import stripe
from stripe.params._dispute_close_params import DisputeCloseParams
from stripe.params._dispute_list_params import DisputeListParams
from stripe.params._dispute_retrieve_params import DisputeRetrieveParams
from stripe.params._dispute_update_params import DisputeUpdateParams

from scripts.stripe_sim.account import Account, copied
from scripts.stripe_sim.balance import DISPUTE_FEE, book
from scripts.stripe_sim.clock import DAY
from scripts.stripe_sim.errors import invalid
from scripts.stripe_sim.metadata import merged
from scripts.stripe_sim.routes import Params, Route, listing, retrieving
from scripts.stripe_sim.store import Document

OPEN = frozenset({"needs_response", "under_review", "warning_needs_response", "warning_under_review"})
EVIDENCE = tuple(stripe.Dispute.Evidence.__annotations__)
RESPOND_WITHIN = 9 * DAY


def open_dispute(account: Account, charge: Document, reason: str = "fraudulent") -> Document:
    """The bank of the customer takes back what was not refunded."""
    amount = charge["amount_captured"] - charge["amount_refunded"]
    if not charge["captured"] or charge["disputed"] or amount <= 0:
        raise invalid(f"Charge {charge['id']} cannot be disputed.", "charge")
    dispute: Document = {
        "id": account.new_id("dp"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": account.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(EVIDENCE) | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": account.now + RESPOND_WITHIN,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "type": "card",
            "card": {
                "brand": "visa",
                "case_type": "chargeback",
                "network_reason_code": "10.4",
                "network": "visa",
            },
        },
        "reason": reason,
        "status": "needs_response",
    }
    charge["disputed"] = True
    account.save(charge)
    account.emit("charge.dispute.created", account.save(dispute))
    dispute["balance_transactions"] = [book(account, "adjustment", -amount, dispute, DISPUTE_FEE)]
    account.emit("charge.dispute.funds_withdrawn", account.save(dispute))
    return dispute


def close_dispute(account: Account, dispute: Document, status: str) -> Document:
    """Won or lost, for ever."""
    if dispute["status"] not in OPEN:
        raise invalid("This dispute is already closed", None, "dispute_already_closed")
    dispute["status"] = status
    if status == "won":
        returned = book(account, "adjustment", dispute["amount"], dispute)
        dispute["balance_transactions"].append(returned)
        account.emit("charge.dispute.funds_reinstated", account.save(dispute))
    account.emit("charge.dispute.closed", account.save(dispute))
    return dispute


def update(account: Account, params: Params, id_: str) -> Document:
    dispute = account.get("dispute", id_)
    if dispute["status"] not in OPEN:
        raise invalid("This dispute is already closed", None, "dispute_already_closed")
    before = copied(dispute)
    dispute["metadata"] = merged(dispute["metadata"], params.get("metadata"))
    if evidence := params.get("evidence"):
        _add_evidence(dispute, evidence)
    if params.get("submit", bool(params.get("evidence"))):
        dispute["status"] = "under_review"
        details = dispute["evidence_details"]
        details |= {"submission_count": details["submission_count"] + 1, "submission_method": "manual"}
    account.emit("charge.dispute.updated", account.save(dispute), before)
    return dispute


def _add_evidence(dispute: Document, evidence: dict[str, Any]) -> None:
    dispute["evidence"] |= evidence
    dispute["evidence_details"]["has_evidence"] = True


def close(account: Account, _: Params, id_: str) -> Document:
    """Accept the dispute: it is lost."""
    return close_dispute(account, account.get("dispute", id_), "lost")


ROUTES = (
    Route("GET", "/v1/disputes", listing("dispute", "/v1/disputes"), DisputeListParams),
    Route("GET", "/v1/disputes/{}", retrieving("dispute"), DisputeRetrieveParams),
    Route("POST", "/v1/disputes/{}", update, DisputeUpdateParams),
    Route("POST", "/v1/disputes/{}/close", close, DisputeCloseParams),
)
