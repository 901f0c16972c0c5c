"""The plan of a preview: exactly the chats that a person looked at, signed, so that `run --plan` can let no other go. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from chat_hygiene.core import signed
from chat_hygiene.core.errors import InvalidInputError, SafetyStopError
from chat_hygiene.pipeline.preview import Match
from chat_hygiene.settings import MAX_CLOCK_SKEW
from chat_hygiene.store import lists

VERSION: Literal[1] = 1
"""Of the file's shape."""
_AGAIN = "make a new one: chat-hygiene preview --out FILE"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Candidate(_Part):
    """One chat life; `device` is the provider's id of its number."""

    chat_ref: str
    device: str
    generation: int


class Planned(_Part):
    """What one version of one policy would delete. `digest` is the one that its run will have, for a person to compare."""

    policy: str
    version: int
    digest: str
    candidates: tuple[Candidate, ...]

    @classmethod
    def of(cls, policy: str, version: int, chats: Sequence[Match]) -> "Planned":
        """Exactly these chats."""
        return cls(
            policy=policy,
            version=version,
            digest=lists.digest((chat.chat_ref, chat.generation) for chat in chats),
            candidates=tuple(
                Candidate(chat_ref=chat.chat_ref, device=chat.device, generation=chat.generation)
                for chat in chats
            ),
        )


class Plan(_Part):
    """A whole plan."""

    version: Literal[1] = VERSION
    kind: Literal["plan"] = "plan"
    made_at: AwareDatetime
    expires_at: AwareDatetime
    policies: tuple[Planned, ...]

    @property
    def chats(self) -> int:
        """How many chats are in it, over all policies."""
        return sum(len(each.candidates) for each in self.policies)


def make(policies: Sequence[Planned], *, now: datetime, lasts: timedelta) -> Plan:
    """A plan that is good for as long as `lasts` from now."""
    return Plan(made_at=now, expires_at=now + lasts, policies=tuple(policies))


def write(plan: Plan, key: bytes) -> bytes:
    """The bytes of its file."""
    return signed.write(plan.model_dump(mode="json"), key)


def read(data: bytes, key: bytes, *, source: str) -> Plan:
    """The plan of a file, once it is proven that `write` made it with this key, to the byte: what a person read is what is done.

    Raises InvalidInputError when it is no plan that this program knows, SafetyStopError when it was altered.
    """
    document = signed.parse(data, "plan")
    if document is None:
        raise InvalidInputError(
            f"{source} is no plan", fix="chat-hygiene preview --out FILE makes one: name that file"
        )
    if document.get("version") != VERSION:
        raise InvalidInputError(f"{source} is a plan of another version of this program", fix=_AGAIN)
    try:
        plan = Plan.model_validate(document)
    except ValidationError:
        plan = None
    if plan is None or not signed.holds(plan.model_dump(mode="json"), data, key):
        raise SafetyStopError(
            f"{source} is not as it was written, or was made with another AUDIT_KEY: nothing was done",
            fix=_AGAIN,
        )
    return plan


def check(plan: Plan, *, now: datetime) -> None:
    """Raises SafetyStopError when it may not be carried out any more."""
    if now >= plan.expires_at:
        raise SafetyStopError(
            f"the plan is out of date since {plan.expires_at:%Y-%m-%d %H:%M} UTC: nothing was done",
            fix=_AGAIN,
        )
    if plan.made_at > now + MAX_CLOCK_SKEW:
        raise SafetyStopError(
            f"the plan was made at {plan.made_at:%Y-%m-%d %H:%M} UTC, which is still to come: nothing was done",
            fix="check this machine's clock, then make a new plan",
        )
