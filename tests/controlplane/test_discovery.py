"""Discovery and OpenAPI, compared with what a real 1.36 server says."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from afflux.controlplane.discovery import aggregated_type
from afflux.controlplane.openapi_protobuf import encode_document
from afflux.controlplane.version_order import version_order

V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
V2BETA1 = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
SWAGGER = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


@pytest.fixture(scope="module")
def recorded(shared: Path) -> Any:
    """Documents that a real server served, by file name."""
    archive = shared / "kubernetes-1.36" / "observed.tar.xz"
    if not archive.is_file():
        pytest.skip("recordings of a real server are not beside this checkout")
    wanted = {"apis_agg.json", "api_agg.json", "api_v1.json", "apis_apps_v1.json"}
    found: dict[str, Any] = {}
    with tarfile.open(archive) as opened:
        for member in opened:
            name = member.name.rpartition("/")[2]
            if name in wanted and (file := opened.extractfile(member)) is not None:
                found[name] = json.load(file)
    return found


def by_place(document: Any) -> dict[tuple[str, str, str], Any]:
    places = {}
    for group in document["items"]:
        for version in group["versions"]:
            for resource in version["resources"]:
                resource["subresources"] = sorted(
                    resource.get("subresources", []), key=lambda each: each["subresource"]
                )
                resource["verbs"] = sorted(resource["verbs"])
                resource.pop("storageVersionHash", None)
                place = (group["metadata"].get("name", ""), version["version"], resource["resource"])
                places[place] = resource
    return places


async def test_aggregated_discovery_says_what_the_real_server_says(api: Any, recorded: Any) -> None:
    for path, name in (("/api", "api_agg.json"), ("/apis", "apis_agg.json")):
        reply = await api.get(path, Accept=V2)
        assert reply.headers["Content-Type"] == V2
        theirs, ours = by_place(recorded[name]), by_place(reply.json)
        assert sorted(ours) == sorted(theirs)
        assert [ours[place] for place in sorted(theirs)] == [theirs[place] for place in sorted(theirs)]


async def test_a_client_that_knows_the_document_gets_304(api: Any) -> None:
    first = await api.get("/apis", Accept=V2)
    again = await api.get("/apis", Accept=V2, If_None_Match=first.headers["ETag"])
    assert (again.status, again.text) == (304, "")


async def test_plain_lists_say_the_same(api: Any, recorded: Any) -> None:
    for path, name in (("/api/v1", "api_v1.json"), ("/apis/apps/v1", "apis_apps_v1.json")):
        ours = {each["name"]: each for each in (await api.get(path)).json["resources"]}
        theirs = {each["name"]: each for each in recorded[name]["resources"]}
        for each in theirs.values():
            each["verbs"] = sorted(each["verbs"])
        assert ours == theirs
    groups = {group["name"]: group for group in (await api.get("/apis/")).json["groups"]}
    scaling = [{"groupVersion": f"autoscaling/{version}", "version": version} for version in ("v2", "v1")]
    assert groups["autoscaling"] == {"name": "autoscaling", "versions": scaling, "preferredVersion": scaling[0]}
    assert (await api.get("/apis/autoscaling")).json["kind"] == "APIGroup"


async def test_openapi_documents_have_what_kubectl_looks_for(api: Any) -> None:
    index = (await api.get("/openapi/v3")).json["paths"]
    reply = await api.get(index["apis/apps/v1"]["serverRelativeURL"])
    assert "immutable" in reply.headers["Cache-Control"]
    document = reply.json
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert {"dryRun", "fieldManager", "fieldValidation", "force"} == {each["name"] for each in patch["parameters"]}
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "kind": "Deployment", "version": "v1"}
    schemas = document["components"]["schemas"]
    references = {each.split('"')[0] for each in reply.text.split('"#/components/schemas/')[1:]}
    assert references <= set(schemas)
    assert (await api.get("/openapi/v3/apis/nope/v1")).status == 404


async def test_swagger_comes_in_both_forms(api: Any) -> None:
    document = (await api.get("/openapi/v2")).json
    assert "io.k8s.api.apps.v1.Deployment" in document["definitions"]
    reply = await api.session.get(
        api.address + "/openapi/v2", headers={"Authorization": f"Bearer {api.token}", "Accept": SWAGGER}
    )
    assert reply.headers["Content-Type"] == SWAGGER.replace("@", ".")
    assert (await reply.read()).startswith(b"\x0a\x032.0")


def test_a_schema_is_encoded_field_by_field() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/definitions/B"}}, "x-list": ["k"]}
    document = {"swagger": "2.0", "info": {"title": "t", "version": "v"}, "paths": {}, "definitions": {"A": schema}}
    encoded = encode_document(document)
    inner = b"\xb2\x01\x08\x0a\x06object" + b"\x9a\x01\x01a"
    assert inner in encoded
    assert b"\x0a\x0f#/definitions/B" in encoded
    assert b"\x0a\x06x-list\x12\x06\x12\x04- k\n" in encoded


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (f"{V2},{V2BETA1},application/json", V2),
        (f"{V2BETA1},application/json", V2BETA1),
        ("application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io", V2),
        ("application/json", ""),
        ("*/*", ""),
        (f"application/json,{V2}", ""),
    ],
)
def test_the_first_form_that_is_known_is_served(accept: str, wanted: str) -> None:
    assert aggregated_type(accept) == wanted


def test_versions_are_ordered_best_first() -> None:
    versions = ["v1alpha1", "foo", "v2beta1", "v1", "v10", "v2", "v2beta2", "bar"]
    assert sorted(versions, key=version_order) == ["v10", "v2", "v1", "v2beta2", "v2beta1", "v1alpha1", "bar", "foo"]
