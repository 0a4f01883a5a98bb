"""Events in the shapes of the API before 2025-03-31: periods and intents stood elsewhere."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence

from scripts.stripe_sim.store import Document


def as_before(events: Sequence[Document], intents: Mapping[str, str]) -> Iterator[Document]:
    """The events; `intents` says which payment intent paid an invoice, as its payments say today."""
    for event in events:
        if event["type"].startswith("invoice_payment."):
            continue
        changed = copy.deepcopy(event)
        thing = changed["data"]["object"]
        if thing["object"] == "subscription":
            item = thing["items"]["data"][0]
            thing |= {name: item.pop(name) for name in ("current_period_start", "current_period_end")}
        elif thing["object"] == "invoice":
            thing["subscription"] = thing.pop("parent")["subscription_details"]["subscription"]
            thing["payment_intent"] = intents.get(thing["id"])
        yield changed
