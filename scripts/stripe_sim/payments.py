"""Payment intents over the API."""

from __future__ import annotations

from stripe.params._payment_intent_cancel_params import PaymentIntentCancelParams
from stripe.params._payment_intent_capture_params import PaymentIntentCaptureParams
from stripe.params._payment_intent_confirm_params import PaymentIntentConfirmParams
from stripe.params._payment_intent_create_params import PaymentIntentCreateParams
from stripe.params._payment_intent_list_params import PaymentIntentListParams
from stripe.params._payment_intent_retrieve_params import PaymentIntentRetrieveParams
from stripe.params._payment_intent_update_params import PaymentIntentUpdateParams

from scripts.stripe_sim import intents
from scripts.stripe_sim.account import Account
from scripts.stripe_sim.customers import live_customer
from scripts.stripe_sim.errors import invalid
from scripts.stripe_sim.metadata import merged
from scripts.stripe_sim.payment_methods import outcome_of, resolve
from scripts.stripe_sim.routes import Params, Route, listing, retrieving
from scripts.stripe_sim.store import Document
from scripts.stripe_sim.subscriptions import follow_intent

UPDATABLE = ("description", "receipt_email", "shipping", "setup_future_usage", "transfer_group")


def create(account: Account, params: Params) -> Document:
    if customer := params.get("customer"):
        live_customer(account, customer)
    described = params | {"metadata": merged({}, params.get("metadata"))}
    intent = intents.new_intent(account, params["amount"], params["currency"].lower(), described)
    if token := params.get("payment_method"):
        intent |= {"payment_method": resolve(account, token, "payment_method")["id"]}
        intent["status"] = "requires_confirmation"
        account.save(intent)
    return confirm(account, {}, intent["id"]) if params.get("confirm") else intent


def confirm(account: Account, params: Params, id_: str) -> Document:
    """A decline is an answer, not a failure of the request: the intent stays and says why."""
    intent = account.get("payment_intent", id_)
    token = params.get("payment_method") or intent["payment_method"]
    if intent["status"] not in intents.OPEN:
        raise intents.unexpected_state(intent, "confirm")
    if not token:
        message = "You cannot confirm this PaymentIntent because it's missing a payment method."
        raise invalid(message, "payment_method", "payment_intent_unexpected_state")
    method = resolve(account, token, "payment_method")
    intents.attempt(account, intent, method, outcome_of(account, method))
    follow_intent(account, intent)
    return intent


def update(account: Account, params: Params, id_: str) -> Document:
    intent = account.get("payment_intent", id_)
    if "amount" in params and intent["status"] not in intents.OPEN:
        raise intents.unexpected_state(intent, "update the amount of")
    intent |= {name: params[name] for name in ("amount", *UPDATABLE) if name in params}
    if token := params.get("payment_method"):
        intent |= {"payment_method": resolve(account, token, "payment_method")["id"]}
        intent["status"] = "requires_confirmation"
    intent["metadata"] = merged(intent["metadata"], params.get("metadata"))
    return account.save(intent)


def capture(account: Account, params: Params, id_: str) -> Document:
    return intents.capture(account, account.get("payment_intent", id_), params.get("amount_to_capture"))


def cancel(account: Account, params: Params, id_: str) -> Document:
    return intents.cancel(account, account.get("payment_intent", id_), params.get("cancellation_reason"))


_URL = "/v1/payment_intents"
ROUTES = (
    Route("POST", _URL, create, PaymentIntentCreateParams),
    Route("GET", _URL, listing("payment_intent", _URL), PaymentIntentListParams),
    Route("GET", f"{_URL}/{{}}", retrieving("payment_intent"), PaymentIntentRetrieveParams),
    Route("POST", f"{_URL}/{{}}", update, PaymentIntentUpdateParams),
    Route("POST", f"{_URL}/{{}}/confirm", confirm, PaymentIntentConfirmParams),
    Route("POST", f"{_URL}/{{}}/capture", capture, PaymentIntentCaptureParams),
    Route("POST", f"{_URL}/{{}}/cancel", cancel, PaymentIntentCancelParams),
)
