"""Products and their prices."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from stripe.params._price_create_params import PriceCreateParams
from stripe.params._price_list_params import PriceListParams
from stripe.params._price_retrieve_params import PriceRetrieveParams
from stripe.params._price_update_params import PriceUpdateParams
from stripe.params._product_create_params import ProductCreateParams
from stripe.params._product_delete_params import ProductDeleteParams
from stripe.params._product_list_params import ProductListParams
from stripe.params._product_retrieve_params import ProductRetrieveParams
from stripe.params._product_update_params import ProductUpdateParams

from scripts.stripe_sim.account import Account, copied
from scripts.stripe_sim.errors import invalid, missing
from scripts.stripe_sim.lists import PAGING, page_of
from scripts.stripe_sim.metadata import merged
from scripts.stripe_sim.routes import Params, Route, retrieving
from scripts.stripe_sim.store import Document

PRODUCT_FIELDS = (
    "active",
    "description",
    "images",
    "name",
    "shippable",
    "statement_descriptor",
    "unit_label",
)
CURRENCIES = frozenset(
    [
        "aud",
        "brl",
        "cad",
        "chf",
        "czk",
        "dkk",
        "eur",
        "gbp",
        "hkd",
        "jpy",
        "mxn",
        "nok",
        "nzd",
        "pln",
        "sek",
        "sgd",
        "usd",
    ]
)


def live_product(account: Account, id_: str, param: str = "id") -> Document:
    product = account.get("product", id_, param)
    if product.get("deleted"):
        raise missing("product", id_, param)
    return product


def new_product(account: Account, params: Params) -> Document:
    """Make a product, with its event."""
    id_ = params.get("id") or account.new_id("prod")
    if account.find("product", id_):
        raise invalid(f"Product already exists: {id_}", "id", "resource_already_exists")
    product: Document = {
        "id": id_,
        "object": "product",
        "active": True,
        "created": account.now,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": params.get("marketing_features") or [],
        "metadata": merged({}, params.get("metadata")),
        "name": None,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": params.get("tax_code"),
        "type": params.get("type", "service"),
        "unit_label": None,
        "updated": account.now,
        "url": params.get("url"),
    }
    product |= {name: params[name] for name in PRODUCT_FIELDS if name in params}
    account.emit("product.created", account.save(product))
    if data := params.get("default_price_data"):
        product["default_price"] = new_price(account, data | {"product": id_})["id"]
        account.save(product)
    return product


def create_product(account: Account, params: Params) -> Document:
    return new_product(account, params)


def update_product(account: Account, params: Params, id_: str) -> Document:
    product = live_product(account, id_)
    before = copied(product)
    product |= {name: params[name] or None for name in ("default_price", "tax_code", "url") if name in params}
    product |= {name: params[name] for name in PRODUCT_FIELDS if name in params}
    product["metadata"] = merged(product["metadata"], params.get("metadata"))
    if product != before:
        product["updated"] = account.now
        account.emit("product.updated", account.save(product), before)
    return product


def delete_product(account: Account, _: Params, id_: str) -> Document:
    product = live_product(account, id_)
    if account.all("price", product=id_):
        message = "This product cannot be deleted because it has one or more user-created prices."
        raise invalid(message)
    account.emit("product.deleted", product)
    return account.save({"id": id_, "object": "product", "deleted": True})


def list_products(account: Account, params: Params) -> Document:

    def fits(product: Document) -> bool:
        named = product["id"] in params.get("ids", [product["id"]])
        return named and params.get("active") in (None, product["active"])

    return page_of(account, "product", params, "/v1/products", fits)


def new_price(account: Account, params: Params) -> Document:
    """Make a price, with its event, and its product if that is described in place."""
    if data := params.get("product_data"):
        product = new_product(account, data)
    else:
        product = live_product(account, _named(params, "product"), "product")
    currency = params["currency"].lower()
    if currency not in CURRENCIES:
        raise invalid(f"Invalid currency: {currency}.", "currency")
    amount, decimal = _amount(params)
    price: Document = {
        "id": account.new_id("price"),
        "object": "price",
        "active": params.get("active", True),
        "billing_scheme": "per_unit",
        "created": account.now,
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": params.get("lookup_key"),
        "metadata": merged({}, params.get("metadata")),
        "nickname": params.get("nickname"),
        "product": product["id"],
        "recurring": _recurring(params.get("recurring")),
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if params.get("recurring") else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": decimal,
    }
    account.emit("price.created", account.save(price))
    return price


def create_price(account: Account, params: Params) -> Document:
    _claim_lookup_key(account, params)
    return new_price(account, params)


def update_price(account: Account, params: Params, id_: str) -> Document:
    """What a price costs never changes; whoever wants another amount makes another price."""
    price = account.get("price", id_)
    before = copied(price)
    _claim_lookup_key(account, params)
    price |= {name: params[name] for name in ("active", "tax_behavior") if name in params}
    price |= {name: params[name] or None for name in ("nickname", "lookup_key") if name in params}
    price["metadata"] = merged(price["metadata"], params.get("metadata"))
    if price != before:
        account.emit("price.updated", account.save(price), before)
    return price


def list_prices(account: Account, params: Params) -> Document:
    wanted = {name: value for name, value in params.items() if name not in PAGING}
    keys, recurring = wanted.pop("lookup_keys", None), wanted.pop("recurring", {})
    references = {"product": wanted["product"]} if "product" in wanted else {}

    def fits(price: Document) -> bool:
        same = all(price.get(name) == value for name, value in wanted.items())
        rhythm = all((price["recurring"] or {}).get(name) == value for name, value in recurring.items())
        return same and rhythm and (keys is None or price["lookup_key"] in keys)

    return page_of(account, "price", params, "/v1/prices", fits, **references)


def _named(params: Params, name: str) -> str:
    if name not in params:
        raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
    return str(params[name])


def _amount(params: Params) -> tuple[int | None, str | None]:
    if "unit_amount" in params:
        amount = int(params["unit_amount"])
        if amount < 0:
            raise invalid("Invalid non-negative integer", "unit_amount", "parameter_invalid_integer")
        return amount, str(amount)
    decimal = Decimal(_named(params, "unit_amount_decimal"))
    return int(decimal) if decimal == int(decimal) else None, str(decimal)


def _recurring(data: dict[str, Any] | None) -> Document | None:
    if not data:
        return None
    return {
        "interval": data["interval"],
        "interval_count": data.get("interval_count", 1),
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def _claim_lookup_key(account: Account, params: Params) -> None:
    key = params.get("lookup_key")
    if not key:
        return
    for other in account.all("price"):
        if other["lookup_key"] == key:
            if not params.get("transfer_lookup_key"):
                message = f"A price (`{other['id']}`) already uses that lookup key."
                raise invalid(message, "lookup_key", "resource_already_exists")
            account.save(other | {"lookup_key": None})


ROUTES = (
    Route("POST", "/v1/products", create_product, ProductCreateParams),
    Route("GET", "/v1/products", list_products, ProductListParams),
    Route("GET", "/v1/products/{}", retrieving("product"), ProductRetrieveParams),
    Route("POST", "/v1/products/{}", update_product, ProductUpdateParams),
    Route("DELETE", "/v1/products/{}", delete_product, ProductDeleteParams),
    Route("POST", "/v1/prices", create_price, PriceCreateParams),
    Route("GET", "/v1/prices", list_prices, PriceListParams),
    Route("GET", "/v1/prices/{}", retrieving("price"), PriceRetrieveParams),
    Route("POST", "/v1/prices/{}", update_price, PriceUpdateParams),
)
