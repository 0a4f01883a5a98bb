"""Payment methods: cards and bank accounts that behave as their token or the person at the pay page says."""

from __future__ import annotations

from collections.abc import Mapping

from stripe.params._payment_method_attach_params import PaymentMethodAttachParams
from stripe.params._payment_method_detach_params import PaymentMethodDetachParams
from stripe.params._payment_method_list_params import PaymentMethodListParams
from stripe.params._payment_method_retrieve_params import PaymentMethodRetrieveParams

from scripts.stripe_sim.account import Account
from scripts.stripe_sim.errors import invalid
from scripts.stripe_sim.routes import Params, Route, listing, retrieving
from scripts.stripe_sim.store import Document

SUCCEED, AUTHENTICATE, PROCESSING = "succeed", "authenticate", "processing"
"""What an attempt to pay comes to; any other text is the code of a decline."""

TOKENS: Mapping[str, str] = {
    "pm_card_visa": SUCCEED,
    "pm_card_mastercard": SUCCEED,
    "pm_card_authenticationRequired": AUTHENTICATE,
    "pm_card_chargeCustomerFail": "generic_decline",
    "pm_card_visa_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_usBankAccount": PROCESSING,
}
SHOWN = (
    "brand",
    "checks",
    "country",
    "exp_month",
    "exp_year",
    "fingerprint",
    "funding",
    "last4",
    "regulated_status",
)
"""What a charge shows of a card."""
LAST4: Mapping[str, str] = {
    SUCCEED: "4242",
    AUTHENTICATE: "3155",
    PROCESSING: "6789",
    "generic_decline": "0341",
}


def no_address() -> Document:
    return dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def billing_details(email: str | None = None, name: str | None = None) -> Document:
    return {"address": no_address(), "email": email, "name": name, "phone": None, "tax_id": None}


def new_method(
    account: Account, outcome: str, *, email: str | None = None, name: str | None = None
) -> Document:
    """A payment method; `outcome` is what becomes of charges to it."""
    id_ = account.new_id("pm")
    kind = "us_bank_account" if outcome == PROCESSING else "card"
    method: Document = {
        "id": id_,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": billing_details(email, name),
        "created": account.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": kind,
        kind: _bank_account() if kind == "us_bank_account" else _card(LAST4.get(outcome, "0002")),
    }
    account.note(id_, outcome=outcome)
    return account.save(method)


def resolve(account: Account, token: str, param: str) -> Document:
    """The payment method of this id; one of Stripe's test tokens makes a new one."""
    if token in TOKENS:
        return new_method(account, TOKENS[token])
    return account.get("payment_method", token, param)


def outcome_of(account: Account, method: Document) -> str:
    return str(account.notes(method["id"]).get("outcome", SUCCEED))


def attach(account: Account, method: Document, customer: str) -> Document:
    """Keep it with the customer for later charges."""
    if method["customer"] == customer:
        return method
    if method["customer"]:
        message = "The payment method you provided has already been attached to a customer."
        raise invalid(message, "payment_method")
    method["customer"] = customer
    account.emit("payment_method.attached", account.save(method))
    return method


def detach(account: Account, method: Document) -> Document:
    method["customer"] = None
    account.emit("payment_method.detached", account.save(method))
    return method


def attach_operation(account: Account, params: Params, id_: str) -> Document:
    return attach(
        account, resolve(account, id_, "id"), account.get("customer", params["customer"], "customer")["id"]
    )


def detach_operation(account: Account, _: Params, id_: str) -> Document:
    return detach(account, account.get("payment_method", id_))


def charge_details(method: Document) -> Document:
    """What a charge shows of the method that it was made to."""
    if method["type"] == "us_bank_account":
        return {"type": "us_bank_account", "us_bank_account": _bank_details()}
    card = method["card"]
    unavailable = {"status": "unavailable"}
    extra = {
        "amount_authorized": None,
        "authorization_code": None,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": unavailable,
        "installments": None,
        "mandate": None,
        "multicapture": unavailable,
        "network": "visa",
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": unavailable | {"maximum_amount_capturable": 0},
        "three_d_secure": None,
        "transaction_link_id": None,
        "wallet": None,
    }
    return {"type": "card", "card": {name: card[name] for name in SHOWN} | extra}


def _card(last4: str) -> Document:
    return {
        "brand": "visa",
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "display_brand": "visa",
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": f"fingerprint{last4}",
        "funding": "credit",
        "generated_from": None,
        "last4": last4,
        "networks": {"available": ["visa"], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def _bank_account() -> Document:
    return {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": "fingerprint6789",
        "last4": "6789",
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": None,
    }


def _bank_details() -> Document:
    shown = ("account_holder_type", "account_type", "bank_name", "fingerprint", "last4", "routing_number")
    return {name: _bank_account()[name] for name in shown} | {"mandate": None, "payment_reference": None}


ROUTES = (
    Route(
        "GET",
        "/v1/payment_methods",
        listing("payment_method", "/v1/payment_methods"),
        PaymentMethodListParams,
    ),
    Route("GET", "/v1/payment_methods/{}", retrieving("payment_method"), PaymentMethodRetrieveParams),
    Route("POST", "/v1/payment_methods/{}/attach", attach_operation, PaymentMethodAttachParams),
    Route("POST", "/v1/payment_methods/{}/detach", detach_operation, PaymentMethodDetachParams),
)
