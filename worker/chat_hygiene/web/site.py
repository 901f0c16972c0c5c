"""The pages as routes: who asks is let in, the database is asked in a thread, a template shows it; a deed goes back."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import quote, urlencode, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from chat_hygiene.core.errors import (
    HygieneError,
    InvalidInputError,
    SafetyStopError,
    UnreadablePolicyError,
    UsageError,
)
from chat_hygiene.web import zones
from chat_hygiene.web.desk import Desk, LateError
from chat_hygiene.web.door import Door, Visitor
from chat_hygiene.web.page import Content, Deed, Page, Part, Search, Sheet, Visit
from chat_hygiene.web.render import HEADERS, Renderer
from chat_hygiene.web.sheets import csv_text
from chat_hygiene.web.strip import tiles
from chat_hygiene.wiring import Ledger
from chat_hygiene.wiring.glancing import glance_at
from chat_hygiene.wiring.operating import check_reason

DEED_PATIENCE = 30.0
"""Seconds that somebody waits for what they did; what takes longer is done all the same."""

SIGN_IN, SIGN_OUT, ZONE = "/sign-in", "/sign-out", "/zone"

_REFUSALS = (UsageError, SafetyStopError, InvalidInputError, UnreadablePolicyError)

Handler = Callable[[Request], Awaitable[Response]]


class Site:
    """Everything that a person sees."""

    def __init__(self, desk: Desk, door: Door, renderer: Renderer, parts: Sequence[Part]) -> None:
        self._desk, self._door, self._renderer = desk, door, renderer
        self._parts = parts
        self._signing_in = asyncio.Lock()

    def routes(self) -> list[Route]:
        """One for each part, and those of the door."""
        more = [
            Route(SIGN_IN, self._sign_in, methods=["GET", "POST"]),
            Route(SIGN_OUT, self._sign_out, methods=["POST"]),
            Route(ZONE, self._zone, methods=["GET", "POST"]),
            *self._renderer.routes(),
        ]
        return [*map(self._route, self._parts), *more]

    def _route(self, part: Part) -> Route:
        match part:
            case Page():
                return Route(part.path, self._shown(part), methods=["GET"])
            case Deed():
                return Route(part.path, self._deed(part), methods=["GET", "POST"])
            case Sheet():
                return Route(part.path, self._sheet(part), methods=["GET"])
            case Search():
                return Route(part.path, self._search(part), methods=["POST"])

    def _shown(self, page: Page) -> Handler:
        async def show(request: Request) -> Response:
            visitor = self._door.visitor(request)
            if visitor is None:
                return self._to_sign_in(request)
            given = {**request.query_params, **request.path_params}
            return await self._desk.ask(
                lambda ledger: self._look(request, visitor, page, _visit(ledger, visitor, given), page.read)
            )

        return show

    def _sheet(self, sheet: Sheet) -> Handler:
        async def take(request: Request) -> Response:
            visitor = self._door.visitor(request)
            if visitor is None:
                return self._to_sign_in(request)
            given = {**request.query_params, **request.path_params}
            text = await self._desk.ask(
                lambda ledger: csv_text(sheet.header, sheet.rows(_visit(ledger, visitor, given)))
            )
            name = f'attachment; filename="chat-hygiene-{sheet.name}.csv"'
            return Response(text, media_type="text/csv", headers={**HEADERS, "Content-Disposition": name})

        return take

    def _search(self, search: Search) -> Handler:
        def find(request: Request, visitor: Visitor, visit: Visit) -> Response:
            try:
                return _away(search.find(visit))
            except _REFUSALS as error:
                problem = error
            answer = self._look(
                request,
                visitor,
                search.page,
                visit,
                lambda visit: {**search.page.read(visit), "problem": problem},
            )
            answer.status_code = 422
            return answer

        async def handle(request: Request) -> Response:
            visitor = self._visitor(request)
            fields = await self._door.form(request, visitor)
            return await self._desk.ask(
                lambda ledger: find(request, visitor, _visit(ledger, visitor, fields))
            )

        return handle

    def _deed(self, deed: Deed) -> Handler:
        async def handle(request: Request) -> Response:
            visitor = self._door.visitor(request)
            if visitor is None and request.method == "POST":
                raise HTTPException(403, "You are not signed in any more. Nothing was done.")
            if visitor is None:
                return self._to_sign_in(request)
            if not visitor.operator:
                raise HTTPException(403, "Readers look and change nothing. An operator can do this.")
            if request.method != "POST":
                given = {**request.query_params, **request.path_params}
                return await self._desk.ask(
                    lambda ledger: self._ask(request, visitor, deed, _visit(ledger, visitor, given))
                )
            fields = {**await self._door.form(request, visitor), **request.path_params}
            try:
                return await self._desk.ask(
                    lambda ledger: self._do(request, visitor, deed, _visit(ledger, visitor, fields)),
                    patience=DEED_PATIENCE,
                )
            except LateError:
                back = _filled(deed.back, fields)
                return self._renderer.page("late.html", 202, title="It goes on", back=back)

        return handle

    def _ask(
        self,
        request: Request,
        visitor: Visitor,
        deed: Deed,
        visit: Visit,
        problem: HygieneError | None = None,
    ) -> Response:
        more = {"problem": problem, "back": _filled(deed.back, visit.given), "typed": visit.given}
        answer = self._look(request, visitor, deed, visit, lambda visit: {**deed.ask(visit), **more})
        if problem is not None:
            answer.status_code = 409 if isinstance(problem, SafetyStopError) else 422
        return answer

    def _do(self, request: Request, visitor: Visitor, deed: Deed, visit: Visit) -> Response:
        try:
            check_reason(visit.text("reason"))
            said = deed.do(visit)
        except _REFUSALS as problem:
            return self._ask(request, visitor, deed, visit, problem)
        answer = _away(_filled(deed.back, visit.given))
        self._door.say(answer, said)
        return answer

    def _look(
        self,
        request: Request,
        visitor: Visitor,
        part: Page | Deed,
        visit: Visit,
        read: Callable[[Visit], Content],
    ) -> Response:
        glance = glance_at(visit.ledger, now=visit.now)
        said = self._door.said(request) if isinstance(part, Page) else None
        answer = self._renderer.page(
            part.template,
            **read(visit),
            part=part,
            title=part.title,
            path=request.url.path,
            given=visit.given,
            visitor=visitor,
            operator=visitor.operator,
            form_token=self._door.token(visitor),
            signed_in=self._door.users is not None,
            glance=glance,
            tiles=tiles(glance),
            said=said,
            now=visit.now,
            zone=zones.chosen(request.cookies),
        )
        if said is not None:
            self._door.heard(answer)
        return self._known(answer, visitor)

    async def _sign_in(self, request: Request) -> Response:
        self._door.check_host(request)
        users = self._door.users
        if users is None or (request.method != "POST" and self._door.visitor(request) is not None):
            return _away("/")
        typed, wrong = {"next": request.query_params.get("next", "/")}, False
        if request.method == "POST":
            typed = dict(await self._door.form(request, None))
            address = request.client.host if request.client else ""
            name, token = typed.get("name", ""), typed.pop("secret", "")
            self._door.check_attempts(address)
            # One at a time: each takes a thread, memory and a processor for its while.
            async with self._signing_in:
                user = await self._desk.wait(lambda: self._door.sign_in(name, token, address))
            if user is not None:
                answer = _away(_local(typed.get("next", "/")))
                self._door.open(answer, user)
                return answer
            wrong = True
        return self._renderer.page(
            "sign_in.html",
            403 if wrong else 200,
            title="Sign in",
            typed=typed,
            wrong=wrong,
            empty=users.empty,
        )

    async def _sign_out(self, request: Request) -> Response:
        await self._door.form(request, self._visitor(request))
        answer = _away(SIGN_IN)
        self._door.close(answer)
        return answer

    async def _zone(self, request: Request) -> Response:
        visitor = self._visitor(request)
        if request.method != "POST":
            page = self._renderer.page(
                "zone.html",
                title="Time zone",
                form_token=self._door.token(visitor),
                zones=zones.names(),
                chosen=zones.chosen(request.cookies).key,
                back=_local(request.query_params.get("back", "/")),
            )
            return self._known(page, visitor)
        fields = await self._door.form(request, visitor)
        answer = _away(_local(fields.get("back", "/")))
        if (name := fields.get("zone")) in zones.names():
            answer.set_cookie(zones.COOKIE, quote(name), max_age=365 * 86_400, samesite="strict")
        return answer

    def _to_sign_in(self, request: Request) -> Response:
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        # A browser that follows a link from elsewhere, such as a message, keeps a strict cookie back; it sends it when
        # our own page leads there.
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            return self._renderer.page("onward.html", title="One moment", asked=asked)
        return _away(SIGN_IN if asked == "/" else f"{SIGN_IN}?{urlencode({'next': asked})}")

    def _known(self, answer: Response, visitor: Visitor) -> Response:
        """The answer, with the session that its forms belong to if the browser does not have it yet."""
        if visitor.new:
            self._door.keep(answer, visitor.session)
        return answer

    def _visitor(self, request: Request) -> Visitor:
        visitor = self._door.visitor(request)
        if visitor is None:
            raise HTTPException(403, "You are not signed in. Nothing was done.")
        return visitor


def _visit(ledger: Ledger, visitor: Visitor, given: Mapping[str, str]) -> Visit:
    return Visit(ledger.acting_as(visitor.name), ledger.now(), visitor.operator, given)


def _filled(path: str, given: Mapping[str, str]) -> str:
    return path.format_map({name: quote(value, safe="") for name, value in given.items()})


def _away(path: str) -> Response:
    return RedirectResponse(path, 303, headers=HEADERS)


def _local(path: str) -> str:
    """The path, if it leads to one of our own pages."""
    parts = urlsplit(path)
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if plain and not (parts.scheme or parts.netloc) else "/"
