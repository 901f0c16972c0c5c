"""The policy engine: YAML in, named SQL clauses out. No I/O, no clock, no session."""

from chat_policies.clause import Clause
from chat_policies.compile import Compiled, Compiler, ripening
from chat_policies.conditions.labels import has_label
from chat_policies.diff import Difference, differences, looser, written
from chat_policies.document import json_schema, load
from chat_policies.errors import DocumentError, Problem, UnknownDeviceError
from chat_policies.funnel import ClauseCount, Funnel
from chat_policies.policy import DeleteOptions, Limits, Policy
from chat_policies.schedule import Fire, fires, next_fire
from chat_policies.schedule_words import words as schedule_words
from chat_policies.verdicts import Look, Verdict
from chat_policies.waiting import shortest_wait

__all__ = [
    "Clause",
    "ClauseCount",
    "Compiled",
    "Compiler",
    "DeleteOptions",
    "Difference",
    "DocumentError",
    "Fire",
    "Funnel",
    "Limits",
    "Look",
    "Policy",
    "Problem",
    "UnknownDeviceError",
    "Verdict",
    "differences",
    "fires",
    "has_label",
    "json_schema",
    "load",
    "looser",
    "next_fire",
    "ripening",
    "schedule_words",
    "shortest_wait",
    "written",
]
