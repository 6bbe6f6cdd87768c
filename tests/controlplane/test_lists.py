"""Lists: selectors, pages, forms, versions."""

from typing import Any

CONFIG_MAPS = "/api/v1/namespaces/lists/configmaps"
PARTIAL = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def filled(api: Any, count: int = 5) -> None:
    assert (await api.post("/api/v1/namespaces", {"metadata": {"name": "lists"}})).status == 201
    for number in range(count):
        body = {"metadata": {"name": f"l{number}", "labels": {"even": str(number % 2 == 0).lower()}}}
        assert (await api.post(CONFIG_MAPS, body)).status == 201


def names(reply: Any) -> list[str]:
    return [item["metadata"]["name"] for item in reply.json["items"] if item["metadata"]["name"].startswith("l")]


async def test_pages_are_of_the_state_that_the_first_one_saw(api: Any) -> None:
    await filled(api)
    first = await api.get(f"{CONFIG_MAPS}?limit=2&labelSelector=even")
    assert names(first) == ["l0", "l1"]
    await api.delete(f"{CONFIG_MAPS}/l3")
    await api.post(CONFIG_MAPS, {"metadata": {"name": "l9", "labels": {"even": "new"}}})
    token = first.json["metadata"]["continue"]
    rest = await api.get(f"{CONFIG_MAPS}?limit=9&labelSelector=even&continue={token}")
    assert names(rest) == ["l2", "l3", "l4"]
    assert rest.json["metadata"]["resourceVersion"] == first.json["metadata"]["resourceVersion"]


async def test_remaining_items_are_counted_without_selectors_only(api: Any) -> None:
    await filled(api)
    assert (await api.get(f"{CONFIG_MAPS}?limit=1")).json["metadata"]["remainingItemCount"] >= 4
    assert "remainingItemCount" not in (await api.get(f"{CONFIG_MAPS}?limit=1&labelSelector=even")).json["metadata"]


async def test_selectors_choose(api: Any) -> None:
    await filled(api)
    assert names(await api.get(f"{CONFIG_MAPS}?labelSelector=even%3Dtrue")) == ["l0", "l2", "l4"]
    assert names(await api.get(f"{CONFIG_MAPS}?labelSelector=even+notin+(true)")) == ["l1", "l3"]
    assert names(await api.get(f"{CONFIG_MAPS}?fieldSelector=metadata.name%3Dl3")) == ["l3"]
    assert (
        names(await api.get("/api/v1/configmaps?fieldSelector=metadata.namespace%3Dlists,metadata.name!%3Dl0"))[0]
        == "l1"
    )


async def test_partial_metadata_and_tables_hold_what_they_should(api: Any) -> None:
    await filled(api, 1)
    partial = (await api.get(f"{CONFIG_MAPS}?labelSelector=even", Accept=PARTIAL)).json
    assert partial["kind"] == "PartialObjectMetadataList"
    assert set(partial["items"][0]) == {"kind", "apiVersion", "metadata"}
    table = (await api.get(f"{CONFIG_MAPS}?labelSelector=even&includeObject=None", Accept=TABLE)).json
    assert table["rows"] == [{"cells": ["l0", 0, table["rows"][0]["cells"][2]]}]


async def test_an_exact_version_is_the_past(api: Any) -> None:
    await filled(api, 2)
    version = (await api.get(CONFIG_MAPS)).json["metadata"]["resourceVersion"]
    await api.delete(f"{CONFIG_MAPS}/l0")
    past = await api.get(f"{CONFIG_MAPS}?resourceVersion={version}&resourceVersionMatch=Exact")
    assert names(past) == ["l0", "l1"]
    assert names(await api.get(f"{CONFIG_MAPS}?resourceVersion={version}")) == ["l1"]


async def test_a_version_to_come_is_a_timeout(api: Any) -> None:
    reply = await api.get(f"{CONFIG_MAPS}?resourceVersion=99999999")
    assert (reply.status, reply.json["reason"], reply.json["details"]["retryAfterSeconds"]) == (504, "Timeout", 1)


async def test_nothing_acceptable_is_406_and_bad_selectors_are_400(api: Any) -> None:
    assert (await api.get("/api/v1/configmaps", Accept="text/html")).status == 406
    assert (await api.get("/api/v1/configmaps?labelSelector=a+in+b")).status == 400
    assert (await api.get("/api/v1/configmaps?continue=zzz")).status == 400


async def test_yaml_is_served_where_it_is_asked_for(api: Any) -> None:
    reply = await api.get("/api/v1/namespaces/default", Accept="application/yaml")
    assert reply.headers["Content-Type"] == "application/yaml"
    assert reply.text.startswith("apiVersion: v1\nkind: Namespace\n")
