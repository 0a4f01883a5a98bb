"""Invoices: draft → open → paid, void or uncollectible; an uncollectible one may still be paid or voided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.stripe_sim import intents
from scripts.stripe_sim.account import Account, copied
from scripts.stripe_sim.errors import invalid
from scripts.stripe_sim.lists import listed
from scripts.stripe_sim.store import Document


@dataclass(frozen=True)
class Line:
    """What is billed."""

    amount: int
    description: str
    start: int
    end: int
    item: Document
    proration: bool = False


def new_invoice(account: Account, subscription: Document, reason: str, lines: Sequence[Line]) -> Document:
    """A draft for this subscription."""
    id_ = account.new_id("in")
    customer = account.get("customer", subscription["customer"])
    total = max(0, sum(line.amount for line in lines))
    details = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
    data = [_line(account, id_, subscription, line) for line in lines]
    invoice: Document = {
        "id": id_,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Groundwork",
        "account_tax_ids": None,
        "amount_due": total,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": 0,
        "amount_remaining": total,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": _no_tax(),
        "automatically_finalizes_at": None,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": account.now,
        "currency": subscription["currency"],
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": customer.get("address"),
        "customer_email": customer.get("email"),
        "customer_name": customer.get("name"),
        "customer_phone": customer.get("phone"),
        "customer_shipping": customer.get("shipping"),
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": listed(data, f"/v1/invoices/{id_}/lines"),
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": {"quote_details": None, "subscription_details": details, "type": "subscription_details"},
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": account.now,
        "period_start": min((line.start for line in lines), default=account.now),
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_details": None,
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "test_clock": None,
        "total": total,
        "total_discount_amounts": [],
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": account.now,
    }
    account.emit("invoice.created", account.save(invoice))
    return invoice


def subscription_of(invoice: Document) -> str:
    return str(invoice["parent"]["subscription_details"]["subscription"])


def finalize(account: Account, invoice: Document) -> Document:
    """From now on it can be paid and no longer be changed."""
    if invoice["status"] != "draft":
        raise invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    customer = account.get("customer", invoice["customer"])
    sequence = customer.get("next_invoice_sequence", 1)
    if not customer.get("deleted"):
        account.save(customer | {"next_invoice_sequence": sequence + 1})
    prefix = customer.get("invoice_prefix") or "INVOICE"
    invoice |= {"status": "open", "number": f"{prefix}-{sequence:04d}", "effective_at": account.now}
    invoice["ending_balance"] = 0
    invoice["status_transitions"]["finalized_at"] = account.now
    account.emit("invoice.finalized", account.save(invoice))
    return invoice


def attempt(account: Account, invoice: Document, method: Document | None, outcome: str) -> Document:
    """Try to collect; afterwards the invoice's status says how it went."""
    _require_status(invoice, {"open", "uncollectible"}, "pay")
    if invoice["amount_due"] == 0:
        return mark_paid(account, invoice)
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    if method is None:
        account.emit("invoice.payment_failed", account.save(invoice))
        return invoice
    return after_attempt(
        account, invoice, intents.attempt(account, _intent(account, invoice), method, outcome)
    )


def after_attempt(account: Account, invoice: Document, intent: Document) -> Document:
    """The invoice follows its payment intent."""
    if intent["status"] == "succeeded":
        return mark_paid(account, invoice)
    account.save(invoice)
    if intent["status"] == "requires_action":
        account.emit("invoice.payment_action_required", invoice)
    elif intent["status"] == "requires_payment_method":
        account.emit("invoice.payment_failed", invoice)
    return invoice


