"""What one version of a policy changes against another: key by key, and in which ways it lets more chats go.

`looser` proves; it does not guess. What it cannot prove to be as strict as before counts as looser, and says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chat_policies import durations
from chat_policies.conditions import Condition
from chat_policies.conditions.age import Age
from chat_policies.conditions.base import OneOrMore
from chat_policies.conditions.labels import Labels
from chat_policies.messages import all_of, mask, one_of
from chat_policies.policy import DeleteOptions, Limits, Policy
from chat_policies.rules import AllOf, Rules
from chat_policies.scope import GUARDS

HouseCanary = int | Literal["off"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One key of a document that is written differently, its values as a file spells them; None: not written."""

    key: str
    before: str | None
    after: str | None

    def words(self) -> str:
        """`when.resolved_for: 30d → 60d`."""
        if self.before is None:
            return f"{self.key}: {self.after}, not written before"
        if self.after is None:
            return f"{self.key}: not written any more, it was {self.before}"
        return f"{self.key}: {self.before} → {self.after}"


def differences(before: Policy, after: Policy) -> tuple[Difference, ...]:
    """Every key that differs, numbers that could be a phone's hidden."""
    old, new = written(before), written(after)
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return tuple(Difference(key, old.get(key), new.get(key)) for key in keys)


def written(policy: Policy) -> dict[str, str]:
    """Every key of its document and its value as a file spells it, numbers that could be a phone's hidden."""
    return dict(_flat(policy.to_document()))


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", mask(_spelt(value))


