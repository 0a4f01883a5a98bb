"""What tests and developers ask of the stand-in itself, as JSON under `/_sim`.

GET  /_sim/health           it is there
GET  /_sim/calls            its own count: every call, and the totals of what was worked
POST /_sim/faults {how, times?, provider?, contains?, seconds?, after?, retry_after?, usage?}
                            the next calls go wrong: see `faults.How`
POST /_sim/faults/clear     … no longer; what hangs is answered
PUT  /_sim/adversary {seed, likely: {how: share}, seconds?, retry_after?}
                            what no order strikes goes wrong by chance
POST /_sim/reset            forget calls and faults
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import get, post, put

from scripts.ai_sim.faults import Adversary, Fault
from scripts.ai_sim.simulator import Simulator


def encoded(body: Any) -> bytes:
    return msgspec.json.encode(body)


@get("/_sim/health", sync_to_thread=False)
def health() -> dict[str, bool]:
    return {"ok": True}


@get("/_sim/calls", sync_to_thread=False)
def calls(simulator: Simulator) -> dict[str, Any]:
    log = simulator.calls
    return {
        "calls": list(log.all),
        "totals": log.totals(),
        "under_way": log.under_way,
        "most_at_once": log.most_at_once,
        "waiting": simulator.faults.waiting,
    }


@post("/_sim/faults", status_code=200)
async def order_fault(simulator: Simulator, data: Fault) -> Fault:
    simulator.faults.order(data)
    return data


@post("/_sim/faults/clear", status_code=200)
async def clear_faults(simulator: Simulator) -> dict[str, bool]:
    simulator.faults.clear()
    return {"ok": True}


@put("/_sim/adversary")
async def set_adversary(simulator: Simulator, data: Adversary) -> Adversary:
    simulator.faults.adversary = data
    return data


@post("/_sim/reset", status_code=200)
async def reset(simulator: Simulator) -> dict[str, bool]:
    simulator.reset()
    return {"ok": True}


HANDLERS = (health, calls, order_fault, clear_faults, set_adversary, reset)
