"""Checking the account: is the API there, is the token good, can each number be worked with? Reads only."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from chat_hygiene.clock import Clock, utc_now
from chat_hygiene.core.errors import ProviderError
from chat_hygiene.core.facts import DeviceFacts
from chat_hygiene.providers import registry
from chat_hygiene.settings import Settings


@dataclass(frozen=True, slots=True)
class Number:
    """One number of the account. `refusal` is what the API said when a page of its chats was asked for, if it refused."""

    facts: DeviceFacts
    refusal: ProviderError | None


@dataclass(frozen=True, slots=True)
class Account:
    """What the API shows of the account. `clock_skew`: its clock minus ours."""

    numbers: tuple[Number, ...]
    clock_skew: timedelta | None


def check_account(settings: Settings, *, clock: Clock = utc_now) -> Account:
    """Lists the numbers, and asks each operative one for one chat.

    Raises InvalidInputError without a token, ProviderError when the numbers cannot be listed.
    """

    async def work() -> Account:
        reader = registry.open_reader(settings, clock)
        try:
            numbers = []
            for facts in await reader.devices():
                refusal = None
                if facts.status == "operative":
                    try:
                        await reader.chats(facts.device, page=0, size=1)
                    except ProviderError as error:
                        refusal = error
                numbers.append(Number(facts, refusal))
            return Account(tuple(numbers), reader.clock_skew)
        finally:
            await reader.aclose()

    return asyncio.run(work())
