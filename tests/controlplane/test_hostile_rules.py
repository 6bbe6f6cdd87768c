"""Rules of custom resources that are made to take long, or all memory: they cost their own object only."""

import asyncio
import time
from typing import Any

import pytest
from controlplane_client import Api
from test_crds import WIDGETS, crd, serve, widget

from afflux.controlplane.structural.nodes import read_schema
from afflux.controlplane.structural.rule_cost import is_cheap

DOUBLED = "[self.text]" + ".map(x, x + x)" * 25 + "[0].size() > 0"
REPLACED = "self.text.replace('a', self.text)" + ".replace('a', self.text)" * 6 + ".size() > 0"
SPLIT = "self.text.split('').all(x, self.text.split('').exists(y, y > x))"
OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


def ruled(rule: str, **more: Any) -> Any:
    return {
        "type": "object",
        "properties": {"text": {"type": "string"}, "numbers": {"type": "array", "items": {"type": "integer"}}},
        "x-kubernetes-validations": [{"rule": rule, "message": "does not hold", **more}],
    }


@pytest.mark.parametrize("rule", [DOUBLED, REPLACED])
async def test_a_rule_that_takes_all_it_can_get_refuses_its_object_and_holds_up_nobody(api: Api, rule: str) -> None:
    await serve(api, crd(spec_schema=ruled(rule)))
    hostile = asyncio.ensure_future(api.post(WIDGETS, widget({"text": "a" * 5000})))
    slowest = 0.0
    while not hostile.done():
        started = time.monotonic()
        assert (await api.get("/api/v1/namespaces/default")).status == 200
        slowest = max(slowest, time.monotonic() - started)
    assert slowest < 1
    refused = await hostile
    assert (refused.status, refused.json["reason"]) == (422, "Invalid")
    assert OUT_OF_BUDGET in refused.json["message"]
    assert (await api.post(WIDGETS, widget({"text": "b"}, "next"))).status in (201, 422)


async def test_a_rule_that_is_evaluated_elsewhere_says_the_same(api: Api) -> None:
    rule = "self.numbers.all(x, self.numbers.exists(y, y >= x && self.text.matches('a+')))"
    await serve(api, crd(spec_schema=ruled(rule, messageExpression="'not for ' + self.text")))
    numbers = list(range(90))
    made = await api.post(WIDGETS, {**widget({"text": "aa", "numbers": numbers}), "metadata": {"generateName": "w-"}})
    assert (made.status, made.json["metadata"]["name"][:2]) == (201, "w-")
    refused = await api.post(WIDGETS, widget({"text": "b", "numbers": numbers}, "bad"))
    assert (refused.status, refused.json["message"]) == (
        422,
        'Widget.example.com "bad" is invalid: spec: Invalid value: not for b',
    )


async def test_writes_that_wait_for_their_rules_are_not_lost(api: Api) -> None:
    rule = "self.numbers.all(x, self.numbers.all(y, x + y >= 0 || self.numbers.size() < int(self.text)))"
    await serve(api, crd(spec_schema=ruled(rule)))
    assert (await api.post(WIDGETS, widget({"text": "1", "numbers": list(range(80))}))).status == 201
    changes = (api.patch(f"{WIDGETS}/w", {"metadata": {"labels": {f"l{n}": "1"}}}) for n in range(4))
    assert {answer.status for answer in await asyncio.gather(*changes)} == {200}
    assert len((await api.get(f"{WIDGETS}/w")).json["metadata"]["labels"]) == 4


async def test_a_rule_over_too_many_items_is_a_warning(api: Api) -> None:
    await serve(api, crd(spec_schema=ruled("self.numbers.all(x, self.numbers.all(y, x + y >= 0))")))
    made = await api.post(WIDGETS, widget({"numbers": list(range(200))}))
    assert made.status == 201
    assert "validation rule not evaluated" in made.headers["Warning"]


@pytest.mark.parametrize(
    ("rule", "value", "cheap"),
    [
        ("self.size <= 10 || self.color == 'green'", {"size": 3, "color": "red"}, True),
        ("self.all(x, x.matches('^[a-z]+$'))", ["name"] * 20, True),
        ("self.all(x, self.exists_one(y, y.name == x.name))", [{"name": f"n{n}"} for n in range(20)], True),
        ("self.all(x, self.exists_one(y, y.name == x.name))", [{"name": f"n{n}"} for n in range(500)], False),
        ("self == oldSelf", "x" * 100_000, True),
        (DOUBLED, {"text": "a"}, False),
        (REPLACED, {"text": "a" * 500}, False),
        (SPLIT, {"text": "a" * 5000}, False),
        (" || ".join(["self.a == self.a + self.a"] * 500), {"a": "x" * 100_000}, False),
    ],
)
def test_ordinary_rules_about_small_values_are_evaluated_at_once(rule: str, value: Any, cheap: bool) -> None:
    node = read_schema({"x-kubernetes-validations": [{"rule": rule}]})
    assert is_cheap(node, value, None) is cheap
