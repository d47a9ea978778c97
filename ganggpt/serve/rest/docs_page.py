"""``/docs``: the OpenAPI as a page. Scripts and styles come from this server, so that it works without the internet.

The files are those of Swagger UI, as the package ``fastapi-offline`` ships them.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import Response

PATH: Final = "/docs"
_FILES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
FILE_PATHS: Final = frozenset(f"{PATH}/{name}" for name in _FILES)
"""Where the files of the page are. They need no token, like the page."""
_CACHED: Final = {"Cache-Control": "public, max-age=86400"}
_OWN_ONLY: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
}
"""The page loads nothing from elsewhere, and no other page shows it."""


def add_docs_page(app: FastAPI, title: str) -> None:
    """Add the page and its files."""
    page = get_swagger_ui_html(
        openapi_url=app.openapi_url or "",
        title=title,
        swagger_js_url=f"{PATH}/swagger-ui-bundle.js",
        swagger_css_url=f"{PATH}/swagger-ui.css",
        swagger_favicon_url=f"{PATH}/favicon.png",
        swagger_ui_parameters={"docExpansion": "none", "filter": True},
    )
    page.headers.update(_OWN_ONLY)

    async def show() -> Response:
        return page

    async def file(name: str) -> Response:
        kind = _FILES.get(name)
        return Response(status_code=404) if kind is None else Response(_content(name), 200, _CACHED, kind)

    app.add_api_route(PATH, show, include_in_schema=False)
    app.add_api_route(f"{PATH}/{{name}}", file, include_in_schema=False)


@lru_cache(maxsize=len(_FILES))
def _content(name: str) -> bytes:
    return files("fastapi_offline").joinpath("static", name).read_bytes()
