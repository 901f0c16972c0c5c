"""The requests of one walk: each in its turn, a passing fault waited out, and of a listing the next page ahead of time."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from chat_hygiene.core.errors import (
    NotFoundError,
    RateLimitedError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
)
from chat_hygiene.pipeline.calls import note_fault
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.listing import Listing
from chat_hygiene.pipeline.turns import Turns
from chat_hygiene.providers.base import Page, Reader
from chat_hygiene.store.devices import Device

TRIES = 3
"""Of one request."""

_T = TypeVar("_T")


class Requests:
    """What one walk through a device asks of its provider."""

    def __init__(self, context: Context, reader: Reader, device: Device, turns: Turns) -> None:
        self._context, self._reader, self._device, self._turns = context, reader, device, turns

    async def ask(
        self,
        call: Callable[[], Awaitable[_T]],
        *,
        overtime: bool = False,
        ahead: Awaitable[tuple[datetime, _T]] | None = None,
    ) -> tuple[datetime, _T]:
        """An answer, and when it was asked for. A passing fault is waited out a few times; a bad answer is not.

        `ahead` is the first try, if that is on its way already. With `overtime` it may begin beyond the walk's end.
        """
        for left in reversed(range(TRIES)):
            try:
                if ahead is not None:
                    return await ahead
                read_at = await self._turns.next(overtime=overtime)
                return read_at, await call()
            except (RateLimitedError, UnavailableError, UnknownOutcomeError) as error:
                if not left:
                    raise
                # What fails is tried again within the walk's time, or by the next one.
                ahead, overtime = None, False
                fault = await asyncio.to_thread(note_fault, self._context, self._device.id, error)
                if not isinstance(error, RateLimitedError):  # that pause stands in the device's row
                    await self._turns.rest(fault.until)
        raise AssertionError  # the last try returned or raised

    async def pages(
        self, first: int = 0, *, reached: int = -1, until: datetime | None = None
    ) -> AsyncGenerator[tuple[int, datetime, Page]]:
        """Page after page of the listing: its number, when it was asked for, and what it shows.

        Ends with the listing, or with a page that is wholly older than `until`. Up to page `reached` the walk's end does
        not matter. While a page is used, the next one is on its way, if its turn has come by then.
        """
        listing, number = Listing(self._context.settings.page_size), first
        ahead: asyncio.Task[tuple[datetime, Page]] | None = None
        try:
            while True:
                try:
                    read_at, page = await self.ask(
                        partial(self._page, number), overtime=number <= reached, ahead=ahead
                    )
                except (NotFoundError, RefusedError):
                    # By the service's own rule the listing ended with the short page before; this one only made sure.
                    if not listing.may_be_over:
                        raise
                    return
                goes_on = listing.goes_on(page) and (until is None or not _is_older(page, until))
                ahead = await self._ahead(number + 1, overtime=number < reached) if goes_on else None
                yield number, read_at, page
                if not goes_on:
                    return
                number += 1
        finally:
            if ahead is not None:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)

    async def _ahead(self, number: int, *, overtime: bool) -> asyncio.Task[tuple[datetime, Page]] | None:
        # Its turn is taken before what was read is stored: on SQLite the two would wait for one lock.
        if (read_at := await self._turns.at_once(overtime=overtime)) is None:
            return None

        async def answer() -> tuple[datetime, Page]:
            return read_at, await self._page(number)

        return asyncio.create_task(answer())

    def _page(self, number: int) -> Awaitable[Page]:
        size = self._context.settings.page_size
        return self._reader.chats(self._device.device, page=number, size=size)


def _is_older(page: Page, than: datetime) -> bool:
    """Whether each chat says that its last message is older."""
    return all(facts.last_message_at is not None and facts.last_message_at < than for facts in page.chats)
