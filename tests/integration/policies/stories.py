"""Stories of living worlds: what queues and what deletes, step by step, each held to the naive reading.

What a run, a plan or an approval queues is exactly what the naive reading lets go, and a gate lets a call pass exactly
when that does.
"""

from datetime import timedelta

from chat_hygiene.core.errors import SafetyStopError, UsageError
from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import approval, evaluate, gate
from chat_hygiene.pipeline.plan import Candidate
from chat_hygiene.store import jobs, moves
from integration.policies import living, naive, oracle, storing
from integration.policies.changing import Life, facts_of
from integration.policies.living import DAY, HOUR
from support.gates import judged

CHANGES = ("edit", "edit", "edit", "keep", "hold", "release", "read", "read", "switch", "pause")
BETWEEN = (
    *(("postpone",), ("postpone",), ("pause",), ("pause",), ("hold", "release"), ("hold", "release")),
    *(("edit",), ("keep",), ("hold",), ("switch",)),
)
"""What comes between a claim and its gate."""
STORIES = (
    ("run", "change", "approve"),
    ("run", "change", "approve"),
    ("run", "work", "run"),
    ("run", "change", "work"),
    ("run", "change", "run"),
    ("plan", "work"),
    ("change", "plan"),
    ("hold", "release", "run"),
    ("work", "run", "approve"),
    ("work", "work"),
    ("work", "work"),
)
WAITS = {"stopped", "paused", "has its grace", "cannot be reached"}
"""Why a job that comes to its gate is handed back; for any other reason it is cancelled."""
ENDS = {
    JobEvent.CONFIRM_DELETED: {"whatsapp_state": "confirmed", "platform_state": "removed"},
    JobEvent.CONFIRM_LOCAL: {"whatsapp_state": "present", "platform_state": "forced", "debt_state": "open"},
    JobEvent.GIVE_UP: {},
}


