"""The web process's routes. Health and metrics are for machines inside, `/webhooks` for the world, the rest for people."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat_hygiene.clock import Clock, utc_now
from chat_hygiene.core.errors import DatabaseError, HygieneError
from chat_hygiene.settings import Settings
from chat_hygiene.store.keys import load_keys
from chat_hygiene.web import metrics, pages
from chat_hygiene.web.answers import json_answer, text_answer
from chat_hygiene.web.desk import Desk
from chat_hygiene.web.door import Door
from chat_hygiene.web.failures import Failures
from chat_hygiene.web.render import Renderer
from chat_hygiene.web.signing import Signer
from chat_hygiene.web.site import Site
from chat_hygiene.web.users import Users
from chat_hygiene.web.webhooks import Webhooks
from chat_hygiene.wiring.health import Health, health, without_database


def create_app(settings: Settings, users: Users | None, *, clock: Clock = utc_now) -> Starlette:
    """The application; its lifespan's end closes the ledger. `users` None: whoever reaches it is the operator.

    Raises InvalidInputError when a key is missing.
    """
    desk = Desk(settings, clock)
    renderer = Renderer(pages.PARTS)
    door = Door(settings, Signer(load_keys(settings).audit_key), users, clock)
    failures = Failures(renderer)

    async def state() -> Health:
        try:
            return await desk.ask(lambda ledger: health(ledger, now=ledger.now()))
        except DatabaseError as error:
            return without_database(error)

    async def healthz(_request: Request) -> Response:
        """The process lives; how the parts are is told, and changes nothing about that."""
        return _told(200, await state())

    async def readyz(_request: Request) -> Response:
        """The service works: the database, the tick and every queue."""
        found = await state()
        return _told(200 if found.ok else 503, found)

    async def scrape(_request: Request) -> Response:
        return text_answer(await desk.ask(metrics.exposition), metrics.MEDIA_TYPE)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        desk.close()

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", scrape)]
    # Without a token there is no endpoint at all.
    if settings.webhook_token is not None:
        webhooks = Webhooks(desk, settings.webhook_token, settings.webhook_hmac_key)
        routes.append(Route("/webhooks/{token}", webhooks.receive, methods=["POST"]))
    routes += Site(desk, door, renderer, pages.PARTS).routes()
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            HTTPException: failures.http,
            DatabaseError: failures.database,
            HygieneError: failures.refused,
            Exception: failures.bug,
        },
    )
    app.router.redirect_slashes = False
    return app


def _told(status: int, found: Health) -> Response:
    return json_answer(status, {"ok": found.ok, "parts": [asdict(part) for part in found.parts]})
