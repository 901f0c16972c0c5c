"""Writes what is said in the code and read elsewhere: `make docs`. A test holds every file to what this would write."""

# ruff: noqa: INP001 - a script of this checkout, no package
import sys
from collections.abc import Callable
from pathlib import Path

from chat_hygiene.core.events import Event
from chat_hygiene.store import app_rights, grants
from chat_hygiene.store.views import VIEWS, Kind, View

ROOT = Path(__file__).parents[1]

KINDS: dict[Kind, tuple[str, str]] = {
    "text": ("text", "TEXT"),
    "integer": ("integer or bigint", "INTEGER"),
    "instant": ("timestamptz", "TEXT, `2026-05-09T03:00:00.000000Z`"),
    "day": ("date", "TEXT, `2026-05-09`"),
    "boolean": ("boolean", "INTEGER, 0 or 1"),
}
"""What each kind of column is on PostgreSQL and on SQLite."""

REPORT_VIEWS = """\
# The report views, version 1

Twelve views of the database are what dashboards, notebooks and spreadsheets may build on. [questions.md](questions.md) has
the usual questions as queries.

**The promise.** Within `report_v1` no view and no column is renamed, moved, removed or given another type or meaning; a column
may be added at the end of a view, so name the columns you read. What has to change otherwise comes as `report_v2`, beside these.
Both engines show the same rows. A value that is not known is NULL.

**What they never show**: a phone number, a chat's name, or what a person typed as a reason. A chat is its pseudonym
(`chat_ref`) and a hint (`chat_hint`: country code and last two digits). Pseudonyms remain personal data. A label of a hold and the labels
in a rule are shown as they are but for phone numbers, which are masked.

**Times** are instants in UTC. On SQLite they are text that sorts and compares as text.

| kind | PostgreSQL | SQLite |
|---|---|---|
{kinds}

## Who may read them

On PostgreSQL, a role that can do nothing else:

```sh
chat-hygiene db grants --role report --timeout 30s | psql --set ON_ERROR_STOP=1 DATABASE
```

Run it again after each upgrade of the schema. It takes back what else the role was given, and fails, changing nothing, where
the role could still do more. The time-out and the read-only default guard against accidents: whoever is the role can lift them
for a session, and can keep a connection busy, so give it a connection limit too if strangers write the queries.

An SQLite file has no roles: whoever can read it reads all of it, names and numbers too. For readers, make a copy that holds
the reports alone; `sqlite3 reports.db < FILE` with these lines:

```sql
{copy}
```

Whoever may see everything can also open the file itself, read-only, while the service runs: `sqlite3 'file:chat-hygiene.db?mode=ro'`,
or `datasette chat-hygiene.db`.
{views}
"""


def report_views() -> str:
    """docs/report-views.md."""
    copy = ["ATTACH 'file:chat-hygiene.db?mode=ro' AS ledger;"]
    copy += [f"CREATE TABLE {view.name} AS SELECT * FROM ledger.{view.name};" for view in VIEWS]  # noqa: S608 - our own names
    return REPORT_VIEWS.format(
        kinds="\n".join(f"| {kind} | {there} | {here} |" for kind, (there, here) in KINDS.items()),
        copy="\n".join(copy),
        views="".join(map(_view, VIEWS)),
    )


def _view(view: View) -> str:
    lines = "\n".join(f"| `{column.name}` | {column.kind} | {column.doc} |" for column in view.columns)
    return f"\n## {view.name}\n\n{view.doc}.\n\n| column | kind | meaning |\n|---|---|---|\n{lines}\n"


AUDIT_EVENTS = """\
# The events of the audit

Everything that changes what the service does or has done is an event, stored in the same transaction as the change. This is the
closed set of their kinds. `chat-hygiene audit list` and `audit export` show them, `report_v1_audit` lets dashboards read them.

An event is a row of `seq`, `at` (an instant in UTC), `kind`, `actor` (a person, or the process that did it), and what it is
about, as far as it applies: `policy`, `policy_version`, `run_id`, `job_id`, `device`, `chat_ref` (the chat's pseudonym),
`outcome` (the state that a job or a run ended in) and `detail`, a JSON object of further facts. No event holds a phone number or a name.

| fact | holds |
|---|---|
| `because` | the reason that a person typed; the report views leave it out |
{facts}

Rows are only ever added. Each is chained to all before it by a keyed hash, and `chat-hygiene audit verify` shows any change.
After `AUDIT_KEPT_SECONDS` (24 months) the oldest may be purged; the purge is an event itself.

| kind | what happened | facts in `detail` |
|---|---|---|
{kinds}
"""
FACTS = {
    "whatsapp, platform": "what is known of the chat in WhatsApp and on the platform",
    "debt": "why it is still owed in WhatsApp",
    "error": "the class of what went wrong",
    "digest": "SHA-256 over the chats that a decision was about, to compare them",
    "clause": "the condition that kept the chat",
}


def audit_events() -> str:
    """docs/audit-events.md."""
    kinds = (
        f"| `{kind}` | {kind.meaning} | {', '.join(f'`{fact}`' for fact in kind.facts)} |" for kind in Event
    )
    facts = (
        f"| {', '.join(f'`{each}`' for each in fact.split(', '))} | {holds} |"
        for fact, holds in FACTS.items()
    )
    return AUDIT_EVENTS.format(kinds="\n".join(kinds), facts="\n".join(facts))


def report_grants() -> str:
    """What deploy/report-role.sql runs."""
    return f"-- Made by `make docs`, as `chat-hygiene db grants --role report` prints it.\n{grants.reporting('report')}"


def app_grants() -> str:
    """What deploy/app-role.sql runs."""
    made = "-- Made by `make docs`, as `chat-hygiene db grants --app chat_hygiene_app` prints it.\n"
    return f"{made}{app_rights.application('chat_hygiene_app')}"


DOCUMENTS: dict[str, Callable[[], str]] = {
    "docs/report-views.md": report_views,
    "docs/audit-events.md": audit_events,
    "deploy/app-grants.sql": app_grants,
    "deploy/report-grants.sql": report_grants,
}
"""Each file, from the root of the checkout, and what makes its text."""


def written() -> dict[str, str]:
    """What each file should say, with one line's end at its end."""
    return {name: f"{text().rstrip()}\n" for name, text in DOCUMENTS.items()}


if __name__ == "__main__":
    for name, text in written().items():
        ROOT.joinpath(name).write_text(text, encoding="utf-8")
        sys.stderr.write(f"wrote {name}\n")
