"""Messages over real HTTP: where they arrive, what is said of those that do not, and what is never said."""

import logging
import socket

import pytest

from chat_hygiene.providers import notify
from chat_hygiene.settings import SettingsError, load_settings
from support.letterbox import letterbox

SECRET = "path-of-the-operator"


@pytest.fixture
def box():
    with letterbox() as box:
        yield box


@pytest.fixture
def logged():
    """What reaches the log of a process. Not `caplog`: it listens to loggers that hand nothing on, too."""
    records, root = [], logging.getLogger()
    handler, level = logging.Handler(), root.level
    handler.emit = records.append
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield records
    root.removeHandler(handler)
    root.setLevel(level)


def sent(*addresses, private=True):
    body = "first <b>line</b>\nsecond"
    return notify.send(addresses, title="a title", body=body, mood="warning", private=private)


def test_a_message_arrives_as_it_was_written(box):
    assert sent(box.address) == [notify.Delivery(1, "JSON", None)]
    [letter] = box.letters
    assert (letter["title"], letter["message"]) == ("a title", "first <b>line</b>\nsecond")
    assert letter["type"] == "warning"


def test_each_address_is_told_apart_and_none_keeps_it_from_the_others(box, logged):
    sent(box.address)  # what the library says while it is loaded names nothing
    logged.clear()
    box.letters.clear()
    with letterbox() as broken, socket.socket() as refusing:
        broken.status = 503
        refusing.bind(("127.0.0.1", 0))  # bound and not listening
        closed = f"json://127.0.0.1:{refusing.getsockname()[1]}/{SECRET}"
        found = sent(broken.address, f"nonsense://{SECRET}", box.address, closed)
    assert [(each.place, each.service, each.problem) for each in found] == [
        (1, "JSON", "it answered 503"),
        (2, None, "no service is known by this address"),
        (3, "JSON", None),
        (4, "JSON", "it could not be reached"),
    ]
    assert len(box.letters) == 1
    # urllib3 names paths, too, on a level that no log of ours takes.
    told = [each.name for each in logged if "urllib3" not in each.name or each.levelno > logging.DEBUG]
    assert told == [], "the library's log went out, which hides secrets only in part"
    assert SECRET not in repr(found)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_private_address_is_not_called_unless_that_is_meant(box, host):
    [delivery] = sent(box.address.replace("127.0.0.1", host), private=False)
    assert "ALLOW_PRIVATE_TARGETS" in delivery.problem
    assert (box.letters, box.refused) == ([], 0)


def test_no_redirect_is_followed(box):
    with letterbox() as elsewhere:
        box.status, box.location = 307, f"http://127.0.0.1:{elsewhere.port}/"
        [delivery] = sent(box.address)
        assert delivery.problem == "it answered 307"
        assert elsewhere.letters == []


def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(notify, "DEADLINE", notify.DEADLINE / 100)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        [delivery] = sent(f"json://127.0.0.1:{silent.getsockname()[1]}/?rto=1")
    assert delivery.problem == "no answer within 0.3 s"


def test_addresses_are_separated_by_spaces_or_commas_and_keep_their_own_commas():
    settings = load_settings(notify_urls=" json://a/?to=x,y , mailto://b:c@d\n tgram://e/f,")
    assert settings.notify_addresses == ("json://a/?to=x,y", "mailto://b:c@d", "tgram://e/f")
    assert load_settings().notify_addresses == ()
    assert "mailto" not in repr(settings)


@pytest.mark.parametrize(
    "given", [{"notify_urls": SECRET}, {"notify_timezone": "Europe/Madird"}, {"notify_hour": 24}]
)
def test_what_cannot_be_meant_is_refused_by_name(given):
    with pytest.raises(SettingsError) as refused:
        load_settings(**given)
    assert f"CHAT_HYGIENE_{next(iter(given)).upper()}" in str(refused.value)
    assert SECRET not in str(refused.value)
