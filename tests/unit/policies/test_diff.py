"""What an edit of a policy changes, and in which ways it lets more chats go, said to a person."""

import pytest

from chat_policies.diff import differences, looser
from unit.policies.documents import one

ENFORCE = "\n    mode: enforce\n    delete: {from_whatsapp: true}"
WHEN = "when: {resolved_for: 30d, status: [resolved, archived], labels: {any: [old], none: [vip]}}"
UNLESS = "\n    unless: {labels: [legal, tax], unread: true, inactive_for: 900d}"
BASE = WHEN + UNLESS + ENFORCE + "\n    devices: [sales, support]"
KEEP = "action: keep\n    when: {labels: [contract, invoice], resolved_for: 30d}\n    devices: [sales]"


def edited(old, new, *, text=BASE):
    assert old in text
    return looser(one(text), one(text.replace(old, new)), canary=10)


LOOSER = {
    "resolved for 7 d or more": ("resolved_for: 30d", "resolved_for: 7d"),
    "when.resolved_for: dropped": ("resolved_for: 30d, ", ""),
    "status resolved, archived or active": ("[resolved, archived]", "[resolved, archived, active]"),
    "labelled old or odd": ("any: [old]", "any: [old, odd]"),
    "labelled old, instead of": (", none: [vip]", ""),
    "kind is group go too": ("status: [", "kind: [chat, group], status: ["),
    "pinned is true go too": ("status: [", "pinned: true, status: ["),
    "unless.labels: labelled legal, instead of": ("[legal, tax]", "[legal]"),
    "unless.unread: dropped, it spared: unread": ("unread: true, ", ""),
    "unless.unread: changed": ("unread: true", "unread: false"),
    "unless.inactive_for": ("900d", "990d"),
    "unless.labels: dropped": (UNLESS, ""),
    "devices: also south": ("support]", "support, south]"),
    "devices: all of them": ("[sales, support]", "all"),
    "grace: none instead of 7d": ("mode: enforce", "mode: enforce\n    grace: none"),
    "waits for an offline number 14d instead of for as long": (
        "whatsapp: true",
        "whatsapp: true, offline_grace: 14d",
    ),
    "max_chats: 201 a day instead of 200": ("mode: enforce", "mode: enforce\n    limits: {max_chats: 201}"),
    "max_share: 50% a day": ("mode: enforce", "mode: enforce\n    limits: {max_share: 50%}"),
    "canary: 11 instead of 10": ("mode: enforce", "mode: enforce\n    limits: {canary: 11}"),
    "canary: off instead of 10": ("mode: enforce", "mode: enforce\n    limits: {canary: off}"),
}


@pytest.mark.parametrize("words", LOOSER)
def test_each_way_to_let_more_go_is_said(words):
    told = edited(*LOOSER[words])
    assert any(words in sentence for sentence in told), f"{LOOSER[words]}: {told}"


STRICTER = [
    ("resolved_for: 30d", "resolved_for: 60d"),
    ("[resolved, archived]", "resolved"),
    ("status: [", "muted: true, status: ["),
    ("none: [vip]", "none: [vip, legal]"),
    ("any: [old]", "any: [old], all: [done]"),
    ("[legal, tax]", "[legal, tax, open]"),
    ("900d", "90d"),
    ("unread: true", "unread: true, pinned: true"),
    ("[sales, support]", "[sales]"),
    ("whatsapp: true", "whatsapp: true, force_local: false"),
    ("mode: enforce", "mode: enforce\n    grace: 14d"),
    ("mode: enforce", "mode: enforce\n    limits: {max_chats: 0, max_share: 1%, canary: 1}"),
    ("mode: enforce", "mode: enforce\n    catch_up: 48h\n    schedule: '0 4 * * *'"),
    ("mode: enforce", "mode: observe"),
]


@pytest.mark.parametrize("edit", STRICTER, ids=lambda edit: edit[1].strip())
def test_a_stricter_version_is_not_called_looser(edit):
    assert edited(*edit) == ()


def test_what_changes_in_whatsapp_is_said():
    local = BASE.replace("whatsapp: true", "whatsapp: false")
    unforced = BASE.replace("whatsapp: true", "whatsapp: true, force_local: false")
    assert "in WhatsApp too" in looser(one(local), one(BASE), canary=10)[0]
    assert "WhatsApp refuses" in looser(one(unforced), one(BASE), canary=10)[0]
    assert "could refuse so far" in looser(one(unforced), one(local), canary=10)[0]


def test_a_canary_that_is_not_written_counts_as_the_installation_has_it():
    assert edited("mode: enforce", "mode: enforce\n    limits: {canary: 11}") != ()
    wider = one(BASE.replace("mode: enforce", "mode: enforce\n    limits: {canary: 11}"))
    assert looser(one(BASE), wider, canary=25) == ()
    assert looser(wider, one(BASE), canary="off") == ("limits.canary: off instead of 11",)


def test_what_cannot_be_shown_to_be_as_strict_counts_as_looser():
    nested = "when: {any: [{resolved_for: 30d}, {muted: true}]}" + ENFORCE
    told = edited("30d", "60d", text=nested)
    assert told == ("when.any: changed, and cannot be shown to be as strict as before",)
    assert edited("[{resolved_for", "[{resolved_for", text=nested) == ()


def test_going_to_enforce_is_looser_whatever_else_changes_and_observing_never_is():
    observing = BASE.replace("mode: enforce", "mode: observe")
    assert looser(one(observing), one(BASE), canary=10) == ("it deletes: so far it did not",)
    assert looser(None, one(BASE), canary=10) == ("it deletes: so far it did not",)
    assert looser(one(observing), one(observing.replace("30d", "7d")), canary=10) == ()
    assert looser(None, one(observing), canary=10) == ()
    assert looser(one(BASE), None, canary=10) == ()


KEEPS_LESS = {
    "keeps nothing any more": (KEEP, "when: {unread: true}"),
    "when.labels: labelled contract, instead of": ("[contract, invoice]", "[contract]"),
    "when.resolved_for": ("30d", "60d"),
    "when.muted: it keeps only with: muted": ("labels", "muted: true, labels"),
    "no longer on sales": ("[sales]", "[support]"),
}


@pytest.mark.parametrize("words", KEEPS_LESS)
def test_a_keep_policy_that_keeps_less_is_looser(words):
    told = edited(*KEEPS_LESS[words], text=KEEP)
    assert any(words in sentence for sentence in told), told


def test_a_keep_policy_loosens_by_going_and_not_by_growing():
    assert looser(one(KEEP), None, canary=10) != ()
    assert looser(None, one(KEEP), canary=10) == ()
    for old, new in (
        ("30d", "7d"),
        (", resolved_for: 30d", ""),
        ("invoice", "invoice, tax"),
        ("[sales]", "all"),
    ):
        assert edited(old, new, text=KEEP) == ()
    everywhere = KEEP.replace("[sales]", "all")
    assert "only on sales" in looser(one(everywhere), one(KEEP), canary=10)[0]


def test_differences_are_spelt_as_in_a_file_and_show_no_number():
    before = one("when: {chat: ['447700900123@c.us'], unread: true, labels: [a, b]}")
    after = one("when: {chat: ['447700900124@c.us', chat_ab], labels: [a]}\n    catch_up: 36h")
    assert [each.words() for each in differences(before, after)] == [
        "when.labels: [a, b] → [a]",
        "when.unread: not written any more, it was true",
        "when.chat: […@c.us] → […@c.us, chat_ab]",
        "catch_up: 36h, not written before",
    ]
