"""The suite can fail: each safeguard is taken out of a copy of the product, and the judge has to notice."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaos.arena import Arena, arena
from chaos.conftest import ONE_ENGINE, note, picked
from support.databases import SqliteDatabases

ROOT = Path(__file__).parents[2]
PACKAGES = ("worker", "policies", "migrations")
GATE, REMOVAL, MOVES = "pipeline/gate.py", "pipeline/removal.py", "store/moves.py"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A safeguard that is missing: per file of the package the text that is it, and what stands there without it."""

    name: str
    changes: tuple[tuple[str, str, str], ...]


MUTANTS = [
    Mutant(
        "the gate does not evaluate the policy on the fresh read",
        ((GATE, "failing = _failing_clauses(context, session, its, stored, now=now)", "failing = {}"),),
    ),
    Mutant(
        "nobody asks for the fence",
        (
            (GATE, "row.fence != job.fence or row.state", "row.state"),
            (MOVES, "job.fence != fence or JobState", "JobState"),
        ),
    ),
    Mutant(
        "no intent is stored",
        ((GATE, "move(JobEvent.INTEND, detail, intent=intent.value, intent_at=now, lease_until=until)", "assert until"),),
    ),
    Mutant(
        "what was answered is believed, nothing is read back",
        ((REMOVAL, "seen = sight(await calls.read(job))\n        if", "seen = Sight(True, None)\n        if"),),
    ),
]  # fmt: skip


@pytest.fixture
def mutated(tmp_path: Path):
    """Copies the product and changes it; gives the copy's folder."""

    def make(mutant: Mutant) -> Path:
        tree = tmp_path / "mutant"
        for package in PACKAGES:
            shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
        for name, text, other in mutant.changes:
            file = tree / "worker" / "chat_hygiene" / name
            source = file.read_text()
            assert source.count(text) == 1, f"{name} has no longer one {text!r}: the mutant has to follow"
            file.write_text(source.replace(text, other))
        return tree

    return make


def scenario(ground: Arena) -> list[str]:
    """Kills, messages right before reads, calls without effect, and a worker that oversleeps its lease."""
    ground.storm(4, workers=2)
    ground.oversleep()
    ground.settle()
    return ground.verdict().sentences()


@pytest.mark.parametrize("mutant", picked(MUTANTS, MUTANTS[:1]), ids=lambda mutant: mutant.name)
def test_a_missing_safeguard_is_noticed(mutant, mutated, rng, sqlite_databases: SqliteDatabases, tmp_path):
    url = sqlite_databases.copy(tmp_path / "ledger.db")
    with arena(url, tmp_path, rng=rng, tree=mutated(mutant)) as ground:
        try:
            found = scenario(ground)
        except AssertionError as error:
            # The tables refuse what the missing safeguard let through: a worker ends by that.
            found = [f"a worker ended by a bug: {str(error).splitlines()[-1]}"]
            found += ground.verdict().sentences()
    note(mutant=mutant.name, noticed=found)
    assert found, f"nothing was noticed, though {mutant.name}"


@ONE_ENGINE
def test_the_same_scenario_finds_nothing_in_the_product(ground):
    assert scenario(ground) == []
