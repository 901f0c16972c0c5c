"""Puts the verbs together, and turns whatever ends one into a message and an exit code."""

import io
import sys
from typing import NoReturn

import typer

from chat_hygiene.cli import (
    apply,
    audit,
    audit_files,
    certificate,
    config,
    db,
    debt,
    demo,
    doctor,
    erase,
    explain,
    failures,
    fake_api,
    grants,
    history,
    hold,
    init,
    jobs,
    notify,
    pausing,
    policy,
    preview,
    run,
    runs,
    schedule,
    stop,
    sync,
    up,
    web,
    webhooks,
    worker,
)
from chat_hygiene.core.errors import Exit

app = typer.Typer(
    name="chat-hygiene",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Retention for WhatsApp inboxes: deletes exactly what a policy says, and can prove it.\n\n"
    "[bold]demo[/bold] shows the whole job without an account. For your own: [bold]init[/bold], [bold]doctor[/bold],"
    " [bold]sync[/bold], [bold]policy apply[/bold], [bold]preview[/bold], [bold]run[/bold].",
    epilog="Exit codes: 0 done · 1 unexpected · 2 usage, or a confirmation is missing · 3 a policy or a setting is"
    " invalid · 5 a safety stop · 6 a dependency cannot be reached · 7 finished, some deletions failed · 8 the audit"
    " does not verify",
)

# The order of the help: what somebody new needs, in the order in which they need it.
app.command("demo")(demo.demo)
app.command("init")(init.init)
app.command("doctor")(doctor.doctor)
app.command("sync")(sync.sync)
policy.app.command("apply")(apply.apply)
policy.app.command("history")(history.history)
policy.app.command("pause")(pausing.pause)
policy.app.command("resume")(pausing.resume)
app.add_typer(policy.app, name="policy")
app.command("preview")(preview.preview)
app.command("run")(run.run)
app.add_typer(runs.app, name="runs")
app.command("schedule")(schedule.schedule)
app.command("up")(up.up)
app.command("explain")(explain.explain)
app.command("erase")(erase.erase)
app.add_typer(hold.app, name="hold")
app.command("stop")(stop.stop)
app.command("start")(stop.start)
app.add_typer(jobs.app, name="jobs")
app.add_typer(debt.app, name="debt")
for verb in (certificate.certificate, audit_files.export, audit_files.head, audit_files.purge):
    audit.app.command()(verb)
app.add_typer(audit.app, name="audit")
db.app.command("grants")(grants.grants)
app.add_typer(db.app, name="db")
app.add_typer(config.app, name="config")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(notify.app, name="notify")
app.add_typer(web.app, name="web")
app.command("worker")(worker.worker)
app.command("beat")(worker.beat)
app.command("fake-api")(fake_api.fake_api)


def main() -> NoReturn:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows no ✔ gets an escape, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the last place that can still say it in plain words
        sys.exit(failures.show(error, as_json="--json" in sys.argv))
    sys.exit(Exit.DONE)
