"""The open store: settings, keys and clock put together. Everything that looks, and everything that works, starts here."""

import gc
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from chat_hygiene.clock import Clock, utc_now
from chat_hygiene.core.errors import DatabaseError, InvalidInputError
from chat_hygiene.pipeline import seal
from chat_hygiene.pipeline.context import Context
from chat_hygiene.settings import Settings, SettingsError, load_settings
from chat_hygiene.store import revision
from chat_hygiene.store.engine import create_engine, reading, sessions
from chat_hygiene.store.keys import load_keys
from chat_hygiene.wiring import keyring

COLLECT_AT = 20_000
"""So many more objects made than freed before Python looks among them for cycles: more than two pages of a sync are, which
have none. With its own (700 until Python 3.12, 2,000 from then on) it would look up to a dozen times a page, for up to a tenth
of the time of a sync.
"""


@dataclass(frozen=True, slots=True)
class Ledger:
    """An open store: everything that looks, and everything that works, starts from one."""

    context: Context

    @property
    def settings(self) -> Settings:
        """The settings it was opened with."""
        return self.context.settings

    def acting_as(self, name: str) -> "Ledger":
        """The same store; what is done through it stands in the audit under this name."""
        settings = self.settings.model_copy(update={"actor": name})
        return Ledger(replace(self.context, settings=settings, actor=name))

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A read-only transaction."""
        with reading(self.context.sessions) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction; what it appended to the audit is sealed after it."""
        with self.context.sessions.begin() as session:
            yield session
        seal.run(self.context)

    def now(self) -> datetime:
        """The instant a face hands down."""
        return self.context.clock()


def settings(**overrides: object) -> Settings:
    """The settings of this process. Raises InvalidInputError with one line per problem."""
    try:
        return load_settings(**overrides)
    except SettingsError as error:
        raise InvalidInputError("\n".join(error.problems), fix="see the settings in the README") from None


@contextmanager
def open_ledger(settings: Settings, *, clock: Clock = utc_now) -> Iterator[Ledger]:
    """Opens the store; an embedded one is brought to the newest schema first, a server's must already be there.

    From then on the process looks for cycles of objects more seldom (`COLLECT_AT`).
    """
    gc.set_threshold(COLLECT_AT, *gc.get_threshold()[1:])
    engine = create_engine(settings.database_url.get_secret_value())
    try:
        _require_schema(engine, embedded=settings.sqlite_file is not None)
        context = Context(
            settings=settings,
            sessions=sessions(engine),
            keys=load_keys(settings),
            clock=clock,
            actor=settings.actor,
            owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        )
        keyring.recognise(context)
        yield Ledger(context)
    finally:
        engine.dispose()


def _require_schema(engine: Engine, *, embedded: bool) -> None:
    found = revision.current(engine)
    if found == revision.HEAD:
        return
    if not embedded:
        raise DatabaseError(
            f"the database's schema is at {found or 'nothing'}, this program needs {revision.HEAD}",
            fix="run `chat-hygiene db upgrade` once, with a role that may create tables",
        )
    from chat_hygiene.store import schema

    schema.upgrade(engine)
