"""`doctor`: everything that the job depends on, and how it stands, one line each, with the way out when it is not well."""

from collections.abc import Generator, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from chat_hygiene.cli import keys, notify, start, undone
from chat_hygiene.cli.output import JsonOption, Output, count, mark, name_of, span
from chat_hygiene.cli.undone import Check
from chat_hygiene.core.errors import Exit, HygieneError, InvalidInputError

if TYPE_CHECKING:
    from chat_hygiene.core.facts import DeviceFacts
    from chat_hygiene.settings import Settings
    from chat_hygiene.store.policies import StoredPolicy
    from chat_hygiene.wiring import Number
    from chat_hygiene.wiring.health import Health


def doctor(as_json: JsonOption = False) -> None:
    """Checks settings, database, keys, audit, the worker, the API, the token and each number; says how to mend what is not well.

    Reads one chat of each number to see whether its plan allows it; changes and deletes nothing.

    Exit codes: 0 all is well, 3 a setting is wrong or missing, 6 something cannot be reached or used, 8 the audit does not verify.
    """
    output = Output(as_json=as_json)
    checks = []
    for check in _checks():
        checks.append(check)
        if not as_json:
            output.line(mark(check.ok), f" {check.part}: {check.says}")
            if check.fix:
                output.line(f"    → {check.fix}")
    code = next((check.code for check in checks if check.ok is False), Exit.DONE)
    if as_json:
        rows = [
            {"part": each.part, "ok": each.ok, "says": each.says, "fix": each.fix or None} for each in checks
        ]
        output.document("doctor", exit_code=code, checks=rows)
    raise typer.Exit(code)


def _checks() -> Iterator[Check]:
    from chat_hygiene.settings import SettingsError

    try:
        settings = start.settings()
    except SettingsError as error:
        for problem in error.problems:
            yield Check("settings", False, problem, "correct it in the environment or in .env", Exit.INVALID)
        return
    yield Check(
        "settings", True, "valid" + (", READ_ONLY: nothing can be deleted" if settings.read_only else "")
    )
    yield from notify.checks(settings)
    stored = yield from _store(settings)
    yield from _account(settings, stored)


def _store(settings: "Settings") -> "Generator[Check, None, Sequence[StoredPolicy]]":
    """Returns the stored policies, none when the store cannot be opened."""
    from chat_hygiene import wiring

    try:
        with wiring.open_ledger(settings) as ledger:
            _, needed = wiring.schema_versions(settings)
            where = settings.sqlite_file or "the PostgreSQL server"
            yield Check("database", True, f"{where}, schema {needed}")
            yield from keys.checks(ledger)
            verdict = wiring.verify_audit(ledger)
            stored = [each for each, _ in wiring.policies(ledger)]
            unreadable = wiring.unreadable(ledger)
            now = ledger.now()
            standing = wiring.standing(ledger, now=now)
    except HygieneError as error:
        part = "keys" if isinstance(error, InvalidInputError) else "database"
        yield Check(part, False, str(error), error.fix, error.exit_code)
        return []
    if verdict.ok:
        yield Check("audit", True, f"{count(verdict.sealed, 'event')} proven")
    else:
        fix = "keep the database as it is, and compare it with a backup or an export"
        yield Check("audit", False, f"does not verify: {verdict.problem}", fix, Exit.AUDIT_BROKEN)
    for each in unreadable:
        yield Check("policy", False, str(each), each.fix, each.exit_code)
    yield _worker(standing.health)
    yield from undone.checks(standing, settings, now)
    return stored


