"""Every way in which a DELETE can come about: each goes through the one gate, and what keeps a chat keeps it on each of them.

What was asked of the fake server is the witness.
"""

import ast
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

import chat_hygiene
from chat_hygiene import wiring
from chat_hygiene.core.errors import HygieneError
from chat_hygiene.settings import JOB_DEADLINE
from chat_hygiene.store.tables import policies
from chat_hygiene.wiring import holding, stopping
from chat_hygiene.wiring.serving import Service
from integration.pipeline.conftest import DEVICE
from integration.pipeline.erasing import erase
from integration.pipeline.syncing import listed

PACKAGE = Path(chat_hygiene.__file__).parent
CHATS = range(1, 7)
MORE = """
  - name: big
    schedule: "0 3 * * *"
    mode: enforce
    when: {labels: [big], resolved_for: 30d}
    grace: none
    delete: {from_whatsapp: true, force_local: true}
    limits: {max_chats: 1, max_share: 100%, canary: off}
"""
KEEP = "  - {name: keep-cases, action: keep, when: {labels: [case]}}\n"


def product() -> dict[str, ast.Module]:
    """The product's modules, without the fake server that is part of it, by path."""
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in PACKAGE.rglob("*.py")
        if "fake" not in path.parts
    }


def named(*names: str) -> dict[str, set[str]]:
    """The modules in whose code, not in whose imports, these names stand: as a name, after a dot, or as a text."""
    found: dict[str, set[str]] = {}
    for path, tree in product().items():
        for node in ast.walk(tree):
            spelled = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "value", None)
            if isinstance(spelled, str) and spelled in names:
                found.setdefault(spelled, set()).add(path)
    return found


def test_the_only_way_to_a_delete_leads_through_the_gate():
    """One route, one class that takes it, one place that makes one, two that open it for a drain, and one call: after the gate."""
    assert named("DELETE", "DELETE_CHAT", "WassengerDeleter", "open_deleter", "_deleter") == {
        "DELETE": {"providers/wassenger.py"},
        "DELETE_CHAT": {"providers/wassenger.py"},
        "WassengerDeleter": {"providers/registry.py"},
        "open_deleter": {"wiring/running.py", "wiring/serving.py"},
        "_deleter": {"pipeline/calls.py"},
    }
    callers = {
        (ast.unparse(node.func), path)
        for path, tree in product().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "delete"
    }
    assert callers == {
        ("self._deleter.delete", "pipeline/calls.py"),
        ("calls.delete", "pipeline/removal.py"),
    }
    source = (PACKAGE / "pipeline/removal.py").read_text(encoding="utf-8")
    assert source.index("await shared.gate.ask(") < source.index("await _call(shared, job, verdict,")
    assert source.count("gate.run(") == 1, "what is asked of the gate comes there"
    assert source.count("_call(") == 2, "one definition, one caller"
    assert named("INTEND")["INTEND"] == {"core/states.py", "store/moves.py", "pipeline/gate.py"}


