"""`audit certificate`, and what `audit verify --certificate` says: proof about one chat, to hand out and to check anywhere."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output, count, mark
from chat_hygiene.core.errors import Exit, UsageError

if TYPE_CHECKING:
    from chat_hygiene.wiring.certifying import Verdict

HOW_TO_CHECK = "chat-hygiene audit verify --certificate {file} checks that, with the audit key alone"

CertificateOption = Annotated[
    Path | None,
    typer.Option(
        "--certificate",
        metavar="FILE",
        help="Checks certificates instead, with the audit key alone: no database is opened.",
    ),
]

_PROVES = (
    "It proves that whoever holds the audit key recorded this, at these places of the audit's chain, and that no byte of"
    " it was changed since. What WhatsApp and the platform did it knows from their answers only; that the ledger still"
    " holds these events `chat-hygiene audit verify` says, on the ledger."
)


def certificate(
    job: Annotated[
        int | None, typer.Option("--job", metavar="JOB", help="Of this job, which has ended.")
    ] = None,
    run: Annotated[
        int | None, typer.Option("--run", metavar="RUN", help="Of every job of this run that has ended.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="A new file; without it, stdout.")] = None,
    as_json: JsonOption = False,  # noqa: ARG001 - a certificate is JSON anyway
) -> None:
    """Issues a certificate, as JSON: what happened to a chat, when, under which rule, and what is known of each side.

    It is signed with the audit key and holds no number, no name and no reason that somebody typed. A run's certificates follow one another. Issuing is an event in the audit.

    Exit codes: 0 done, 2 nothing to certify, or the file exists, 8 the job's row does not agree with its sealed events.
    """
    if (job is None) == (run is None):
        raise UsageError(
            "name one of: --job, --run", fix="chat-hygiene audit certificate --job JOB --out FILE"
        )
    settings = start.settings()

    from chat_hygiene import wiring
    from chat_hygiene.wiring import certifying

    with wiring.open_ledger(settings) as ledger:
        made: Iterable[bytes]
        if job is not None:
            made = [certifying.of_job(ledger, job)]
        else:
            assert run is not None  # noqa: S101 - one of the two is given
            made = certifying.of_run(ledger, run)
        number = certifying.save(out, made) if out is not None else _print(made)
    output = Output()
    output.good(f"{count(number, 'certificate')} issued")
    if out is not None:
        output.say(f"  {HOW_TO_CHECK.format(file=out)}")


def verify(file: Path, *, as_json: bool) -> NoReturn:
    """Checks every certificate in a file and says what it proves. Exits with 8 when one does not hold."""
    settings = start.settings()

    from chat_hygiene.wiring import certifying

    output = Output(as_json=as_json)
    found = []
    for verdict in certifying.check(settings, file):
        found.append(verdict.problem)
        if as_json:
            continue
        if verdict.problem is None:
            _show(output, verdict)
        else:
            output.line(mark(False), f" certificate {len(found)} in {file} proves nothing: {verdict.problem}")
    bad = [each for each in found if each is not None]
    if as_json:
        output.document("audit.verify.certificate", ok=not bad, certificates=len(found), problems=bad)
    elif bad:
        output.say("  → use another copy of it, or issue it again from the ledger")
    else:
        output.say(_PROVES)
    raise typer.Exit(Exit.AUDIT_BROKEN if bad else Exit.DONE)


def _print(made: Iterable[bytes]) -> int:
    number = 0
    for each in made:
        sys.stdout.write(each.decode())
        number += 1
    sys.stdout.flush()
    return number


def _show(output: Output, verdict: "Verdict") -> None:
    assert verdict.document is not None  # noqa: S101 - it holds
    told: Mapping[str, Any] = verdict.document
    chat, rule, when = told["chat"], told["rule"], told["when"]
    output.line(
        mark(True),
        f" the certificate of job {told['job']} holds: issued by {told['issued_by']} at {told['issued_at']}",
    )
    ticket = "" if rule["ticket"] is None else f", ticket {rule['ticket']}"
    approved = "" if rule["approved_by"] is None else f", approved by {rule['approved_by']}"
    lines = (
        ("chat", f"{chat['chat_hint']}, {chat['chat_ref']}, on {chat['device']}"),
        ("ended", f"{when['ended_at']}: {told['outcome']['words']}"),
        ("rule", f"{rule['policy']}, version {rule['version']}: {rule['words']}"),
        ("asked by", f"{rule['asked_by']}, run {rule['run']}{approved}{ticket}"),
        ("WhatsApp", told["whatsapp"]["words"]),
        ("platform", told["platform"]["words"]),
        ("here", told["tables"]["words"]),
        ("events", _events(verdict)),
    )
    for name, says in lines:
        output.line(f"  {name:<10} {says}")


def _events(verdict: "Verdict") -> str:
    proven = f"{count(verdict.proven, 'event')} computed again, each as it was sealed"
    if not verdict.bound:
        return proven
    return f"{proven}; {verdict.bound} more, without what somebody typed, by the signature alone"
