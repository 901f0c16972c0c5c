"""What people and the API change in a living world, each change held to the naive reading of what leaves the list.

A change is made in the world first, then by the product; `met` counts the branches that were taken.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import update

from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.pipeline import changes, recheck
from chat_hygiene.store import fresh, holds, switches, versions
from chat_hygiene.store.holds import Target
from chat_hygiene.store.tables import devices
from chat_hygiene.store.versions import Change
from chat_policies import Policy
from integration.policies import living, naive, oracle, storing
from integration.policies.living import Rules


@dataclass
class Life:
    """One world, and the product that works in it."""

    context: object
    rng: object
    world: living.World
    met: object
    past: list = field(default_factory=list)
    """Every job, as last looked at."""

    def _read(self):
        with self.context.sessions() as session:
            return storing.past(session)

    def _new(self):
        """The jobs that came since the last look, which this is."""
        known, self.past = {job.id for job in self.past}, self._read()
        return [job for job in self.past if job.id not in known]

    def say(self, what):
        """The beginning of what a failed comparison says."""
        return f"world {self.world.number}, {what} at {self.world.now}"

    def edit(self):
        rules = self._busiest()
        after = living.document(self.rng, rules.name)
        if self.rng.random() < 0.3:
            after = rules.document | {"grace": after["grace"], "limits": after["limits"]}
        self._edit(rules, after)

    def postpone(self):
        rules = self._busiest()
        self._edit(rules, rules.document | {"grace": "30d"})

    def _busiest(self):
        """A policy with open jobs, if there is one."""
        busy = {job.policy_id for job in self.past if job.state in ("queued", "leased")}
        return self.rng.choice([each for each in self.world.rules if each.id in busy] or self.world.rules)

    def _edit(self, rules, after):
        before = {job.id: job for job in self.past}
        self._store(rules, after)
        self._forget_approvals(rules)
        self.past = self._read()
        self._all_match([rules], self.say("edit"))
        grace = after["grace"]
        for job in self.past:
            if job.policy_id == rules.id and job.state == "queued":
                due = job.matched_at + (timedelta(0) if grace == "none" else oracle.duration(grace))
                assert job.not_before >= max(due, before[job.id].not_before), f"{self.say('edit')}: sooner"
                self.met["edit: stays"] += 1
            self.met["edit: cancelled"] += job.state == "cancelled" != before[job.id].state

    def keep(self):
        """A keep-policy is retired, or another one comes."""
        in_force = [each for each in self.world.keeps if each.state == "active"]
        if in_force and self.rng.random() < 0.3:
            old = self.rng.choice(in_force)
            with self.context.sessions.begin() as session:
                head = versions.look(session, [old.name])[old.name]
                changes.retire(self.context, session, head, now=self.world.now)
            old.state = "retired"
            return
        name = f"k{10 + len(self.world.keeps)}-{self.world.number}"
        policy = Policy.from_document(document := living.keep(self.rng, name))
        change = Change("new", policy, None, None)
        with self.context.sessions.begin() as session:
            policy_id = changes.store(self.context, session, change, now=self.world.now)
        self.world.keeps.append(Rules(policy_id, document))
        self.past = self._read()
        self._all_match(self.world.rules, self.say("keep"))

    def hold(self):
        row = living.hold(self.rng, self._some(), self.world.now)
        target = Target(row["scope"], row["device_id"], chat_ref=row["chat_ref"], label=row["label"])
        before, now = self.past, self.world.now
        with self.context.sessions.begin() as session:
            switches.shut_gate(session)
            row["id"] = holds.place(
                session, target, reason="case 8", until=row["until"], now=now, actor="dpo"
            )
        self.world.holds.append(row)
        with self.context.sessions() as session:
            waiting = holds.waiting(session, [target])
        cancelled = recheck.held(self.context, waiting, now=now, progress=lambda *_: None)
        wanted = {
            job.id
            for job in before
            if job.state == "queued" and naive.covers(row, self.world.chats[job.chat_id])
        }
        self.past = self._read()
        gone = {job.id for job in self.past if job.state == "cancelled"} & {
            job.id for job in before if job.state == "queued"
        }
        assert gone == wanted, f"{self.say('hold')}: {cancelled} cancelled"
        self.met["hold: cancelled"] += bool(gone)

    def release(self):
        in_force = [each for each in self.world.holds if not naive._over(each, self.world.now)]
        if not in_force:
            return self.hold()
        row = self.rng.choice(in_force)
        row["released_at"] = self.world.now
        with self.context.sessions.begin() as session:
            switches.shut_gate(session)
            holds.release(session, [row["id"]], now=self.world.now, actor="dpo")
        self.met["release"] += 1
        return None

    def read(self):
        """A chat of a number is read anew, perhaps changed, and the number's queue is asked again."""
        chat = self.rng.choice(self._some())
        facts = self._changed(chat)
        with self.context.sessions.begin() as session:
            assert fresh.store(session, {chat["id"]: (facts, self.world.now)})
        since, device_id = self.rng.choice((None, self.world.now)), chat["device_id"]
        gone = recheck.run(self.context, device_id, read_since=since, now=self.world.now)
        self.past = self._read()
        self.met["read: cancelled"] += bool(gone)
        asked = {chat["id"]} if since else {each["id"] for each in naive.on(self.world, device_id)}
        in_force = [rules for rules in self.world.rules if rules.state == "active"]
        self._all_match(in_force, self.say("read"), among=asked)

    def switch(self):
        """Somebody stops or starts all deleting."""
        self.world.stopped = not self.world.stopped
        with self.context.sessions.begin() as session:
            if self.world.stopped:
                switches.stop(session, reason="a check", now=self.world.now, actor="ops")
            else:
                switches.start(session, reason=None, now=self.world.now, actor="ops")

    def pause(self):
        """Somebody pauses or resumes a policy."""
        rules = self._busiest()
        turn = changes.pause if rules.state == "active" else changes.resume
        with self.context.sessions.begin() as session:
            head = versions.look(session, [rules.name])[rules.name]
            turn(self.context, session, head, because="a check", now=self.world.now)
        rules.state = "paused" if rules.state == "active" else "active"

    def sync(self):
        """Every number was read and completely synced just now; those that are online were online."""
        with self.context.sessions.begin() as session:
            for number, row in self.world.numbers.items():
                row["last_full_sync_at"] = self.world.now
                if row["session_status"] == "online":
                    row["last_online_at"] = self.world.now
                times = {name: row[name] for name in ("last_full_sync_at", "last_online_at")}
                session.execute(update(devices).where(devices.c.id == number).values(times))

    def _store(self, rules, document):
        policy, before = Policy.from_document(document), Policy.from_document(rules.document)
        change = Change("changed", policy, before, rules.version, rules.state)
        with self.context.sessions.begin() as session:
            changes.store(self.context, session, change, now=self.world.now)
        rules.document, rules.version = document, rules.version + 1

    def _forget_approvals(self, rules, *, but=None):
        if but is None:
            self.world.waiting = {n: each for n, each in self.world.waiting.items() if each[0] is not rules}

    def _all_match(self, of, what, *, among=None):
        """Nothing is left on the list of these enforcing policies that may not go."""
        by_id = {each.id: each for each in of}
        for job in self.past:
            rules = by_id.get(job.policy_id)
            if rules is None or job.state != "queued" or (among is not None and job.chat_id not in among):
                continue
            why = naive.why_not(self.world, rules, self.world.chats[job.chat_id])
            if rules.document["mode"] == "observe":
                why = "is only observed"
            assert why is None, f"{what}: {job.chat_ref} {why}, and stays on the list"
            assert not naive.void(self.world, job), f"{what}: {job.chat_ref} was held, and stays on the list"

    def _some(self):
        """Chats that have an open job, mostly, if there are any; else those that are there."""
        busy = [job.chat_id for job in self.past if job.state in ("queued", "leased")]
        there = [each for each in self.world.chats.values() if each["removed_at"] is None]
        if busy and self.rng.random() < 0.8:
            return [self.world.chats[chat_id] for chat_id in busy]
        return there or [*self.world.chats.values()]

    def _changed(self, chat):
        """What the API says of a chat now; the world knows it from here on."""
        later = living.off(self.rng, chat, 2) | {"missing_since": None, "removed_at": chat["removed_at"]}
        if later["last_message_at"] is not None and self.rng.random() < 0.3:
            later["last_message_at"] = self.world.now
        for flag in ("unread", "pinned", "muted", "archived", "locked"):
            later[flag] = chat[flag] if later[flag] is None else later[flag]
        chat |= later
        return facts_of(chat)


def facts_of(chat):
    names = set(ChatFacts._fields) - {"labels", "name", "wid"}
    return ChatFacts(chat["wid"], labels=tuple(chat["labels"]), **{name: chat[name] for name in names})
