"""Templates and files of the page: Jinja, which escapes everything and knows no undefined name, and a few static files."""

import hashlib
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from chat_hygiene.core.words import count, span
from chat_hygiene.web import zones
from chat_hygiene.web.page import Group, Page, Part
from chat_hygiene.web.strip import number

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer: then a browser would not say of our own forms where they come from.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_KEPT = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    body: bytes
    media_type: str

    async def serve(self, _request: Request) -> Response:
        return Response(self.body, media_type=self.media_type, headers=_KEPT)


class Renderer:
    """Makes the answers that a browser shows."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._paths = {part.name: part.path for part in parts}
        self._menu = [
            (group, [part for part in parts if isinstance(part, Page) and part.group is group])
            for group in Group
        ]
        self._files = _files()
        self._jinja = Environment(
            loader=PackageLoader("chat_hygiene.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._jinja.filters |= {
            "when": _when,
            "age": _age,
            "distance": _distance,
            "number": number,
            "span": span,
        }
        self._jinja.globals |= {
            "count": count,
            "file": {file.path.split("/")[-1].partition(".")[0]: file.path for file in self._files},
            "menu": self._menu,
            "to": self._to,
        }

    def page(self, template: str, status: int = 200, /, **content: object) -> HTMLResponse:
        """A template's page."""
        text = self._jinja.get_template(template).render(content)
        return HTMLResponse(text, status, headers=HEADERS)

    def error(
        self, status: int, title: str, says: str, *, fix: str = "", again: int | None = None
    ) -> HTMLResponse:
        """A page that says what went wrong, in plain words. `again`: after so many seconds the browser asks once more."""
        return self.page("error.html", status, title=title, status=status, says=says, fix=fix, again=again)

    def routes(self) -> list[Route]:
        """The static files. A path changes with its content, so that it can be kept for ever."""
        return [Route(file.path, file.serve, methods=["GET"]) for file in self._files]

    def _to(self, name: str, /, **parameters: object) -> str | None:
        """The path of a page by its name; None: there is no such page."""
        path = self._paths.get(name)
        return path and path.format_map(
            {key: quote(str(value), safe="") for key, value in parameters.items()}
        )


@pass_context
def _when(context: Context, at: Any) -> Markup:  # noqa: ANN401 - an instant or None
    return zones.moment(at, context["zone"])


@pass_context
def _age(context: Context, at: Any) -> Markup:  # noqa: ANN401 - an instant or None
    return zones.age(at, context["now"])


@pass_context
def _distance(context: Context, at: Any) -> str:  # noqa: ANN401 - an instant or None
    return zones.distance(at, context["now"])


def _files() -> list[_File]:
    found = []
    for file in resources.files("chat_hygiene.web").joinpath("static").iterdir():
        body = file.read_bytes()
        stem, _, suffix = file.name.rpartition(".")
        media_type = mimetypes.types_map.get(f".{suffix}", "application/octet-stream")
        digest = hashlib.sha256(body).hexdigest()[:10]
        found.append(_File(f"/static/{stem}.{digest}.{suffix}", body, media_type))
    return found
