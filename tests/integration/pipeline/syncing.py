"""One slice, one listing, one whole sync, each as a process of its own would do it; and services that page oddly."""

import asyncio
from datetime import timedelta

from chat_hygiene.pipeline import evaluate, sync
from chat_hygiene.pipeline.pacing import Pacer
from chat_hygiene.providers import registry
from chat_hygiene.store import hints, sweeps


def with_reader(rig, work, *, odd=lambda reader: reader):
    """`work(context, reader)` in a fresh context, with a fresh client."""
    with rig.ledger() as ledger:
        context = ledger.context

        async def run():
            reader = registry.open_reader(context.settings, context.clock)
            try:
                return await work(context, odd(reader))
            finally:
                await reader.aclose()

        return asyncio.run(run())


def listed(rig):
    """The account's numbers are in the store."""
    return with_reader(rig, lambda context, reader: sync.list_devices(context, reader, now=context.clock()))


def one_slice(rig, device=1, *, seconds=30.0, stop=lambda: False, odd=lambda reader: reader):
    def work(context, reader):
        until = context.clock() + timedelta(seconds=seconds)
        return sync.slice_(context, reader, device, pacer=Pacer(context), until=until, stop=stop)

    return with_reader(rig, work, odd=odd)


def whole(rig, *, full=True, odd=lambda reader: reader):
    def work(context, reader):
        return sync.run(context, reader, full=full, pacer=Pacer(context), now=context.clock())

    return with_reader(rig, work, odd=odd)


def queue(rig):
    """Jobs for what matches, and nothing worked."""

    async def work(context, _reader):
        now = context.clock()
        evaluate.run(context, "resolved-30d", trigger="manual", slot=now, now=now)

    with_reader(rig, work)


def due(rig) -> list[int]:
    with rig.ledger() as ledger, ledger.reading() as session:
        return sweeps.due(session, ledger.context.settings, now=rig.now())


def hinted(rig, device, *wids) -> None:
    """A webhook named these chats."""
    with rig.ledger() as ledger, ledger.context.sessions.begin() as session:
        for wid in wids:
            refs = ledger.context.keys.pseudonyms.refs("wassenger", device, wid)
            assert hints.chat(session, "wassenger", device, refs, now=rig.now())


def pages(rig, since=0) -> list[int]:
    """The pages that were asked for, after the first `since` requests."""
    return [int(seen.call.query["page"]) for seen in rig.world.seen()[since:] if seen.call.route == "chats"]


class Odd:
    """A reader in front of a real one, whose listing is odd."""

    def __init__(self, reader, chats):
        self._reader, self._chats = reader, chats

    def __getattr__(self, name):
        return getattr(self._reader, name)

    async def chats(self, device, *, page, size):
        return await self._chats(self._reader, device, page, size)


def capped(most):
    """The service silently caps the page size."""
    return lambda reader: Odd(
        reader,
        lambda inner, device, page, size: inner.chats(device, page=page, size=min(size, most)),
    )


def stuck(reader):
    """The service ignores `page`."""
    return Odd(reader, lambda inner, device, page, size: inner.chats(device, page=0, size=size))
