"""The OpenAPI says what goes in and what comes out: typed replies, errors by status, the token, pushes, examples."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ganggpt.domain.kinds import KINDS
from ganggpt.domain.push_bodies import PUSHES
from ganggpt.protocol.command_book import CommandBook, PublicCommand
from ganggpt.serve.rest.error_response import STATUS
from tests.support.bridge_client import client_of
from tests.support.bridge_rig import Rig

PUBLIC = list(CommandBook(KINDS))


@pytest.fixture(scope="module")
async def described() -> dict[str, Any]:
    async with client_of(Rig(kinds=KINDS)) as http:
        shown: dict[str, Any] = (await http.get("/openapi.json")).json()
        return shown


def _route(described: dict[str, Any], public: PublicCommand) -> dict[str, Any]:
    route: dict[str, Any] = described["paths"][f"/v1/actors/{public.kind}:{{name}}/commands/{public.name}"]["post"]
    return route


@pytest.mark.parametrize("public", PUBLIC, ids=lambda public: f"{public.kind}-{public.name}")
def test_a_command_has_a_typed_reply_and_an_example_that_fits(described: dict[str, Any], public: PublicCommand) -> None:
    route = _route(described, public)
    body = route["requestBody"]["content"]["application/json"]
    assert list(Draft202012Validator(body["schema"]).iter_errors(body["example"])) == []
    assert route["requestBody"]["required"] == bool(body["schema"].get("required"))
    reply = route["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["reply"]
    assert reply["properties"]
    assert all(reason in route["responses"]["409"]["description"] for reason in public.cls.refuses)
    assert public.cls.senders.value in route["description"]


def test_every_status_and_its_codes_are_named_on_every_route(described: dict[str, Any]) -> None:
    for path, methods in described["paths"].items():
        for route in methods.values():
            for code, status in STATUS.items():
                assert f"`{code}`" in route["responses"][str(status)]["description"], (path, code)


def test_the_token_is_part_of_the_description(described: dict[str, Any]) -> None:
    (need,) = described["security"]
    (scheme,) = need
    known = described["components"]["securitySchemes"][scheme]
    assert (known["type"], known["scheme"]) == ("http", "bearer")


def test_every_push_and_every_read_has_its_shape(described: dict[str, Any]) -> None:
    assert set(described["webhooks"]) == set(PUSHES)
    for name, hook in described["webhooks"].items():
        shape = hook["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
        assert shape["type"] == {"const": name}
        assert shape["body"]["properties"]
    for path in ("npcs", "players", "missions", "companions", "factions"):
        answer = described["paths"][f"/v1/{path}/{{name}}"]["get"]["responses"]["200"]
        assert answer["content"]["application/json"]["schema"]["properties"]
