"""Whether this process has the pseudonym keys that the store needs, and what stands under each."""

from collections.abc import Sequence

from chat_hygiene.core.errors import InvalidInputError
from chat_hygiene.pipeline.context import Context
from chat_hygiene.settings import PREFIX
from chat_hygiene.store import keyring
from chat_hygiene.store.engine import reading
from chat_hygiene.store.keyring import Standing

_SETTING = f"{PREFIX}PSEUDONYM_KEY"


def recognise(context: Context) -> None:
    """Raises InvalidInputError when a key is another than the one that the store knows by its id; notes those that are new.

    With a wrong key no chat would be recognised that comes back, and a hold on its number would cover nothing.
    """
    prints = context.keys.pseudonyms.prints()
    with reading(context.sessions) as session:
        strangers, known = keyring.strangers(session, prints), keyring.all_known(session, prints)
    if strangers:
        raise InvalidInputError(
            f"the pseudonym key {' and '.join(strangers)} is not the one that this database was written with",
            fix=f"restore it from a backup; if it is lost for good, give the new one an id of its own in {_SETTING}: 2:KEY",
        )
    if not known:
        with context.sessions.begin() as session:
            keyring.remember(session, prints)


def require(context: Context) -> None:
    """For whoever is about to sync or delete.

    Raises InvalidInputError when a hold or a policy protects a chat that none of this process's keys would recognise.
    """
    with reading(context.sessions) as session:
        found = keyring.unprotected(session, context.keys.pseudonyms.ids, now=context.clock())
    if found is None:
        return
    protects = [f"hold {hold_id}" for hold_id in found.holds] + [f"policy {name}" for name in found.policies]
    raise InvalidInputError(
        f"the pseudonym key {' and '.join(found.key_ids)} is missing: should the chats come back that are named by"
        f" {_some(protects)}, nothing would protect them",
        fix=f"put it back into {_SETTING}, behind the newest; or name these chats anew, and release the old holds",
    )


def standing(context: Context) -> Sequence[Standing]:
    """What stands under each key, the one that writes first."""
    with reading(context.sessions) as session:
        return keyring.standing(session, context.keys.pseudonyms.ids, now=context.clock())


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
