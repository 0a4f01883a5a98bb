"""What comes in at /webhooks/stripe: only what Stripe signed a short while ago, once each."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from litestar.testing import TestClient
from litestar.types import ASGIApp

from tests.acting import World
from tests.edge.stripe_webhooks import ADDRESS, body_of, event, signed
from tests.stripe_sim.process import SECRET

Client = TestClient[ASGIApp]

OTHER_SECRET = "whsec_of_somebody_else"


def recorded(world: World) -> list[str]:
    return [row["id"] for row in world.as_dba("select id from billing.stripe_events order by id")]


def test_an_event_is_recorded_once_however_often_it_is_delivered(client: Client, world: World) -> None:
    body = body_of(event())
    answers = [client.post(ADDRESS, content=body, headers=signed(body)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["status"] for answer in answers] == ["ignored", "duplicate", "duplicate"]
    assert recorded(world) == ["evt_1"]
    metrics = client.get("/metrics").text
    assert 'edge_stripe_events_total{status="ignored"} 1.0' in metrics
    assert 'edge_stripe_events_total{status="duplicate"} 2.0' in metrics


FORGERIES: Sequence[dict[str, str]] = (
    {},
    {"stripe-signature": ""},
    {"stripe-signature": "t=,v1="},
    {"stripe-signature": "v1=" + "0" * 64},
    {"stripe-signature": "t=1790000000"},
    {"stripe-signature": "t=" + "9" * 5000 + ",v1=0"},
    {"stripe-signature": "t=1790000000,v0=" + "0" * 64},
    {"stripe-signature": "t=1790000000,v1=" + "0" * 64},
)


def test_what_stripe_did_not_sign_is_refused(client: Client, world: World) -> None:
    for headers in FORGERIES:
        refuses(client, world, body_of(event()), headers)


def test_a_signature_that_is_no_text_is_refused(client: Client, world: World) -> None:
    refuses(client, world, body_of(event()), [(b"stripe-signature", b"t=1790000000,v1=\xe9\xff")])


def test_a_signature_with_another_secret_is_refused(client: Client, world: World) -> None:
    body = body_of(event())
    refuses(client, world, body, signed(body, OTHER_SECRET))
    assert 'edge_stripe_events_total{status="refused"} 1.0' in client.get("/metrics").text


def test_an_old_delivery_cannot_be_replayed(client: Client, world: World) -> None:
    body = body_of(event())
    refuses(client, world, body, signed(body, age=301))
    assert client.post(ADDRESS, content=body, headers=signed(body, age=280)).status_code == 200


def test_a_signed_body_cannot_be_changed(client: Client, world: World) -> None:
    headers = signed(body_of(event()))
    refuses(client, world, body_of(event("evt_2")), headers)
    refuses(client, world, body_of(event()) + b" ", headers)
    refuses(client, world, b"\xff" + body_of(event()), headers)


def refuses(client: Client, world: World, body: bytes, headers: object) -> None:
    answer = client.post(ADDRESS, content=body, headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_signature")
    assert recorded(world) == []


class TestWhileTheSecretIsReplaced:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "STRIPE_WEBHOOK_SECRET": f"whsec_new,{SECRET}"}

    def test_both_count_alone_and_together(self, client: Client, world: World) -> None:
        for number, secrets in enumerate([(SECRET,), ("whsec_new",), (SECRET, "whsec_new")]):
            body = body_of(event(f"evt_{number}"))
            assert client.post(ADDRESS, content=body, headers=signed(body, *secrets)).status_code == 200
        assert len(recorded(world)) == 3
        body = body_of(event("evt_9"))
        assert client.post(ADDRESS, content=body, headers=signed(body, OTHER_SECRET)).status_code == 400


NO_EVENTS: Sequence[bytes] = (
    b"",
    b"null",
    b"[]",
    b"{",
    b'{"id": "evt_1"',
    b"{}",
    body_of({**event(), "id": None}),
    body_of({**event(), "id": 7}),
    body_of({**event(), "type": None}),
    body_of({**event(), "data": {}}),
    body_of({**event(), "data": {"object": []}}),
    b"[" * 500_000,
    b'{"a":' * 100_000,
    body_of(event()) + b"\0",
    body_of({**event(), "type": "\0"}),
    body_of(event()).replace(b"product.created", b"\\ud800"),
    body_of(event()).replace(b"1790000000", b"1e999999999"),
    body_of(event()).replace(b"1790000000", b"NaN"),
)


def test_what_is_no_event_is_refused_with_a_type_although_it_is_signed(client: Client, world: World) -> None:
    for body in NO_EVENTS:
        answer = client.post(ADDRESS, content=body, headers=signed(body))
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), body[:300]
    assert recorded(world) == []


def test_strange_but_sound_json_is_taken_as_postgres_reads_it(client: Client, world: World) -> None:
    thing = {"id": "prod_\u00e9", "object": "product", "weight": 7}
    text = json.dumps(event(data={"object": thing})).replace("7}", "7" * 400 + "}")
    body = text.replace('"livemode": false', '"livemode": true, "livemode": false').encode()
    assert client.post(ADDRESS, content=body, headers=signed(body)).status_code == 200
    assert recorded(world) == ["evt_1"]


def test_a_body_beyond_the_limit_is_not_even_verified(client: Client, world: World) -> None:
    for size in (1_048_577, 10_000_000):
        body = body_of(event()) + b" " * size
        answer = client.post(ADDRESS, content=body, headers=signed(body))
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert recorded(world) == []


def test_without_the_database_stripe_is_asked_to_come_again(client: Client, world: World) -> None:
    body = body_of(event())
    world.as_dba("revoke execute on function edge.receive_stripe_event(jsonb) from edge_service")
    answer = client.post(ADDRESS, content=body, headers=signed(body))
    assert answer.status_code >= 400
    assert recorded(world) == []
    world.as_dba("grant execute on function edge.receive_stripe_event(jsonb) to edge_service")
    assert client.post(ADDRESS, content=body, headers=signed(body)).json() == {"status": "ignored"}