class World:
    """A chat for every way to a deletion: 1 is queued, 2 failed, 3 is owed, 4 and 5 await an approval, 6 stands in a plan."""

    def __init__(self, rig, folder: Path) -> None:
        self.rig, self.file = rig, folder / "plan.json"
        rig.world.removed_chats = "listed"
        rig.world.refuse(DEVICE, rig.chat(3, labels=["case"]))
        rig.apply(unless="unless: {labels: [big]}", more=MORE)
        assert rig.run().outcomes == {"removed_locally": 1}
        for number in (1, 2):
            rig.chat(number, labels=["case"])
        for number in (4, 5):
            rig.chat(number, labels=["case", "big"])
        rig.overrides["read_only"] = True
        self.awaiting = next(each.run_id for each in rig.run().evaluated if each.state == "awaiting_approval")
        del rig.overrides["read_only"]
        ((self.failed,),) = rig.sql(
            "select j.id from jobs j join chats c on c.id = j.chat_id where wid like '%0002@%'"
        )
        rig.sql("update jobs set state = 'failed', finished_at = queued_at where id = :id", id=self.failed)
        rig.chat(6, labels=["case"])
        rig.sync()
        with rig.ledger() as ledger:
            _, plan = wiring.make_plan(ledger, "resolved-30d", now=ledger.now())
            wiring.save_plan(ledger, plan, self.file)
        self.before = self.asked()

    def asked(self) -> tuple[int, int]:
        """How many DELETEs were sent, and how many intents the gate stored."""
        ((intents,),) = self.rig.sql("select count(*) from audit_events where kind = 'job.intent'")
        return len(self.rig.deleted()), intents

    def sent(self) -> int:
        """How many DELETEs were sent since; each had its intent."""
        sent, intents = (now - before for now, before in zip(self.asked(), self.before, strict=True))
        assert sent == intents, "a DELETE without an intent, or an intent without its DELETE"
        return sent

    def run(self, *names: str) -> None:
        self.rig.run(*names)

    def carry_out(self) -> None:
        with self.rig.ledger() as ledger:
            plan = wiring.load_plan(ledger, self.file)
            wiring.run_once(ledger, (), watcher=wiring.Watcher(), plan=plan)

    def approve(self) -> None:
        with self.rig.ledger() as ledger:
            wiring.approve_run(ledger, self.awaiting, per_day=None, because=None, now=ledger.now())

    def force(self) -> None:
        with self.rig.ledger() as ledger:
            wiring.retry_jobs(ledger, [self.failed], force_because="asked for")

    def erase(self) -> None:
        """Somebody asks for each of them by name."""
        for number in CHATS:
            # One of them that has to stay is no matter of the others.
            with suppress(HygieneError):
                erase(self.rig, f"44770090{number:04d}")

    def tasks(self) -> None:
        """All that a worker does, once through."""
        with self.rig.ledger() as ledger, ledger.context.sessions.begin() as session:
            session.execute(update(policies).values(next_run_at=ledger.now() - timedelta(minutes=1)))
        service = Service(self.rig.settings(), stop=lambda: False, clock=self.rig.now)
        try:
            service.tick()
            service.list_devices()
            service.sync(1)
            for run in service.waiting_runs():
                service.evaluate(run)
            service.drain()
            service.reconcile()
            service.look_at_debts()
        finally:
            service.close()

    def number_leaves(self) -> None:
        """The number is gone from the account for so long that its jobs could be closed as ours alone."""
        self.rig.world.devices.pop(DEVICE)
        listed(self.rig)
        self.rig.offset += JOB_DEADLINE + timedelta(hours=1)
        listed(self.rig)
        self.tasks()


ASKED = "asked for by name"
WAYS = {
    "run": lambda world: world.run(),
    "run of one policy": lambda world: world.run("resolved-30d"),
    "the tasks of a worker": World.tasks,
    "run of a plan": World.carry_out,
    "an approval": lambda world: (world.approve(), world.run("big")),
    "a retry by force": lambda world: (world.force(), world.tasks()),
    ASKED: World.erase,
}


@pytest.fixture
def world(rig, tmp_path):
    return World(rig, tmp_path)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_deletes_when_nothing_keeps_it_and_only_through_the_gate(world, way):
    WAYS[way](world)
    assert world.sent() > 0, "this way leads nowhere: the tests below look at nothing"


def hold(world, **what) -> None:
    with world.rig.ledger() as ledger:
        aim = holding.aim(ledger, on=None, **what)
        holding.place(ledger, aim, reason="case 7", until=None, progress=lambda _done, _of: None)


def stop(world) -> None:
    with world.rig.ledger() as ledger:
        stopping.stop(ledger, reason="a check")


def hold_each(world) -> None:
    for number in CHATS:
        hold(world, chat=f"44770090{number:04d}@c.us")


PAUSED = "their policies paused"
OBSTACLES = {
    "the stop switch": stop,
    "READ_ONLY": lambda world: world.rig.overrides.update(read_only=True),
    "a hold on each chat": hold_each,
    "a hold on their label": lambda world: hold(world, label="case"),
    "a hold on their number": lambda world: hold(world, device="Support"),
    "a keep-policy": lambda world: world.rig.apply(unless="unless: {labels: [big]}", more=MORE + KEEP),
    PAUSED: lambda world: world.rig.sql("update policies set state = 'paused'"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_keeps_a_chat_keeps_it_on_every_way(world, obstacle):
    OBSTACLES[obstacle](world)
    ways = {name: way for name, way in WAYS.items() if (name, obstacle) != (ASKED, PAUSED)}  # not by a policy
    for way in (*ways.values(), World.number_leaves):
        # A refusal in words is as good as an outcome.
        with suppress(HygieneError):
            way(world)
        assert world.sent() == 0
    assert world.rig.states().get("removed_locally") == 1, "only what was owed before"
    assert world.rig.verified()
