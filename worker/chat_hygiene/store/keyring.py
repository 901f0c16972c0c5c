"""The pseudonym keys as the stored rows know them: whether a key is the one it was, and what still needs which.

A chat keeps the pseudonym that its row was made with, for holds, policies and the audit name it. So a key may be taken
away only when nothing that protects a chat depends on it: a row that has its id is recognised by the id, any other only
by its pseudonym.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from chat_hygiene.store import holds
from chat_hygiene.store.tables import chats, policies, policy_versions, switches

_NAME = "pseudonym_keys"


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands under one key.

    Attributes:
        given: it is among the keys of this process.
        live: chats that have their id still: there, or removed and owed.
        past: chats whose id was erased: only this key tells whose they are.
        holds: holds on single chats in force.
    """

    key_id: str
    given: bool
    live: int
    past: int
    holds: int


@dataclass(frozen=True, slots=True)
class Unprotected:
    """What names a chat by a pseudonym that no given key makes, so that the chat would come back unprotected."""

    holds: tuple[int, ...]
    policies: tuple[str, ...]
    key_ids: tuple[str, ...]


def strangers(session: Session, prints: Mapping[str, str]) -> list[str]:
    """Ids of the keys whose print is another than the one known under their id."""
    known = _known(session)
    return [key_id for key_id, mark in prints.items() if known.get(key_id, mark) != mark]


def all_known(session: Session, prints: Mapping[str, str]) -> bool:
    """Whether each of these keys was used here before, under its id."""
    return prints.items() <= _known(session).items()


def remember(session: Session, prints: Mapping[str, str]) -> None:
    """Keeps the prints of keys that are new here; one that is known under an id stays."""
    session.execute(select(switches.c.name).where(switches.c.name == _NAME).with_for_update()).one()
    session.execute(
        update(switches).where(switches.c.name == _NAME).values(detail={**prints, **_known(session)})
    )


def standing(session: Session, given: Collection[str], *, now: datetime) -> list[Standing]:
    """What stands under each key that is given, the given ones first, and under each that is not."""
    counts = select(chats.c.key_id, func.count(chats.c.wid), func.count()).group_by(chats.c.key_id)
    rows = {key_id: (live, every - live) for key_id, live, every in session.execute(counts)}
    held = holds.by_key(session, now=now)
    return [
        Standing(key_id, key_id in given, *rows.get(key_id, (0, 0)), held.get(key_id, 0))
        for key_id in dict.fromkeys((*given, *sorted({*rows, *held})))
    ]


def unprotected(session: Session, given: Collection[str], *, now: datetime) -> Unprotected | None:
    """The holds in force, and the policies, that protect a chat which no given key would recognise; None: there are none."""
    held = holds.unrecognised(session, given, now=now)
    named = _unrecognised_policies(session, given)
    if not held and not named:
        return None
    return Unprotected(
        tuple(hold_id for hold_id, _ in held),
        tuple(sorted({name for name, _ in named})),
        tuple(sorted({key_id for _, key_id in (*held, *named)})),
    )


def _unrecognised_policies(session: Session, given: Collection[str]) -> list[tuple[str, str]]:
    current = and_(
        policy_versions.c.policy_id == policies.c.id, policy_versions.c.version == policies.c.version
    )
    query = select(policies.c.name, policy_versions.c.document).join(policy_versions, current)
    naming: dict[str, list[str]] = {}
    for row in session.execute(query.where(policies.c.state != "retired")):
        for ref in _refs(row.document):
            naming.setdefault(ref, []).append(row.name)
    if not naming:
        return []
    lost = select(chats.c.chat_ref, chats.c.key_id).where(
        chats.c.chat_ref.in_(naming), chats.c.wid.is_(None), chats.c.key_id.not_in(given)
    )
    return [(name, row.key_id) for row in session.execute(lost) for name in naming[row.chat_ref]]


def _refs(document: object) -> Iterator[str]:
    """The pseudonyms that a stored policy names, wherever they stand in it."""
    if isinstance(document, str) and document.startswith("chat_"):
        yield document
    elif isinstance(document, Mapping):
        yield from (ref for value in document.values() for ref in _refs(value))
    elif isinstance(document, list):
        yield from (ref for value in document for ref in _refs(value))


def _known(session: Session) -> dict[str, str]:
    detail = session.execute(select(switches.c.detail).where(switches.c.name == _NAME)).scalar_one()
    return detail or {}