def mark_paid(account: Account, invoice: Document, *, out_of_band: bool = False) -> Document:
    """Paid is for ever."""
    amount = invoice["amount_due"]
    invoice |= {"status": "paid", "amount_remaining": 0, "next_payment_attempt": None, "attempted": True}
    invoice |= {"amount_paid_off_stripe": amount} if out_of_band else {"amount_paid": amount}
    invoice["status_transitions"]["paid_at"] = account.now
    account.unschedule("retry", invoice["id"])
    account.save(invoice)
    for payment in account.all("invoice_payment", invoice=invoice["id"]):
        if payment["status"] == "open" and not out_of_band:
            payment |= {"status": "paid", "amount_paid": amount}
            payment["status_transitions"]["paid_at"] = account.now
            account.emit("invoice_payment.paid", account.save(payment))
    account.emit("invoice.paid", invoice)
    account.emit("invoice.payment_succeeded", invoice)
    return invoice


def void(account: Account, invoice: Document) -> Document:
    """It was a mistake: nobody has to pay it."""
    _require_status(invoice, {"open", "uncollectible"}, "void")
    invoice |= {"status": "void", "next_payment_attempt": None}
    invoice["status_transitions"]["voided_at"] = account.now
    account.unschedule("retry", invoice["id"])
    _cancel_intent(account, invoice, "void_invoice")
    account.emit("invoice.voided", account.save(invoice))
    return invoice


def write_off(account: Account, invoice: Document) -> Document:
    """Nobody expects it to be paid any more."""
    _require_status(invoice, {"open"}, "mark as uncollectible")
    invoice |= {"status": "uncollectible", "next_payment_attempt": None}
    invoice["status_transitions"]["marked_uncollectible_at"] = account.now
    account.unschedule("retry", invoice["id"])
    account.emit("invoice.marked_uncollectible", account.save(invoice))
    return invoice


def retry_at(account: Account, invoice: Document, moment: int | None) -> None:
    """When it is tried again, or that it never is."""
    before = copied(invoice)
    invoice |= {"next_payment_attempt": moment, "auto_advance": moment is not None}
    account.save(invoice)
    account.unschedule("retry", invoice["id"])
    if moment is not None:
        account.schedule("retry", invoice["id"], moment)
    if invoice != before:
        account.emit("invoice.updated", invoice, before)


def payment_of(account: Account, invoice: Document) -> Document | None:
    """The payment intent that collects this invoice."""
    payments = account.all("invoice_payment", invoice=invoice["id"])
    return account.find("payment_intent", payments[-1]["payment"]["payment_intent"]) if payments else None


def _intent(account: Account, invoice: Document) -> Document:
    """The one that is still open, or a new one."""
    intent = payment_of(account, invoice)
    if intent and intent["status"] in intents.OPEN | {"processing"}:
        return intent
    described = {"customer": invoice["customer"], "description": "Subscription payment"}
    intent = intents.new_intent(account, invoice["amount_due"], invoice["currency"], described)
    account.note(intent["id"], invoice=invoice["id"])
    payment: Document = {
        "id": account.new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": invoice["amount_due"],
        "created": account.now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
    account.save(payment)
    return intent


def _cancel_intent(account: Account, invoice: Document, reason: str) -> None:
    intent = payment_of(account, invoice)
    if intent and intent["status"] in intents.CANCELABLE:
        intents.cancel(account, intent, reason)


def _line(account: Account, invoice: str, subscription: Document, line: Line) -> Document:
    price = line.item["price"]
    details = {
        "invoice_item": None,
        "proration": line.proration,
        "proration_details": None,
        "subscription": subscription["id"],
        "subscription_item": line.item["id"],
    }
    return {
        "id": account.new_id("il"),
        "object": "line_item",
        "amount": line.amount,
        "currency": subscription["currency"],
        "description": line.description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice,
        "livemode": False,
        "metadata": subscription["metadata"],
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": details,
            "type": "subscription_item_details",
        },
        "period": {"end": line.end, "start": line.start},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": line.item["quantity"],
        "quantity_decimal": str(line.item["quantity"]),
        "subscription": subscription["id"],
        "subtotal": line.amount,
        "taxes": [],
    }


def _no_tax() -> Document:
    return {"disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None}


def _require_status(invoice: Document, allowed: set[str], verb: str) -> None:
    if invoice["status"] not in allowed:
        raise invalid(f"You can't {verb} this invoice: its status is {invoice['status']}.")
