"""A session is what the sign-in gave to one browser of one person, and ends when it should."""

from datetime import timedelta

import pytest

from chat_hygiene.web.door import ATTEMPTS, SESSION
from chat_hygiene.web.signing import Signer
from support.site import KEYS, served
from support.world import NOW


def cookie(browser):
    """The name and the text of the session's cookie."""
    return next(
        (each.name, each.value) for each in browser.client.cookies.jar if not each.name.endswith("_said")
    )


def signed_in(browser):
    return browser.get("/").status_code == 200


def with_cookie(house, name, text):
    with house.browser() as browser:
        header = {b"Cookie": f"{name}={text}".encode("latin-1")}
        return browser.client.get("/", headers=header).status_code == 200


def test_a_session_that_was_changed_or_made_elsewhere_is_none(house, ana):
    name, text = cookie(ana)
    assert with_cookie(house, name, text)
    body, _, mac = text.partition(".")
    content = Signer(KEYS["audit_key"].encode()).read("session", text)
    elsewhere = Signer(b"another key of thirty-two letters")
    forged = [
        text[:-2] + ("A" if text[-2] != "A" else "B") + text[-1],
        f"A{text[1:]}",
        body,
        f"{body}.",
        f".{mac}",
        "..",
        "☎".encode().decode("latin-1"),
        elsewhere.sign("session", content),
        Signer(KEYS["audit_key"].encode()).sign("said", content),
    ]
    for each in forged:
        assert not with_cookie(house, name, each), each


def test_it_ends_after_its_time_and_counts_for_nothing_before_it_began(ana, time):
    time[0] = NOW + SESSION - timedelta(seconds=1)
    assert signed_in(ana)
    for at in (NOW + SESSION, NOW - SESSION):
        time[0] = at
        assert not signed_in(ana)


def test_it_ends_when_the_person_is_taken_out_or_gets_another_token_or_role(house, ana, ben, people):
    people.make("ben", "operator")
    assert not signed_in(ben)
    people.add("ana", "operator")
    assert not signed_in(ana)
    with house.browser() as again:
        again.sign_in("ana", people.tokens["ana"])
        assert signed_in(again)
        people.remove("ana")
        assert not signed_in(again)
        assert again.sign_in("ana", people.tokens["ana"]).status_code == 403


def test_a_users_file_that_is_broken_while_it_runs_lets_nobody_in(ana, people):
    whole = people.file.read_text()
    people.file.write_text("ana:operator\n")
    assert not signed_in(ana)
    people.file.unlink()
    assert not signed_in(ana)
    people.file.write_text(whole)
    assert signed_in(ana)


def test_signing_out_ends_it_in_this_browser(ana):
    assert ana.send("/sign-out").headers["location"] == "/sign-in"
    assert not signed_in(ana)


def test_a_wrong_name_or_token_is_told_without_saying_which_and_not_for_ever(house, people, time):
    with house.browser() as browser:
        pages = {
            browser.sign_in(*each).text.replace(each[0], "")
            for each in [("ana", "x"), ("nobody", people.tokens["ana"])]
        }
        assert len(pages) == 1
        for _ in range(ATTEMPTS - 2):
            assert browser.sign_in("ana", "\x00☎").status_code == 403
        refused = browser.sign_in("ana", people.tokens["ana"])
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        time[0] += timedelta(minutes=1)
        assert browser.sign_in("ana", people.tokens["ana"]).status_code == 303


@pytest.mark.parametrize(
    "next_", ["//example.org", "https://example.org", "/\\example.org", "\t//x", "javascript:alert(1)", ""]
)
def test_signing_in_leads_to_no_other_site(house, people, next_):
    with house.browser() as browser:
        form = {"name": "ana", "secret": people.tokens["ana"], "next": next_}
        assert browser.client.post("/sign-in", data=form).headers["location"] == "/"


def test_a_link_from_elsewhere_leads_on_by_a_page_of_ours_so_that_the_session_is_sent(house):
    with house.browser() as browser:
        page = browser.client.get("/leaving?a=1&b", headers={"Sec-Fetch-Site": "cross-site"})
        assert 'http-equiv="refresh" content="0; url=/leaving?a=1&amp;b"' in page.text
        assert browser.client.get("/leaving", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_signing_in_leads_on_to_what_was_asked_for(house, people):
    with house.browser() as browser:
        away = browser.get("/leaving?policy=a").headers["location"]
        assert away == "/sign-in?next=%2Fleaving%3Fpolicy%3Da"
        assert 'value="/leaving?policy=a"' in browser.get(away).text


@pytest.mark.parametrize(
    ("more", "secure"), [({}, False), ({"web_url": "https://hygiene.example.org"}, True)]
)
def test_the_cookie_is_for_us_alone(house, people, more, secure):
    with house.browser() as browser:
        told = browser.sign_in("ana", people.tokens["ana"]).headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= set(told.split("; "))
    assert ("secure" in told.split("; ")) is secure


@pytest.mark.parametrize("more", [{"web_url": "https://hygiene.example.org"}])
def test_the_page_is_served_under_the_name_that_the_settings_say(ana):
    headers = {"Host": "hygiene.example.org", "Origin": "https://hygiene.example.org"}
    assert ana.client.get("/sign-in", headers=headers).status_code in {200, 303}
    for other in ("other.example.org", "[", "[::1", "", "anybody@hygiene.example.org"):
        assert ana.client.get("/sign-in", headers={"Host": other}).status_code == 421, other
    assert ana.client.post("/stop", headers=headers | {"Origin": "https://["}).status_code == 403


def test_on_this_machine_without_a_users_file_everybody_is_the_operator_but_nobody_through_a_proxy(
    sqlite_databases, tmp_path
):
    url = sqlite_databases.copy(tmp_path / "ledger.db")
    with served(url, now=NOW, actor="carla") as site, site.browser() as browser:
        page = browser.get("/")
        assert (page.status_code, "carla" in page.text) == (200, True)
        assert browser.send("/stop", reason="a test").status_code == 303
        assert "Deleting is stopped." in browser.get("/").text
        assert "Deleting is stopped." not in browser.get("/").text, "it is told once"
        assert browser.client.get("/", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 403
