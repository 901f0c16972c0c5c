"""Naming a chat: whoever asks about one types a number, a chat id or a pseudonym, and it is looked up by pseudonym.

What was typed is used for that, and neither stored nor logged.
"""

import unicodedata

from sqlalchemy.orm import Session

from chat_hygiene.core.errors import UsageError
from chat_hygiene.providers import registry
from chat_hygiene.store import chats, devices
from chat_hygiene.store.pseudonyms import PREFIX, Pseudonyms
from chat_hygiene.wiring.ledger import Ledger

_SHORTEST, _LONGEST = 7, 15


def pseudonyms_of(ledger: Ledger, chat: str) -> list[str]:
    """The pseudonyms under which a chat that somebody named is, or would be, stored, on every number and under every key.

    Raises UsageError when it can be the name of no chat.
    """
    if chat.startswith(PREFIX):
        return [chat]
    with ledger.reading() as session:
        return _refs(session, ledger.context.keys.pseudonyms, wid_of(chat))


def wid_of(chat: str) -> str:
    """The chat id that a number, written in whatever way and with the digits of any script, or a chat id stands for.

    Raises UsageError when it is neither.
    """
    if "@" in chat:
        return chat.strip()
    digits = "".join(str(unicodedata.decimal(each)) for each in chat if each.isdecimal())
    if (
        any(each.isalpha() for each in chat)
        or digits.startswith("0")
        or not _SHORTEST <= len(digits) <= _LONGEST
    ):
        raise UsageError(
            "that is neither a phone number with its country code, nor a chat id, nor a pseudonym",
            fix='write a number like "+34 600 111 222", or a pseudonym (chat_…) as preview --json shows it',
        )
    return f"{digits}@c.us"


def _refs(session: Session, pseudonyms: Pseudonyms, wid: str) -> list[str]:
    numbers = devices.load(session)
    computed = [ref for each in numbers for ref in pseudonyms.refs(registry.DEFAULT, each.device, wid)]
    # A row made with a key that is gone is still the same chat.
    stored = [row["chat_ref"] for row in chats.find(session, (), wid=wid)]
    return list(dict.fromkeys([*computed, *stored]))
