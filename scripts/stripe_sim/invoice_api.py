"""Invoices and their payments over the API."""

from __future__ import annotations

from stripe.params._invoice_finalize_invoice_params import InvoiceFinalizeInvoiceParams
from stripe.params._invoice_line_item_list_params import InvoiceLineItemListParams
from stripe.params._invoice_list_params import InvoiceListParams
from stripe.params._invoice_mark_uncollectible_params import InvoiceMarkUncollectibleParams
from stripe.params._invoice_pay_params import InvoicePayParams
from stripe.params._invoice_payment_list_params import InvoicePaymentListParams
from stripe.params._invoice_payment_retrieve_params import InvoicePaymentRetrieveParams
from stripe.params._invoice_retrieve_params import InvoiceRetrieveParams
from stripe.params._invoice_update_params import InvoiceUpdateParams
from stripe.params._invoice_void_invoice_params import InvoiceVoidInvoiceParams

from scripts.stripe_sim import invoices
from scripts.stripe_sim.account import Account, copied
from scripts.stripe_sim.errors import ApiError, card_declined, invalid
from scripts.stripe_sim.lists import PAGING, page_among, page_of
from scripts.stripe_sim.metadata import merged
from scripts.stripe_sim.payment_methods import outcome_of, resolve
from scripts.stripe_sim.routes import Params, Route, retrieving
from scripts.stripe_sim.store import Document
from scripts.stripe_sim.subscriptions import follow, method_of


class Declined(Exception):
    """The invoice could not be paid; what happened on the way is kept."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(str(error))
        self.error = error


def list_(account: Account, params: Params) -> Document:
    wanted = {name: value for name, value in params.items() if name not in PAGING}
    subscription = wanted.pop("subscription", None)
    references = {"customer": wanted["customer"]} if "customer" in wanted else {}

    def fits(invoice: Document) -> bool:
        same = all(invoice.get(name) == value for name, value in wanted.items())
        return same and subscription in (None, invoices.subscription_of(invoice))

    return page_of(account, "invoice", params, "/v1/invoices", fits, **references)


def list_lines(account: Account, params: Params, id_: str) -> Document:
    return page_among(account.get("invoice", id_)["lines"]["data"], params, f"/v1/invoices/{id_}/lines")


def update(account: Account, params: Params, id_: str) -> Document:
    invoice = account.get("invoice", id_)
    before = copied(invoice)
    invoice["metadata"] = merged(invoice["metadata"], params.get("metadata"))
    invoice |= {name: params[name] for name in ("auto_advance", "description") if name in params}
    if invoice != before:
        account.emit("invoice.updated", account.save(invoice), before)
    return invoice


def pay(account: Account, params: Params, id_: str) -> Document:
    """Now, also while dunning waits."""
    invoice = account.get("invoice", id_)
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid")
    if invoice["status"] == "draft":
        invoices.finalize(account, invoice)
    subscription = account.get("subscription", invoices.subscription_of(invoice))
    if params.get("paid_out_of_band"):
        invoices.mark_paid(account, invoice, out_of_band=True)
        follow(account, subscription, invoice)
        return invoice
    token = params.get("payment_method")
    method = resolve(account, token, "payment_method") if token else method_of(account, subscription)
    if method is None:
        raise invalid("There is no payment method to charge this invoice to.")
    invoices.attempt(account, invoice, method, outcome_of(account, method))
    follow(account, subscription, invoice)
    if invoice["status"] not in {"paid", "uncollectible"}:
        intent = invoices.payment_of(account, invoice) or {}
        problem = intent.get("last_payment_error") or {}
        if problem:
            raise Declined(card_declined(problem["decline_code"], problem["charge"], copied(intent)))
    return invoice


def finalize(account: Account, _: Params, id_: str) -> Document:
    return invoices.finalize(account, account.get("invoice", id_))


def void(account: Account, _: Params, id_: str) -> Document:
    return invoices.void(account, account.get("invoice", id_))


def write_off(account: Account, _: Params, id_: str) -> Document:
    return invoices.write_off(account, account.get("invoice", id_))


def list_payments(account: Account, params: Params) -> Document:
    references = {"invoice": params["invoice"]} if "invoice" in params else {}
    intent = (params.get("payment") or {}).get("payment_intent")

    def fits(payment: Document) -> bool:
        same = params.get("status") in (None, payment["status"])
        return same and intent in (None, payment["payment"]["payment_intent"])

    return page_of(account, "invoice_payment", params, "/v1/invoice_payments", fits, **references)


_ONE = "/v1/invoices/{}"
ROUTES = (
    Route("GET", "/v1/invoices", list_, InvoiceListParams),
    Route("GET", _ONE, retrieving("invoice"), InvoiceRetrieveParams),
    Route("POST", _ONE, update, InvoiceUpdateParams),
    Route("GET", f"{_ONE}/lines", list_lines, InvoiceLineItemListParams),
    Route("POST", f"{_ONE}/pay", pay, InvoicePayParams),
    Route("POST", f"{_ONE}/finalize", finalize, InvoiceFinalizeInvoiceParams),
    Route("POST", f"{_ONE}/void", void, InvoiceVoidInvoiceParams),
    Route("POST", f"{_ONE}/mark_uncollectible", write_off, InvoiceMarkUncollectibleParams),
    Route("GET", "/v1/invoice_payments", list_payments, InvoicePaymentListParams),
    Route("GET", "/v1/invoice_payments/{}", retrieving("invoice_payment"), InvoicePaymentRetrieveParams),
)
