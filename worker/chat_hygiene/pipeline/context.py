"""What every stage works with. Made by the wiring, once per process."""

from dataclasses import dataclass, field
from random import Random

from sqlalchemy.orm import Session, sessionmaker

from chat_hygiene.clock import Clock
from chat_hygiene.settings import Settings
from chat_hygiene.store.keys import Keys


@dataclass(frozen=True, slots=True)
class Context:
    """Settings, the store, the keys, the clock, and in whose name things are done."""

    settings: Settings
    sessions: sessionmaker[Session]
    keys: Keys
    clock: Clock
    actor: str
    owner: str
    """This worker's name in leases: host, process and a random part."""
    rng: Random = field(default_factory=Random)
