import json
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from chat_policies import DeleteOptions, Policy, json_schema, load
from chat_policies.conditions import CONDITIONS
from integration.policies.profiles import cases
from integration.policies.strategies import keep_policies, policies
from unit.policies.documents import BAD, EXAMPLES, HEAD, one, problems

FILES = sorted(EXAMPLES.glob("*.yaml"))
STRUCTURAL = (
    "unknown-key-in-policy", "unknown-condition", "unknown-top-key", "unknown-default", "missing-version", "version-two",
    "missing-name", "missing-when", "no-policies", "empty-when", "null-limits", "empty-any", "not-a-list", "empty-labels",
    "label-a-number", "status-misspelt", "flag-yes", "duration-without-unit", "duration-months", "mode-misspelt",
    "name-with-capitals", "share-without-percent", "canary-zero", "devices-a-word", "delete-without-from-whatsapp",
)  # fmt: skip


def plain(file):
    return YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_examples_load_and_fit_the_schema(file):
    assert load(file.read_bytes(), file.name)
    assert list(Draft202012Validator(json_schema()).iter_errors(plain(file))) == []


def test_the_examples_show_a_policy_of_each_sort():
    shown = [policy for file in FILES for policy in load(file.read_bytes(), file.name)]
    assert {(policy.action, policy.mode) for policy in shown} == {
        ("delete", "enforce"), ("delete", "observe"), ("keep", "observe"),
    }  # fmt: skip


def test_the_schema_is_valid_and_knows_every_condition():
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert set(schema["$defs"]["Rules"]["properties"]) == {*CONDITIONS, "any", "all", "not"}


@pytest.mark.parametrize("name", STRUCTURAL)
def test_the_schema_refuses_what_has_the_wrong_shape(name):
    assert list(Draft202012Validator(json_schema()).iter_errors(plain(BAD / f"{name}.yaml")))


@cases(150)
@given(policies(), keep_policies())
def test_a_policy_is_the_same_after_a_database_has_had_it(policy, keeps):
    for document in (policy, *keeps):
        first = Policy.from_document(document)
        kept = json.loads(json.dumps(first.to_document(), sort_keys=True))
        assert Policy.from_document(kept) == first
        assert json.dumps(Policy.from_document(kept).to_document()) == json.dumps(first.to_document())


def test_the_canonical_form_writes_everything_out_but_what_an_installation_sets():
    policy = one("when: {labels: {any: [vip]}, unread: false, inactive_for: 4w}")
    assert policy.to_document() == {
        "name": "p",
        "action": "delete",
        "devices": "all",
        "when": {"inactive_for": "28d", "labels": ["vip"], "unread": False},
        "mode": "observe",
        "schedule": "0 3 * * *",
        "timezone": "UTC",
        "grace": "7d",
        "limits": {"max_chats": 200, "max_share": "10%"},
    }


def test_every_key_is_read():
    policy = one(
        "description: d\n    schedule: ' 15  4 * * 1-5 '\n    timezone: Asia/Kathmandu\n    mode: enforce\n"
        "    devices: [sales]\n    when: {unread: true}\n    unless: {muted: true}\n    grace: none\n"
        "    delete: {from_whatsapp: true, offline_grace: 7d}\n"
        "    limits: {max_chats: 0, max_share: 12.50%, canary: off}\n    catch_up: 36h"
    )
    assert (policy.schedule, policy.timezone, policy.mode) == ("15 4 * * 1-5", "Asia/Kathmandu", "enforce")
    assert (policy.devices, policy.grace, policy.catch_up) == (("sales",), timedelta(0), timedelta(hours=36))
    assert policy.delete == DeleteOptions(from_whatsapp=True, force_local=True, offline_grace="7d")
    assert (policy.limits.max_chats, policy.limits.max_share, policy.limits.canary) == (
        0,
        Decimal("12.5"),
        "off",
    )
    assert policy.to_document()["limits"] == {"max_chats": 0, "max_share": "12.5%", "canary": "off"}


def test_without_whatsapp_nothing_is_forced():
    assert one("when: {unread: true}\n    delete: {from_whatsapp: false}").delete.force_local is False


def test_defaults_are_replaced_as_a_whole_and_filled_within_limits_and_delete():
    text = (
        "version: 1\ndefaults:\n  schedule: '0 3 * * *'\n  timezone: Europe/Madrid\n  mode: enforce\n"
        "  limits: {max_chats: 7, max_share: 50%}\n  delete: {from_whatsapp: true, offline_grace: 7d}\npolicies:\n"
        "  - {name: a, when: {unread: true}}\n"
        "  - {name: b, when: {unread: true}, timezone: UTC, limits: {max_chats: 9}, delete: {force_local: true}}\n"
        "  - {name: c, when: {unread: true}, delete: {from_whatsapp: false}}\n"
        "  - {name: k, action: keep, when: {unread: true}}\n"
    )
    a, b, c, k = load(text.encode(), "test.yaml")
    assert (a.timezone, a.limits.max_chats, a.limits.max_share) == ("Europe/Madrid", 7, 50)
    assert (b.timezone, b.limits.max_chats, b.limits.max_share) == ("UTC", 9, 50)
    assert b.delete.offline_grace == timedelta(days=7)
    assert (c.delete.from_whatsapp, c.delete.force_local, c.delete.offline_grace) == (False, False, None)
    assert k.schedule is None


def test_a_byte_order_mark_and_windows_line_ends_are_fine():
    data = b"\xef\xbb\xbf" + (HEAD + "  - {name: p, when: {unread: true}}\n").replace("\n", "\r\n").encode()
    assert [policy.name for policy in load(data, "test.yaml")] == ["p"]
    assert problems(data.replace(b"name: p", b"name: P"))[0].line == 4


def test_aliases_within_bounds_are_fine():
    text = HEAD + "  - {name: a, when: &w {unread: true}}\n  - {name: b, when: *w}\n"
    a, b = load(text.encode(), "test.yaml")
    assert a.when == b.when