def _spelt(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_spelt(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_spelt(each) for each in value) + "]"
    return str(value)


def looser(before: Policy | None, after: Policy | None, *, canary: HouseCanary) -> tuple[str, ...]:
    """Each way in which `after` may let go more chats, sooner or further than `before`, in words; empty: in none.

    A policy that only observes lets nothing go; None is no policy. Of a keep-policy: each way in which it may keep fewer.
    `canary` is what counts for a policy that writes none.
    """
    found: list[str] = []
    if before is not None and before.action == "keep":
        found += _keeps_less(before, after)
    if after is None or not _deletes(after):
        return tuple(found)
    if before is None or not _deletes(before):
        return (*found, "it deletes: so far it did not")
    assert before.delete is not None  # noqa: S101 - an enforcing policy has its deletion options
    assert after.delete is not None  # noqa: S101
    found += _more_devices(before, after)
    found += _more_matches(before.when, after.when)
    found += _fewer_exclusions(before.unless, after.unless)
    if after.grace < before.grace:
        found.append(f"grace: {_grace(after)} instead of {_grace(before)}")
    found += _further(before.delete, after.delete)
    found += _weaker_brakes(before.limits, after.limits, canary)
    return tuple(found)


def _deletes(policy: Policy) -> bool:
    return policy.action == "delete" and policy.mode == "enforce"


def _grace(policy: Policy) -> str:
    return durations.spell(policy.grace) if policy.grace else "none"


def _more_devices(before: Policy, after: Policy) -> Iterator[str]:
    if before.devices is None:
        return
    if after.devices is None:
        yield "devices: all of them, and not only those named so far"
    elif more := [mask(name) for name in after.devices if name not in before.devices]:
        yield f"devices: also {_and(more)}"


def _more_matches(before: Rules, after: Rules) -> Iterator[str]:
    old, new = before.members(), after.members()
    for name, condition in old.items():
        if name not in new:
            yield f"when.{name}: dropped, it asked for: {condition.words()}"
        elif not _implies(new[name], condition):
            yield f"when.{name}: {_changed(condition, new[name])}"
    for guard in GUARDS:
        opened = guard.reach(AllOf(tuple(new.values()))) - guard.reach(AllOf(tuple(old.values())))
        if opened:
            values = one_of(sorted(str(value).lower() for value in opened))
            yield f"when.{guard.fact}: chats whose {guard.fact} is {values} go too"


def _fewer_exclusions(before: Rules | None, after: Rules | None) -> Iterator[str]:
    new = {} if after is None else after.members()
    for name, condition in ({} if before is None else before.members()).items():
        if name not in new:
            yield f"unless.{name}: dropped, it spared: {condition.words()}"
        elif not _implies(condition, new[name]):
            yield f"unless.{name}: {_changed(condition, new[name])}"


def _keeps_less(before: Policy, after: Policy | None) -> Iterator[str]:
    if after is None or after.action != "keep":
        yield f"it keeps nothing any more, it kept: {before.words()}"
        return
    if after.devices is not None:
        gone = None if before.devices is None else [n for n in before.devices if n not in after.devices]
        if gone is None:
            yield f"devices: it keeps only on {_and([mask(name) for name in after.devices])}"
        elif gone:
            yield f"devices: it keeps no longer on {_and([mask(name) for name in gone])}"
    old = before.when.members()
    for name, condition in after.when.members().items():
        if name not in old:
            yield f"when.{name}: it keeps only with: {condition.words()}"
        elif not _implies(old[name], condition):
            yield f"when.{name}: {_changed(old[name], condition)}"


def _further(before: DeleteOptions, after: DeleteOptions) -> Iterator[str]:
    if after.from_whatsapp and not before.from_whatsapp:
        yield "delete.from_whatsapp: in WhatsApp too, and not on the platform alone"
    if before.from_whatsapp and not after.from_whatsapp and not before.force_local:
        yield "delete.from_whatsapp: from the platform without WhatsApp, which could refuse so far"
    if after.force_local and not before.force_local:
        yield "delete.force_local: from the platform alone when WhatsApp refuses"
    old, new = before.offline_grace, after.offline_grace
    if new is not None and (old is None or new < old):
        so_far = "for as long as it takes" if old is None else durations.spell(old)
        yield f"delete.offline_grace: it waits for an offline number {durations.spell(new)} instead of {so_far}"


def _weaker_brakes(before: Limits, after: Limits, canary: HouseCanary) -> Iterator[str]:
    if after.max_chats > before.max_chats:
        yield f"limits.max_chats: {after.max_chats} a day instead of {before.max_chats}"
    if after.max_share > before.max_share:
        yield f"limits.max_share: {_percent(after)} a day instead of {_percent(before)}"
    old, new = before.canary or canary, after.canary or canary
    if old != "off" and (new == "off" or new > old):
        yield f"limits.canary: {new} instead of {old}"


def _percent(limits: Limits) -> str:
    return f"{limits.max_share.normalize():f}%"


def _implies(narrow: Condition, wide: Condition) -> bool:
    """Whether it is certain that `wide` is true wherever `narrow` is, and `narrow` false wherever `wide` is."""
    if narrow == wide:
        return True
    if type(narrow) is not type(wide):
        return False
    if isinstance(narrow, Age) and isinstance(wide, Age):
        return narrow.root >= wide.root
    if isinstance(narrow, OneOrMore) and isinstance(wide, OneOrMore):
        return set(narrow.root) <= set(wide.root)
    if isinstance(narrow, Labels) and isinstance(wide, Labels):
        return (
            (not wide.any or (bool(narrow.any) and set(narrow.any) <= set(wide.any)))
            and set(wide.all) <= set(narrow.all)
            and set(wide.none) <= set(narrow.none)
        )
    return False


def _changed(before: Condition, after: Condition) -> str:
    if not isinstance(before, Age | OneOrMore | Labels):
        return "changed, and cannot be shown to be as strict as before"
    if isinstance(before, OneOrMore) and before.words() == after.words():
        return f"other values than before ({after.words()})"
    return f"{after.words()}, instead of: {before.words()}"


def _and(words: list[str]) -> str:
    return all_of(words) if len(words) < 3 else f"{', '.join(words[:-1])} and {words[-1]}"
