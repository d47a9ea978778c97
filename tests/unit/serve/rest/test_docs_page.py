"""The page that shows the OpenAPI loads nothing from elsewhere, so it works where there is no internet."""

from __future__ import annotations

import re

import httpx

from tests.support.bridge_client import client_of
from tests.support.bridge_rig import Rig


async def _page(http: httpx.AsyncClient) -> str:
    del http.headers["Authorization"]
    answer = await http.get("/docs")
    assert answer.status_code == 200
    return answer.text


async def test_everything_the_page_needs_comes_from_this_server_and_without_a_token() -> None:
    async with client_of(Rig()) as http:
        page = await _page(http)
        named = re.findall(r"(?:src|href)=\"([^\"]+)\"", page) + re.findall(r"url: '([^']+)'", page)
        assert len(named) == 4
        for address in named:
            assert address.startswith("/")
            answer = await http.get(address)
            assert answer.status_code == 200
            assert answer.content
        assert "://" not in page.replace("http://www.w3.org", "")


async def test_the_browser_is_told_to_load_nothing_from_elsewhere() -> None:
    async with client_of(Rig()) as http:
        answer = await http.get("/docs")
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
        script = await http.get("/docs/swagger-ui-bundle.js")
        assert script.headers["Content-Type"].startswith("text/javascript")
        assert b"SwaggerUIBundle" in script.content


async def test_what_is_no_file_of_the_page_needs_the_token_and_is_not_found() -> None:
    async with client_of(Rig()) as http:
        assert (await http.get("/docs/../../pyproject.toml")).status_code == 404
        assert (await http.get("/docs/secrets")).status_code == 404
        del http.headers["Authorization"]
        assert (await http.get("/docs/secrets")).status_code == 401