class Story(Life):
    """A world from its beginning on: a few steps."""

    def tell(self):
        """What is in the world stands in the store from here on."""
        with self.context.sessions.begin() as session:
            storing.store(session, self.world)
        for place, step in enumerate(self.rng.choice(STORIES)):
            if place:
                self.world.now += self.rng.choice(
                    (timedelta(seconds=1), timedelta(minutes=1), HOUR, 9 * HOUR)
                )
                if self.rng.random() < 0.6:
                    self.sync()
            self.past = self._read()
            getattr(self, step)()

    def change(self):
        getattr(self, self.rng.choice(CHANGES))()

    def run(self):
        rules, past = self.rng.choice(self.world.rules), self.past
        verdict, wanted = naive.expected(self.world, rules, past, self.world.lifted)
        report, new = self._evaluate(rules, past, "manual")
        told = self._told(rules, past, {job.chat_ref for job in new} - wanted)
        assert {job.chat_ref for job in new} == wanted, f"{self.say('run')}: {verdict}, {report}: {told}"
        waits = verdict in ("brake", "canary failed")
        assert (report.state == "awaiting_approval") == waits, f"{self.say('run')}: {verdict}, {report}"
        self.met[f"run: {verdict}"] += 1
        self._forget_approvals(rules, but="paused" if verdict == "paused" else None)
        if waits:
            refs = naive.candidates(self.world, rules, past)[0]
            ends = self.world.now + self.context.settings.approval_expiry_seconds
            self.world.waiting[report.run_id] = (rules, rules.version, refs, ends)
            self.world.tripped.append(report.run_id)

    def plan(self):
        """A list that no preview need have made: some of the chats, and such as are not there."""
        rules, past = self.rng.choice(self.world.rules), self.past
        some = self.rng.sample(sorted(self.world.chats), self.rng.randint(1, living.CHATS))
        only = [self._listed(self.world.chats[n]) for n in some]
        old, strange = self.rng.random() < 0.1, self.rng.random() < 0.3
        if strange:
            changed = self.rng.choice(({"generation": 2}, {"device": "d9"}, {"chat_ref": "chat_99"}))
            only[0] = only[0].model_copy(update=changed)
        listed = {each.chat_ref for each in only[1 if strange else 0 :]}
        wanted = set()
        if not old and rules.enforces and not self.world.stopped:
            wanted = naive.candidates(self.world, rules, past)[0] & listed
        version = rules.version + (1 if old else 0)
        try:
            report, new = self._evaluate(rules, past, "plan", only=only, version=version)
        except SafetyStopError:
            assert old, f"{self.say('plan')}: refused"
            self.met["plan: refused"] += 1
            return
        assert not old, f"{self.say('plan')}: of another version, and carried out"
        told = self._told(rules, past, {job.chat_ref for job in new} - wanted)
        assert {job.chat_ref for job in new} == wanted, f"{self.say('plan')}: {report}: {told}"
        if rules.enforces and not self.world.stopped:
            gone = {each.chat_ref for each in report.dropped}
            kept = {ref for ref in listed - wanted if not self._has_job(rules, ref)}
            assert gone - {only[0].chat_ref} == kept - {only[0].chat_ref}, f"{self.say('plan')}: {report}"
            self.met["plan: dropped"] += bool(gone)
        self.met["plan: queued"] += bool(wanted)

    def approve(self):
        if not self.world.tripped:
            return self.run()
        run_id, past = self.rng.choice(self.world.tripped), self.past
        per_day = self.rng.choice((None, None, 1, 2))
        rules, version, refs, ends = self.world.waiting.get(run_id, (None, 0, set(), None))
        wanted, stale = set(), False
        awaits = (
            rules is not None
            and ends > self.world.now
            and version == rules.version
            and rules.enforces
            and not self.world.stopped
        )
        if awaits:
            fresh, free = naive.candidates(self.world, rules, past)
            wanted, stale = fresh & refs, bool((free & refs) - fresh)
        try:
            report = approval.approve(self.context, run_id, per_day=per_day, because=None, now=self.world.now)
        except (SafetyStopError, UsageError):
            assert not awaits or (stale and not wanted), f"{self.say('approve')}: refused"
            assert not self._new(), f"{self.say('approve')}: refused, and queued"
            self.met["approve: refused"] += 1
            return None
        assert awaits, f"{self.say('approve')}: it could not be approved, and was"
        new = self._new()
        told = self._told(rules, past, {job.chat_ref for job in new} - wanted)
        assert {job.chat_ref for job in new} == wanted, f"{self.say('approve')}: {report}: {told}"
        self._leave_late_enough(rules, new, per_day=per_day)
        del self.world.waiting[run_id]
        self.world.lifted.add((rules.id, version))
        self.met["approve: queued"] += bool(wanted)
        self.met["approve: per day"] += per_day is not None and len(wanted) > per_day
        self.met["approve: dropped"] += bool(report.dropped)
        return None

    def work(self):
        """Due jobs are claimed; perhaps something happens; each comes to the gate with what was just read of its chat."""
        frozen = {rules.id for rules in self.world.rules if rules.state == "paused"}
        if self.rng.random() < 0.5:
            self.world.now += 3 * DAY
            self.sync()
        claimed = []
        with self.context.sessions.begin() as session:
            for number in self.world.numbers:
                claimed += jobs.claim(
                    session,
                    number,
                    3,
                    mine=jobs.of_policies(None),
                    now=self.world.now,
                    lease=HOUR,
                    owner="w",
                    actor="w",
                )
        self.past = self._read()
        assert not frozen & {job.policy_id for job in claimed}, f"{self.say('claim')}: of a paused policy"
        if claimed and self.rng.random() < 0.7:
            for change in self.rng.choice(BETWEEN):
                getattr(self, change)()
            self.met["work: something in between"] += 1
        self.past = self._read()
        for job in claimed:
            self._gate(job)

    def _gate(self, job):
        chat, past = self.world.chats[job.chat_id], {each.id: each for each in self.past}
        facts = self._changed(chat) if self.rng.random() < 0.3 else facts_of(chat)
        chat["missing_since"] = None  # it was just read
        (rules,) = [each for each in self.world.rules if each.id == job.policy_id]
        why = naive.may_pass(self.world, rules, past[job.id])
        now = self.world.now
        decision = judged(self.context, job, facts, read_at=now, now=now)
        assert isinstance(decision, gate.Pass) == (why is None), (
            f"{self.say('gate')}: {decision}, and {job.chat_ref} {why or 'may go'}"
        )
        waits = why in WAITS
        assert isinstance(decision, gate.Pass) or decision.waits == waits, (
            f"{self.say('gate')}: {decision}, and {job.chat_ref} {why}"
        )
        self.met[f"gate: {why}"] += 1
        if why is not None:
            return
        self.met["gate: passed though offline"] += decision.offline
        with self.context.sessions.begin() as session:
            event = self.rng.choice((JobEvent.CONFIRM_DELETED,) * 3 + tuple(ENDS))
            values = {"intent": None, **ENDS[event]}
            moves.move(session, job.id, event, now=now, actor="w", fence=job.fence, values=values)
        if event is not JobEvent.GIVE_UP:
            chat["removed_at"] = now

    def _evaluate(self, rules, past, trigger, **more):
        now = self.world.now
        report = evaluate.run(self.context, rules.name, trigger=trigger, slot=now, now=now, **more)
        new = self._new()
        assert {job.run_id for job in new} <= {report.run_id}, f"{self.say(trigger)}: jobs of another run"
        self._leave_late_enough(rules, new)
        if rules.state == "active":
            self._all_match([rules], self.say(trigger))
        return report, new

    def _leave_late_enough(self, rules, new, *, per_day=None):
        grace = rules.document["grace"]
        first = self.world.now + (timedelta(0) if grace == "none" else oracle.duration(grace))
        by_day = {}
        for job in new:
            assert job.not_before >= first, f"{self.say(job.chat_ref)}: leaves before its grace is over"
            if naive.hold_ended(self.world, self.world.chats[job.chat_id], self.world.now - DAY):
                self.met["after a hold"] += 1
                day = self.world.now + DAY
                assert job.not_before >= day, f"{self.say(job.chat_ref)}: was held, leaves within a day"
            else:
                by_day[job.not_before] = by_day.get(job.not_before, 0) + 1
        assert per_day is None or max(by_day.values(), default=0) <= per_day, (
            f"{self.say('approve')}: {by_day}"
        )

    def _has_job(self, rules, ref):
        return any(
            job.chat_ref == ref and job.policy_id == rules.id and job.state in {"queued", "leased", "sent"}
            for job in self.past
        )

    def _told(self, rules, past, too_many):
        """Of each chat that should not have been queued, why."""
        return {
            chat["chat_ref"]: naive.why_not(self.world, rules, chat) or "not now, or not that many"
            for chat in self.world.chats.values()
            if chat["chat_ref"] in too_many
        }

    def _listed(self, chat):
        return Candidate(chat_ref=chat["chat_ref"], device=f"d{chat['device_id']}", generation=1)
