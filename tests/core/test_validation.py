"""What clients may write into a line of text, an address, a JSON object."""

import json
import unicodedata

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.acting import World, refused

HIDDEN = {0x00AD, 0x061C, 0x115F, 0x1160, 0x180E, 0x200B, 0x200E, 0x200F, 0x3164, 0xFEFF, 0xFFA0}
HIDDEN |= {*range(0x2028, 0x202F), *range(0x2060, 0x2070), *range(0xE0000, 0xE0080)}
SUSPICIOUS = (
    " \u00a0\u1680\u2003\u202f\u205f\u3000\u200b\u200c\u200d\u2060\u061ca\n"
    "\u00ad\u115f\u1160\u180e\u3164\uffa0\U000e0041"
)
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"  # written with a zero-width non-joiner
BLANK = {0x200C, 0x200D}
PER_WORLD = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)


def _is_one_line(text: str, max_length: int) -> bool:
    nothing_hidden = all(unicodedata.category(c) != "Cc" and ord(c) not in HIDDEN for c in text)
    something_visible = any(unicodedata.category(c) != "Zs" and ord(c) not in BLANK for c in text)
    return len(text) <= max_length and nothing_hidden and something_visible


@PER_WORLD
@given(
    text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
    | st.text(st.sampled_from(SUSPICIOUS))
)
def test_one_line_means_the_same_to_the_database_as_to_unicode(world: World, text: str) -> None:
    row = world.as_dba("select core.is_one_line(%s, 20) as ok", text)[0]
    assert row["ok"] == _is_one_line(text, 20)


def test_names_of_the_world_are_names(world: World) -> None:
    ada = world.person("ada")
    for name in (
        PERSIAN,
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 family",
        "नमस्ते",
        "山田 太郎",
        "O'Brien; --",
    ):
        assert ada.row("select name from create_organization(%s)", name) == {"name": name}
    assert world.person("niki", metadata={"name": PERSIAN}).row("select name from profiles") == {
        "name": PERSIAN
    }


def test_a_refusal_names_the_field_and_the_rule(world: World) -> None:
    caller = world.person("ada")
    for name in ("", "   ", "two\nlines", "bell\a", "\u202egnp.exe", "x" * 201, "x" * 3_000_000):
        with refused("validation_failed", field="name"):
            caller.rows("select create_organization(%s)", name)
    assert world.as_dba("select count(*) from public.organizations") == [{"count": 0}]


def test_addresses(world: World) -> None:
    good = ("ada@example.com", "a.b+c@sub.example.co.uk", "müller@exämple.de")
    bad = (
        "",
        "ada",
        "Ada@example.com",
        "a@b",
        "a b@c.de",
        "a@b.c\r\nBcc: x@y.z",
        "a@@b.cd",
        "<a@b.cd>",
        "x" * 320 + "@b.cd",
    )
    for address, expected in [(a, True) for a in good] + [(a, False) for a in bad]:
        assert world.as_dba("select core.is_email(%s) as ok", address) == [{"ok": expected}], address


def test_small_objects(world: World) -> None:
    cases = [
        ({}, True),
        ({"a": [1, {"b": None}]}, True),
        ([], False),
        ("x", False),
        (None, False),
        ({"a": "x" * 70_000}, False),
    ]
    for value, expected in cases:
        assert world.as_dba("select core.is_small_object(%s, 65536) as ok", json.dumps(value)) == [
            {"ok": expected}
        ]
