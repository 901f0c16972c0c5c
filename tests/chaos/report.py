"""Makes docs/chaos.md of what a full run noted: `python report.py NOTES PAGE`. Ends with 1 if anything was missed."""

import json
import os
import platform
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

KILLS = 1000
LIVE = 0.9

HEAD = """# Chaos

What `make chaos` found on {day}, on {cores} cores ({machine}, Python {python}). Every row is a scenario that ended with
the judge of `tests/chaos/ledger_check.py`: SQL held against the log of the API's own server.

- **kills**: processes ended by SIGKILL; **live**: of these, how many held a lease at that moment.
- **lost**: jobs that did not end once the faults were over, and chats that should have gone and did not.
- **double**: more than one outcome, or more than one effect, in one chat life.
- **bad**: a DELETE that the last read before it, the policy's version, a hold or the protocol did not allow; a lease with
  two holders; anything that the ledger says and the server did not see.
- **recovery**: seconds from the end of the last fault to the end of the last job.

| scenario | engine | kills | live | lost | double | bad | recovery |
|---|---|--:|--:|--:|--:|--:|--:|
"""
TAIL = """
## Missing safeguards

Each was taken out of a copy of the product; the judge has to notice.

| without | noticed first |
|---|---|
"""


def page(notes: list[dict]) -> tuple[str, list[str]]:
    """The page, and what was missed."""
    rows = [each for each in notes if "scenario" in each]
    mutants = [each for each in notes if "mutant" in each]
    missed = [
        f"{row['scenario']} on {row['engine']}" for row in rows if row["lost"] or row["double"] or row["bad"]
    ]
    missed += [f"not noticed: {each['mutant']}" for each in mutants if not each["noticed"]]
    sums: dict[str, list[int]] = defaultdict(lambda: [0] * 5)
    lines = []
    for row in sorted(rows, key=lambda row: (row["scenario"], row["engine"])):
        counts = [row[name] for name in ("kills", "live", "lost", "double", "bad")]
        sums[row["engine"]] = [a + b for a, b in zip(sums[row["engine"]], counts, strict=True)]
        recovery = "" if row["recovery"] is None else f"{row['recovery']:.1f}"
        lines.append(line(row["scenario"], row["engine"], counts, recovery))
    for engine, counts in sorted(sums.items()):
        lines.append(line("**all**", engine, counts, ""))
        kills, live = counts[:2]
        if kills < KILLS:
            missed.append(f"{kills} kills on {engine}, and {KILLS} were to be")
        if live < LIVE * kills:
            missed.append(f"only {live} of {kills} kills on {engine} met a live lease")
    head = HEAD.format(
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        cores=os.cpu_count(),
        machine=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
    )
    ends = "".join(f"| {each['mutant']} | {each['noticed'][0]} |\n" for each in mutants if each["noticed"])
    return head + "".join(lines) + TAIL + ends, missed


def line(scenario: str, engine: str, counts: list[int], recovery: str) -> str:
    """A row of the table."""
    return f"| {scenario} | {engine} | {' | '.join(map(str, counts))} | {recovery} |\n"


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    text, misses = page([json.loads(each) for each in source.read_text().splitlines()])
    target.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    sys.exit("\n".join(["", "missed:", *misses]) if misses else 0)
