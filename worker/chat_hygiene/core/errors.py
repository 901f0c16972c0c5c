"""Every error that crosses a layer, each with the exit code its face shows.

A provider maps what it meets to one of the `ProviderError`s, so that no caller ever sees an HTTP library. No message
may hold a token, a phone number or a chat id.
"""

from datetime import datetime
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command (the public contract)."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    INVALID = 3
    SAFETY_STOP = 5
    UNREACHABLE = 6
    SOME_FAILED = 7
    AUDIT_BROKEN = 8


class HygieneError(Exception):
    """Base of what a face shows as one clear line instead of a traceback.

    `fix` is the next thing to do, a sentence without a full stop, or empty.
    """

    exit_code = Exit.UNEXPECTED

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix


class InvalidInputError(HygieneError):
    """A setting or a policy is invalid."""

    exit_code = Exit.INVALID


class UsageError(HygieneError):
    """The command cannot be meant like this, or a confirmation is missing."""

    exit_code = Exit.USAGE


class UnreadablePolicyError(HygieneError):
    """A stored policy is not of this program's form: a newer one stored it. What it says nobody here knows.

    `keeps`: it may say that chats stay, so that nothing may be deleted meanwhile.
    """

    exit_code = Exit.INVALID

    def __init__(self, policy: str, version: int, *, keeps: bool) -> None:
        rest = ": while it keeps chats that nobody here knows, nothing may be deleted" if keeps else ""
        super().__init__(
            f"{policy}, version {version}, was stored by a newer program, and this one cannot read it{rest}",
            fix="use that program, or apply a file that says this policy anew",
        )
        self.policy = policy
        self.keeps = keeps


class SafetyStopError(HygieneError):
    """A brake, a stop, stale data, or a plan out of date."""

    exit_code = Exit.SAFETY_STOP


class DatabaseError(HygieneError):
    """The database cannot be reached, or its schema is not ours."""

    exit_code = Exit.UNREACHABLE


class ListenError(HygieneError):
    """An address to listen on cannot be had: another process has it, or it is not this machine's."""

    exit_code = Exit.UNREACHABLE


class AuditBrokenError(HygieneError):
    """The audit does not verify."""

    exit_code = Exit.AUDIT_BROKEN


class ProviderError(HygieneError):
    """A call to the provider's API failed.

    Attributes:
        permanent: repeating the same call for the same chat cannot help.
        unknown_outcome: the call may have acted: read before repeating it.
        status: the HTTP status, when there was an answer.
        code: the provider's own error code, when it sent one (never free text).
    """

    exit_code = Exit.UNREACHABLE
    permanent = False
    unknown_outcome = False

    def __init__(
        self, message: str, *, fix: str = "", status: int | None = None, code: str | None = None
    ) -> None:
        super().__init__(message, fix=fix)
        self.status = status
        self.code = code


class UnauthorizedError(ProviderError):
    """401, 402 or 403: the key or the plan. Blocks the device, never a reason to force."""


class NotFoundError(ProviderError):
    """404: no such chat, or no such device. Check the device before believing it of a chat."""

    permanent = True


class RefusedError(ProviderError):
    """Another 4xx: this call for this chat is refused for good."""

    permanent = True


class RateLimitedError(ProviderError):
    """429. `retry_at` is when the server allows the next call."""

    def __init__(self, message: str, *, retry_at: datetime, **more: str) -> None:
        super().__init__(message, status=429, fix=more.get("fix", ""), code=more.get("code"))
        self.retry_at = retry_at


class ConflictError(ProviderError):
    """409: try later."""


class UnavailableError(ProviderError):
    """The service did not do it: no connection could be made, so nothing was sent."""


class TooLateError(ProviderError):
    """The request could not leave in time: the read that it stands on grew too old. Nothing was sent."""


class UnknownOutcomeError(ProviderError):
    """5xx, time-out, reset or half an answer after the request went out: it may have acted."""

    unknown_outcome = True


class BadAnswerError(ProviderError):
    """An answer that is not what the API promises (not JSON, too large, wrong shape, the wrong chat)."""

    unknown_outcome = True
