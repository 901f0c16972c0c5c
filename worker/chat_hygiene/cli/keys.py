"""What `doctor` says of the keys: where they come from, what stands under each pseudonym key, and what lacks one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chat_hygiene.cli.output import count
from chat_hygiene.cli.undone import Check
from chat_hygiene.core.errors import Exit, InvalidInputError

if TYPE_CHECKING:
    from chat_hygiene.store.keyring import Standing
    from chat_hygiene.wiring import Ledger


def checks(ledger: "Ledger") -> Iterator[Check]:
    """One line for the keys at hand, and one for those that are missing and needed, if there are such."""
    from chat_hygiene.wiring import keyring

    settings = ledger.settings
    kept = None in (settings.pseudonym_key, settings.audit_key)
    from_where = "kept beside the database: back them up, and apart from it" if kept else "from the settings"
    found = keyring.standing(ledger.context)
    yield Check("keys", True, f"{from_where}; {'; '.join(_words(each) for each in found if each.given)}")
    try:
        keyring.require(ledger.context)
    except InvalidInputError as error:
        yield Check("keys", False, f"nothing is synced or deleted: {error}", error.fix, Exit.INVALID)
        return
    for each in found:
        if not each.given and each.live:
            says = (
                f"{count(each.live, 'chat')} here {'has' if each.live == 1 else 'have'} a pseudonym of the key {each.key_id},"
                " which is not given: once gone, nobody can find them by their number"
            )
            fix = "put it back, behind the newest; or do nothing if it was meant to be destroyed"
            yield Check("keys", None, says, fix)


def _words(each: "Standing") -> str:
    if not each.live and not each.past and not each.holds:
        return f"pseudonym key {each.key_id}: nothing yet"
    holds = f", {count(each.holds, 'hold')}" if each.holds else ""
    return f"pseudonym key {each.key_id}: {count(each.live, 'chat')} here, {each.past:,} past{holds}"