def _worker(health: "Health") -> Check:
    """The background worker: whether each of its parts worked lately."""
    from chat_hygiene.wiring.health import SILENCE

    parts = [part for part in health.parts if part.name in SILENCE]
    silent = [part for part in parts if not part.ok]
    ages = [part.age_seconds for part in parts if part.age_seconds is not None]
    if not ages:
        says = "none has ever run here: policies run only when you type `run`"
        return Check("worker", None, says, "start `chat-hygiene up`, and policies run on their schedules")
    if not silent:
        return Check("worker", True, f"each part worked within the last {span(timedelta(seconds=max(ages)))}")
    if len(silent) == len(parts):
        says = (
            f"gave no sign of life for {span(timedelta(seconds=min(ages)))}: no policy runs on its schedule"
        )
    else:
        says = f"only in part: no sign of life lately from {', '.join(part.name for part in silent)}"
    return Check(
        "worker",
        False,
        says,
        "start `chat-hygiene up` again, or the worker and beat; the log says what stopped them",
    )


def _account(settings: "Settings", stored: "Sequence[StoredPolicy]") -> Iterator[Check]:
    from chat_hygiene import wiring
    from chat_hygiene.core.errors import UnauthorizedError
    from chat_hygiene.settings import MAX_CLOCK_SKEW

    try:
        account = wiring.check_account(settings)
    except InvalidInputError as error:
        yield Check("token", False, str(error), error.fix, error.exit_code)
        return
    except UnauthorizedError as error:
        yield Check("API", True, f"{settings.api_url} answers")
        yield Check("token", False, str(error), error.fix)
        return
    except HygieneError as error:
        yield Check("API", False, str(error), error.fix, error.exit_code)
        return
    yield Check("API", True, f"{settings.api_url} answers")
    yield Check("token", True, "accepted")
    skew = account.clock_skew
    if skew is not None and abs(skew) > MAX_CLOCK_SKEW:
        says = f"ours and the API's are {abs(skew).total_seconds():,.0f} s apart, so nothing is deleted"
        yield Check("clock", False, says, "set this machine's clock, best by NTP")
    if not account.numbers:
        yield Check("numbers", None, "the account has none", "connect one in the provider's console")
    for number in account.numbers:
        yield _number(number) or _cleaning(number.facts, stored, settings)


def _number(number: "Number") -> Check | None:
    """What stops this number from being worked with; None when nothing does."""
    from chat_hygiene.core.errors import UnauthorizedError

    facts, refusal = number.facts, number.refusal
    part = name_of(facts.alias, facts.device)
    if facts.status != "operative":
        says = f"its status is {facts.status or 'not known'}, so it cannot be used"
        return Check(part, False, says, "put it into operation in the provider's console")
    if facts.product not in {None, "io"} or (
        isinstance(refusal, UnauthorizedError) and refusal.status == 402
    ):
        says = "its plan gives no access to chats"
        return Check(part, False, says, "move this number to the Platform plan in the provider's console")
    if refusal is not None:
        return Check(part, False, f"its chats cannot be read: {refusal}", refusal.fix)
    if facts.session_status != "online":
        says = f"its WhatsApp session is {facts.session_status or 'not known'}: nothing can be deleted in WhatsApp"
        return Check(part, False, says, "bring the phone or the session online, then run doctor again")
    return None


def _cleaning(facts: "DeviceFacts", stored: "Sequence[StoredPolicy]", settings: "Settings") -> Check:
    """A usable number: whether the vendor's own clean-up comes before a policy."""
    from chat_hygiene import wiring
    from chat_policies.durations import words

    part, kept = name_of(facts.alias, facts.device), facts.retention_policy
    try:
        undercut = wiring.undercut(facts, stored, settings)
    except ValueError:
        says = f'online, but the vendor keeps its chats for "{kept}", and that is no length we know'
        fix = "look in the provider's console: a chat that goes there first is never deleted in WhatsApp"
        return Check(part, None, says, fix)
    if not undercut:
        return Check(part, True, "online, with access to chats")
    waits = ", ".join(f"{name} ({words(wait)})" for name, wait in undercut)
    says = f"online, but the vendor drops its chats after {kept}, before these policies with their grace delete them: {waits}"
    fix = "let the vendor keep them longer, in its console, or let the policies wait less (never under MIN_AGE_SECONDS)"
    return Check(part, None, says, fix)
