"""Whatever is not a form of ours, sent by an operator with a reason, changes nothing: on every route that there is."""

from threading import Event

import pytest
from sqlalchemy import func, select

from chat_hygiene.store.tables import audit_events, holds, jobs, policies, policy_runs, switches
from chat_hygiene.web.page import Deed, Page, Search, Sheet
from chat_hygiene.web.pages import PARTS
from support.site import served
from support.world import NAME, NOW, NUMBER

GIVEN = {"chat": "chat_2", "hold": "1", "job": "8", "run": "2", "policy": "resolved-30d"}
"""What fills the paths: each is there in the ledger."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OF_THE_DOOR = ("/sign-in", "/sign-out", "/zone")
REASON = "a test of what is refused"
DEEDS = [part.path.format_map(GIVEN) for part in PARTS if isinstance(part, Deed)]
SEEN = [part.path.format_map(GIVEN) for part in PARTS if isinstance(part, Page | Sheet)]
SEARCHES = [part.path.format_map(GIVEN) for part in PARTS if isinstance(part, Search)]
SENT = (*DEEDS, *SEARCHES)
LOOKED_AT = ("GET", "HEAD")
METHODS_OF = (
    dict.fromkeys((*DEEDS, "/sign-in", "/zone"), (*LOOKED_AT, "POST"))
    | dict.fromkeys(SEEN, LOOKED_AT)
    | dict.fromkeys((*SEARCHES, "/sign-out"), ("POST",))
)
"""By path; whatever else is asked of it is refused."""


def stored(sessions):
    """What a write would change: every event, and the rows that people decide about."""
    with sessions() as session:
        events = session.scalar(select(func.count()).select_from(audit_events))
        decided = (holds, jobs, policies, policy_runs, switches)
        return [
            events,
            *(session.execute(select(table).order_by(*table.primary_key)).all() for table in decided),
        ]


@pytest.fixture
def before(house):
    """As it was, and as it must still be after the test."""
    was = stored(house.sessions)
    yield was
    assert stored(house.sessions) == was, "something was written"


def fields(**more):
    return {**GIVEN, "reason": REASON, **more}


def test_every_route_is_a_part_of_the_door_or_for_machines(house):
    served = {route.path for route in house.server._server.config.app.routes}
    machines = {"/healthz", "/readyz", "/metrics", "/webhooks/{token}"}
    static = {path for path in served if path.startswith("/static/")}
    assert served - machines - static - set(OF_THE_DOOR) == {part.path for part in PARTS}
    assert {path.format_map(GIVEN) for path in served - machines - static} == set(METHODS_OF), (
        "one is not tested"
    )


def test_without_a_session_nothing_is_shown_or_done(house, before):
    with house.browser() as stranger:
        for path in (*DEEDS, *SEEN):
            answer = stranger.get(path)
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), (
                path
            )
        for path in SENT:
            assert stranger.client.post(path, data=fields()).status_code == 403, path
        for path in ("/sign-out", "/zone"):
            assert stranger.client.post(path, data={"zone": "Europe/Madrid"}).status_code == 403, path


def test_a_reader_looks_and_does_nothing(ben, before):
    token = ben.form_token()
    for path in DEEDS:
        assert ben.get(path).status_code == 403, path
        assert ben.client.post(path, data=fields(token=token)).status_code == 403, path
    for path in SEEN:
        assert ben.get(path).status_code == 200, path
    for path in SEARCHES:
        assert ben.client.post(path, data=fields(token=token)).status_code == 303, path


def test_a_form_without_the_token_of_its_session_is_refused(house, ana, ben, people, before):
    with house.browser() as again:
        again.sign_in("ana", people.tokens["ana"])
        strange = ["", "x" * 64, "é", ben.form_token(), again.form_token()]
    for path in (*SENT, "/sign-out", "/zone"):
        for token in strange:
            answer = ana.client.post(path, data=fields(token=token))
            assert answer.status_code == 403, (path, token)
        assert ana.client.post(path, data=fields()).status_code == 403, path
    assert ana.get("/").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.org"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_another_page_is_refused(ana, before, headers):
    token = ana.form_token()
    for path in (*SENT, *OF_THE_DOOR):
        answer = ana.client.post(path, data=fields(token=token), headers=headers)
        assert answer.status_code == 403, path


def test_a_form_that_says_nothing_of_its_origin_is_refused(ana, before):
    token = ana.form_token()
    del ana.client.headers["Origin"]
    for path in (*SENT, *OF_THE_DOOR):
        assert ana.client.post(path, data=fields(token=token)).status_code == 403, path


@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1.example.org", "", "169.254.169.254", "localhost@example.org"]
)
def test_a_name_that_is_not_ours_is_not_served(ana, before, host):
    token, headers = ana.form_token(), {"Host": host, "Origin": f"http://{host}"}
    for path in METHODS_OF:
        assert ana.client.get(path, headers=headers).status_code in {400, 405, 421}, path
        assert ana.client.post(path, data=fields(token=token), headers=headers).status_code in {
            400,
            405,
            421,
        }, path


def test_other_methods_are_refused_everywhere(ana, before):
    for path, taken in METHODS_OF.items():
        for method in set(METHODS) - set(taken):
            # To GET, the path of a search is that of a thing with this name: there is none.
            refused = {404, 405} if path in SEARCHES else {405}
            assert ana.client.request(method, path).status_code in refused, (method, path)


@pytest.mark.parametrize("reason", ["", "  ", f"she called from +{NUMBER}", "two\nlines"])
def test_without_a_reason_that_may_stand_in_the_audit_nothing_is_done(ana, before, reason):
    for path in DEEDS:
        answer = ana.send(path, **fields(reason=reason))
        assert (answer.status_code, "Nothing was done" in answer.text) == (422, True), path
        assert 'role="alert"' in answer.text


def test_what_is_no_form_is_refused(ana, before):
    for path in SENT:
        assert ana.client.post(path, json=fields()).status_code == 415, path
        long = ana.client.post(path, data=fields(token=ana.form_token(), reason="x" * 20_000))
        assert long.status_code == 413, path


def test_a_reader_sees_no_name_no_number_and_nothing_that_a_person_typed(house, ana, ben):
    ana.send("/stop", reason="the audit of Grace Hopper")
    shown = "".join(ben.get(path).text for path in SEEN)
    for secret in (NAME, NUMBER, "Ada", "Hopper"):
        assert secret not in shown, f"a reader sees {secret}"
    assert NAME in ana.get("/leaving").text
    assert "Grace Hopper" in ana.get("/").text


def test_what_somebody_does_stands_in_the_audit_under_their_name(house, ana):
    assert ana.send("/stop", reason=REASON).status_code == 303
    with house.sessions() as session:
        newest = select(audit_events.c.actor, audit_events.c.kind).order_by(audit_events.c.seq.desc())
        assert session.execute(newest.limit(1)).one() == ("ana", "stopped")


def test_looking_writes_nothing(ana, before):
    for path in (*DEEDS, *SEEN):
        assert ana.client.get(path, params=GIVEN).status_code == 200, path
    for path in SEARCHES:
        assert ana.send(path, **GIVEN).status_code == 303, path


@pytest.mark.parametrize("reason", ["", f"it is +{NUMBER}"])
def test_no_deed_is_done_without_a_reason_whatever_it_asks_for_itself(
    sqlite_databases, tmp_path, monkeypatch, reason
):
    done = []
    careless = Deed(
        "/careless",
        "careless",
        "Careless",
        lambda _visit: {"lead": [], "verb": "Do it", "hidden": {}},
        done.append,
        "/",
    )
    monkeypatch.setattr("chat_hygiene.web.pages.PARTS", (*PARTS, careless))
    with served(sqlite_databases.copy(tmp_path / "a.db"), now=NOW) as site, site.browser() as browser:
        assert browser.send("/careless", reason=reason).status_code == 422
    assert done == []


def test_a_deed_that_takes_long_is_said_to_go_on_and_goes_on(sqlite_databases, tmp_path, monkeypatch):
    go, done = Event(), Event()

    def slow(_visit):
        assert go.wait(60), "nobody let it go on"
        done.set()
        return "Done."

    ask = lambda _visit: {"lead": [], "verb": "Do it", "hidden": {}}  # noqa: E731
    monkeypatch.setattr(
        "chat_hygiene.web.pages.PARTS", (*PARTS, Deed("/slow", "slow", "Slow", ask, slow, "/"))
    )
    monkeypatch.setattr("chat_hygiene.web.site.DEED_PATIENCE", 0.1)
    with served(sqlite_databases.copy(tmp_path / "a.db"), now=NOW) as site, site.browser() as browser:
        answer = browser.send("/slow", reason=REASON)
        assert (answer.status_code, "It goes on" in answer.text, "does no harm" in answer.text) == (
            202,
            True,
            True,
        )
        assert not done.is_set()
        go.set()
        assert done.wait(60), "it was given up"
