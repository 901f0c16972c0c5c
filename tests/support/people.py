"""People who are made to be found: an inbox in which every field that can hold text holds somebody, and the search for them.

`found` reads a text as a person would: whatever the separators, the script of the digits, the case or the JSON escapes.
"""

import re
import unicodedata
from datetime import datetime, timedelta

from chat_hygiene.providers.fake.records import api_time, chat_record, device_record

DEVICE, OTHER = "5f0c1d2e3a4b5c6d7e8f9a0b", "5f0c1d2e3a4b5c6d7e8f9a0c"
HELD, KEPT, ERASED, REFUSED, VANISHED, WATCHED = (f"4477009123{number:02d}@c.us" for number in range(1, 7))
NAMES = ("Zwetlana", "Ζηνοβία", "عبدالقدوس", "Quirinus", "corpus.example")
GROUP, PRIVATE, PHONE = "120363098761234567", "99887712345678", "+447700955001"
NUMBER = "+44 7700 9123{:02d}"

# One number as people write it. The last nine digits are what is searched for.
SPELLINGS = (
    "+44 7700 912-3{:02d}",
    "00447700.9123{:02d}",
    "(07700) 9123{:02d}",
    "44\u00a07700\u2011912\u200b3{:02d}",
    "４４７７００９１２３{:02d}",  # noqa: RUF001 - full-width digits
    "\u0664\u0664\u0667\u0667\u0660\u0660\u0669\u0661\u0662\u0663{:02d}",
)


def fill(world, *, now: datetime, chats: int = 16) -> None:
    """Two numbers, and chats that have gone unanswered for long, each with somebody in each of its fields."""
    world.add_device(DEVICE_RECORD)
    world.add_device(device_record(OTHER, alias="Sales", phone="+447700955002"))
    for number in range(1, chats + 1):
        spelt = SPELLINGS[number % len(SPELLINGS)].format(number)
        name = f"{NAMES[number % 4]} <b>{spelt}</b>"
        person = {"name": name, "email": f"zwetlana{number}@corpus.example", "phone": spelt, "notes": name}
        at = api_time(now - timedelta(days=60 + number))
        fields = {
            "name": name,
            "status": "pending" if _wid(number) in {VANISHED, WATCHED} else "resolved",
            "statusUpdatedAt": at,
            "labels": [
                name,
                spelt,
                person["email"],
                *(["keep +44 7700 955003"] if _wid(number) == KEPT else []),
            ],
            "contact": {**person, "wid": _wid(number), "metadata": [{"key": "alias", "value": name}]},
            "owner": {"agent": {"id": person["email"], "displayName": name}, "department": spelt},
            "lastMessage": {"body": f"call me: {spelt}", "from": _wid(number), "pushName": name},
        }
        world.add_chat(
            DEVICE, chat_record(_wid(number), last_message_at=now - timedelta(days=60 + number), **fields)
        )
    odd = {
        "name": "Quirinus",
        "status": "zwetlana 447700912390",
        "waStatus": "447700912391@c.us",
        "type": "447700912392",
    }
    world.add_chat(DEVICE, chat_record("447700912390@c.us", last_message_at=now, **odd))
    world.add_chat(
        DEVICE, chat_record(f"{GROUP}@g.us", last_message_at=now, type="group", name="Zwetlana & Quirinus")
    )
    world.add_chat(OTHER, chat_record(f"{PRIVATE}@lid", last_message_at=now, name="+44 7700 912380"))


DEVICE_RECORD = device_record(DEVICE, alias="Support +44 7700 955-004", phone=PHONE)
ECHO = (
    '{"status": 400, "message": "no chat 447700912301@c.us of Zwetlana", "errorCode": "e:447700912301",'
    ' "name": "Quirinus"}'
)
NUMBERS = (
    *(f"7009123{number:02d}" for number in (*range(1, 17), 80, 90, 91, 92)),
    *(f"70095500{number}" for number in range(1, 5)),
    GROUP,
    PRIVATE,
)
"""Digits of everybody's number, without what a country code or a trunk prefix may be."""


def _wid(number: int) -> str:
    return f"4477009123{number:02d}@c.us"


def squeezed(text: str) -> str:
    """The letters and digits of the text, as one run: digits in ASCII, letters without case."""
    unescaped = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    return "".join(_plain(char) for char in unicodedata.normalize("NFKC", unescaped) if char.isalnum())


def _plain(char: str) -> str:
    return str(unicodedata.decimal(char)) if char.isdecimal() else char.casefold()


def found(text: str, *, names: bool = True) -> set[str]:
    """Who of them is in the text: by number, and by name unless `names` is off."""
    run = squeezed(text)
    return {each for each in (*NUMBERS, *(NAMES if names else ())) if squeezed(each) in run}
