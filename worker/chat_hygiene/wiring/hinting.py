"""What a webhook tells, taken as a hint to read again. It changes no fact, queues no job, and can make nothing be deleted."""

from datetime import datetime

from chat_hygiene.providers import registry
from chat_hygiene.store import hints
from chat_hygiene.wiring.ledger import Ledger


def hear(ledger: Ledger, body: object, *, now: datetime) -> bool:
    """Notes which chat or number the JSON of a webhook says has changed. False: nothing that we know or follow.

    A chat that is not known, because it is new or came back, makes its number be read.
    """
    notice = registry.notice(body)
    if notice is None:
        return False
    provider, context = registry.DEFAULT, ledger.context
    with context.sessions.begin() as session:
        if notice.wid is not None:
            refs = context.keys.pseudonyms.refs(provider, notice.device, notice.wid)
            if hints.chat(session, provider, notice.device, refs, now=now):
                return True
        return hints.device(session, provider, notice.device, now=now)
