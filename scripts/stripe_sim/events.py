"""Events over the API: thirty days of them."""

from __future__ import annotations

from fnmatch import fnmatch

from stripe.params._event_list_params import EventListParams
from stripe.params._event_retrieve_params import EventRetrieveParams

from scripts.stripe_sim.account import Account, copied
from scripts.stripe_sim.deliveries import RETENTION
from scripts.stripe_sim.errors import missing
from scripts.stripe_sim.lists import page_of
from scripts.stripe_sim.routes import Params, Route
from scripts.stripe_sim.store import Document


def retrieve(account: Account, _: Params, id_: str) -> Document:
    event = account.get("event", id_)
    if event["created"] < account.now - RETENTION:
        raise missing("event", id_)
    return _shown(account, event)


def list_(account: Account, params: Params) -> Document:
    kinds = params.get("types") or ([params["type"]] if "type" in params else ["*"])
    oldest = account.now - RETENTION
    success = params.get("delivery_success")

    def fits(event: Document) -> bool:
        known = event["created"] >= oldest and any(fnmatch(event["type"], kind) for kind in kinds)
        return known and (success is None or _arrived(account, event) == success)

    page = page_of(account, "event", params, "/v1/events", fits)
    return page | {"data": [_shown(account, event) for event in page["data"]]}


def _arrived(account: Account, event: Document) -> bool:
    ended = account.all("delivered", event=event["id"])
    lost = any(delivery["outcome"] != "delivered" for delivery in ended)
    return not lost and not account.all("pending", event=event["id"])


def _shown(account: Account, event: Document) -> Document:
    waiting = len(account.all("pending", event=event["id"]))
    return copied(event) | {"pending_webhooks": min(1, waiting)}


ROUTES = (
    Route("GET", "/v1/events", list_, EventListParams),
    Route("GET", "/v1/events/{}", retrieve, EventRetrieveParams),
)
