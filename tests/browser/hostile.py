"""Names that try to be more than names, written into every column of a ledger that can hold what somebody typed."""

import json

from sqlalchemy import Engine, text

MARK = "escaped"
"""What each of them would set as `window.escaped`, or as an element's id, if it got out."""
LONG = "Señor" + "w" * 120
CORPUS = (
    f"<script>window.{MARK}=1</script>",
    f'"><img id={MARK} src=x onerror="window.{MARK}=1">',
    f"' onmouseover='window.{MARK}=1' autofocus onfocus='window.{MARK}=1' x='",
    f"</bdi></title></textarea><svg id={MARK} onload=window.{MARK}=1>",
    f"javascript:window.{MARK}=1",
    "{{ 7 * 7 }}{% include 'x' %}",
    f"<!--><iframe id={MARK} srcdoc='<script>parent.{MARK}=1</script>'></iframe>",
    f"\u202e]]><a id={MARK} href='javascript:window.{MARK}=1'>&lt;script&gt;",
    LONG,
)
ACTOR = "ana <b onload=x>"
COLUMNS = {
    "devices": ("alias", "blocked_reason"),
    "chats": ("name", "agent", "department"),
    "policies": ("name",),
    "policy_versions": ("created_by", "rule", "reason"),
    "policy_runs": ("requested_by", "approved_by", "reason"),
    "jobs": ("reason", "error_code"),
    "holds": ("reason", "held_by", "released_by", "label_shown"),
    "audit_events": ("actor", "policy", "device"),
}


def spoil(engine: Engine) -> None:
    """Writes them in turn: each row of a column has another one. The triggers that guard the audit go first."""
    with engine.begin() as connection:
        guards = connection.execute(text("select name from sqlite_master where type = 'trigger'"))
        for (name,) in guards.all():
            connection.execute(text(f'drop trigger "{name}"'))
        for table, columns in COLUMNS.items():
            for place, column in enumerate(columns):
                for row in connection.scalars(text(f"select rowid from {table}")).all():
                    bad = CORPUS[(row + place) % len(CORPUS)]
                    connection.execute(
                        text(f"update {table} set {column} = :bad where rowid = :row"),
                        {"bad": f"{row}{bad}" if column == "name" else bad, "row": row},
                    )
        connection.execute(text("update chats set labels = :labels"), {"labels": json.dumps(CORPUS)})
        detail = {"because": "".join(CORPUS[:4]), "name": CORPUS[1]}
        connection.execute(text("update audit_events set detail = :detail"), {"detail": json.dumps(detail)})
