"""Customers."""

from __future__ import annotations

from stripe.params._customer_create_params import CustomerCreateParams
from stripe.params._customer_delete_params import CustomerDeleteParams
from stripe.params._customer_list_params import CustomerListParams
from stripe.params._customer_retrieve_params import CustomerRetrieveParams
from stripe.params._customer_update_params import CustomerUpdateParams

from scripts.stripe_sim.account import Account, copied
from scripts.stripe_sim.errors import missing
from scripts.stripe_sim.metadata import merged
from scripts.stripe_sim.payment_methods import attach, resolve
from scripts.stripe_sim.routes import Params, Route, listing, retrieving
from scripts.stripe_sim.store import Document
from scripts.stripe_sim.subscriptions import end_subscription, is_over

TEXTS = ("address", "description", "email", "name", "phone", "preferred_locales", "shipping", "tax_exempt")


def live_customer(account: Account, id_: str, param: str = "customer") -> Document:
    """The customer, unless it was deleted."""
    customer = account.get("customer", id_, param)
    if customer.get("deleted"):
        raise missing("customer", id_, param)
    return customer


def new_customer(account: Account, params: Params) -> Document:
    """Make a customer, with its event."""
    id_ = account.new_id("cus")
    customer: Document = {
        "id": id_,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": account.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": id_[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": merged({}, params.get("metadata")),
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    _fill(account, customer, params)
    account.emit("customer.created", account.save(customer))
    return customer


def _fill(account: Account, customer: Document, params: Params) -> None:
    for name in TEXTS:
        if name in params:
            customer[name] = params[name] or None
    if token := params.get("payment_method"):
        attach(account, resolve(account, token, "payment_method"), customer["id"])
    settings = params.get("invoice_settings") or {}
    if token := settings.get("default_payment_method"):
        method = resolve(account, token, "invoice_settings[default_payment_method]")
        customer["invoice_settings"]["default_payment_method"] = method["id"]


def create(account: Account, params: Params) -> Document:
    return new_customer(account, params)


def update(account: Account, params: Params, id_: str) -> Document:
    customer = live_customer(account, id_, "id")
    before = copied(customer)
    customer["metadata"] = merged(customer["metadata"], params.get("metadata"))
    _fill(account, customer, params)
    account.save(customer)
    if customer != before:
        account.emit("customer.updated", customer, before)
    return customer


def delete(account: Account, _: Params, id_: str) -> Document:
    """Ends its subscriptions at once."""
    customer = live_customer(account, id_, "id")
    for subscription in account.all("subscription", customer=id_):
        if not is_over(subscription):
            end_subscription(account, subscription, "cancellation_requested")
    account.emit("customer.deleted", customer)
    return account.save({"id": id_, "object": "customer", "deleted": True})


ROUTES = (
    Route("POST", "/v1/customers", create, CustomerCreateParams),
    Route("GET", "/v1/customers", listing("customer", "/v1/customers"), CustomerListParams),
    Route("GET", "/v1/customers/{}", retrieving("customer"), CustomerRetrieveParams),
    Route("POST", "/v1/customers/{}", update, CustomerUpdateParams),
    Route("DELETE", "/v1/customers/{}", delete, CustomerDeleteParams),
)
