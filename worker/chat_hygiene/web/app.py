"""The web process's routes. Health and metrics are for machines inside; only `/webhooks` is meant for the world outside."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat_hygiene.clock import Clock, utc_now
from chat_hygiene.core.errors import DatabaseError
from chat_hygiene.settings import Settings
from chat_hygiene.web import metrics
from chat_hygiene.web.answers import json_answer, on_bug, on_database_error, on_http_error, text_answer
from chat_hygiene.web.desk import Desk
from chat_hygiene.web.webhooks import Webhooks
from chat_hygiene.wiring.health import Health, health, without_database


def create_app(settings: Settings, *, clock: Clock = utc_now) -> Starlette:
    """The application; its lifespan's end closes the ledger. Raises InvalidInputError when a key is missing."""
    desk = Desk(settings, clock)

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
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            HTTPException: on_http_error,
            DatabaseError: on_database_error,
            Exception: on_bug,
        },
    )
    app.router.redirect_slashes = False
    return app


def _told(status: int, found: Health) -> Response:
    return json_answer(status, {"ok": found.ok, "parts": [asdict(part) for part in found.parts]})
