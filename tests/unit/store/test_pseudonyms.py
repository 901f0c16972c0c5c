"""Chats appear as keyed pseudonyms and masked hints; text loses everything that looks like a phone number."""

import hmac
import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat_hygiene.store.pseudonyms import Pseudonyms, hint, mask_numbers

OLD, NEW = b"o" * 32, b"n" * 32
WID = "447362053576@c.us"
names = st.text(max_size=8)


def test_a_chat_keeps_its_pseudonym_and_another_key_gives_another():
    ref, key_id = Pseudonyms({"2": NEW, "1": OLD}).ref("wassenger", "d1", WID)
    assert (ref, key_id) == (Pseudonyms({"2": NEW}).ref("wassenger", "d1", WID)[0], "2")
    assert ref != Pseudonyms({"2": OLD}).ref("wassenger", "d1", WID)[0]
    assert re.fullmatch(r"chat_[a-p]{32}", ref), "letters only: never taken for a number"


@given(st.tuples(names, names, names))
@example(("wassenger", "d1", WID))
@example(("wassenger", "d1", "señal\ud800"))
def test_a_pseudonym_is_an_hmac_over_a_json_list_for_ever(parts):
    digest = hmac.digest(OLD, json.dumps(parts).encode(), "sha256").hex()[:32]
    letters = digest.translate(str.maketrans("0123456789", "ghijklmnop"))
    assert Pseudonyms({"1": OLD}).ref(*parts)[0] == f"chat_{letters}", "stored ones are found by it"


def test_after_a_rotation_the_old_pseudonym_is_still_looked_up():
    (old,) = Pseudonyms({"1": OLD}).refs("wassenger", "d1", WID)
    rotated = Pseudonyms({"2": NEW, "1": OLD})
    assert rotated.refs("wassenger", "d1", WID) == [rotated.ref("wassenger", "d1", WID)[0], old]


@given(st.tuples(names, names, names), st.tuples(names, names, names))
def test_different_chats_never_share_a_pseudonym(one, other):
    make = Pseudonyms({"1": OLD}).ref
    assert (make(*one) == make(*other)) == (one == other)


def test_parts_that_run_together_stay_apart():
    make = Pseudonyms({"1": OLD}).ref
    assert len({make("a", "b", "c"), make("ab", "", "c"), make("a", "bc", ""), make('a","b', "c", "")}) == 4


@pytest.mark.parametrize(
    ("wid", "shown"),
    [
        ("447362053576@c.us", "+44 ··· 76"),
        ("12025550176@c.us", "+1 ··· 76"),
        ("79161234567@s.whatsapp.net", "+7 ··· 67"),
        ("34600123456@c.us", "+34 ··· 56"),
        ("351912345678@c.us", "+351 ··· 78"),
        ("971501234567@c.us", "+971 ··· 67"),
        ("120363041234567890@g.us", "group ··· 90"),
        ("447362053576-1600000012@g.us", "group ··· 12"),
        ("99887766554433@lid", "private ··· 33"),
        ("120363041234567890@newsletter", "channel ··· 90"),
        ("status@broadcast", "broadcast"),
        ("12@c.us", "chat"),
        ("0123456789@c.us", "chat ··· 89"),
        ("Ada Lovelace", "chat"),
        ("", "chat"),
    ],
)
def test_a_hint_shows_the_country_and_two_digits_at_most(wid, shown):
    assert hint(wid) == shown


@given(st.from_regex(r"[1-9][0-9]{7,14}@(c\.us|g\.us|lid|x)", fullmatch=True))
def test_no_hint_can_be_called(wid):
    digits = re.sub(r"\D", "", hint(wid))
    assert len(digits) <= 5
    assert hint(wid) == mask_numbers(hint(wid))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ada +44 7362 053576 VIP", "Ada ··· 76 VIP"),
        ("+34600123456", "··· 56"),
        ("(202) 555-0176", "··· 76"),
        ("202.555.0176 / 202.555.0199", "··· 99"),
        ("447362053576@c.us", "··· 76@c.us"),
        ("+44\u00a07362\u2011053\u200b576", "··· 76"),
        ("6\ufe0f\u20e30\ufe0f\u20e30\ufe0f\u20e31\ufe0f\u20e32\ufe0f\u20e33\ufe0f\u20e34", "··· 34"),
        ("\u0664\u0664\u0667\u0663\u0666\u0662\u0660\u0665", "··· \u0660\u0665"),
        ("４４７３６２０５", "··· ０５"),  # noqa: RUF001 - full-width digits
        ("order 123456", "order 123456"),
        ("2 of 3, then 4 of 5", "2 of 3, then 4 of 5"),
        ("+44 ··· 76", "+44 ··· 76"),
        ("", ""),
    ],
)
def test_what_looks_like_a_number_is_masked(text, shown):
    assert mask_numbers(text) == shown


@given(st.text(alphabet=st.sampled_from("0123456789٤५ab +-.()\u200b"), max_size=60))
def test_no_seven_digits_in_a_row_survive_and_masking_again_changes_nothing(text):
    shown = mask_numbers(text)
    assert not re.search(r"\d([ +\-.()\u200b]?\d){6}", shown)
    assert mask_numbers(shown) == shown


def test_masking_a_long_text_takes_no_longer_than_its_length():
    assert mask_numbers("1 " * 3 + "x" + "1     " * 200_000).startswith("1 1 1 x")
