"""Whether people can be told is shown before anything is wrong."""

from support.letterbox import letterbox

HIDDEN = "path-of-the-operator"


def test_a_test_message_says_where_it_arrived_and_where_not(command):
    with letterbox() as box, letterbox() as broken:
        broken.status = 500
        done = command("notify", "test", notify_urls=box.address, code=6)
        assert "ALLOW_PRIVATE_TARGETS" in done.stderr
        assert box.letters == []
        inside = {"allow_private_targets": "true"}
        done = command("notify", "test", notify_urls=box.address, **inside)
        assert "address 1, JSON: sent" in done.stderr
        assert box.titles == ["test message"]
        urls = f"{broken.address}, nonsense://{HIDDEN} {box.address}"
        done = command("notify", "test", notify_urls=urls, code=6, **inside)
        assert "address 1, JSON: it answered 500" in done.stderr
        assert "address 2, unknown: no service is known by this address" in done.stderr
        found = command.json("notify", "test", notify_urls=urls, code=6, **inside)["deliveries"]
        assert [each["problem"] is None for each in found] == [False, False, True]
        assert len(box.letters) == 3
        assert HIDDEN not in done.stdout + done.stderr
    assert "NOTIFY_URLS is not set" in command("notify", "test", code=3).stderr


def test_doctor_sends_nothing_and_says_whether_it_could(command):
    with letterbox() as box:
        (line,) = _messages(command, notify_urls=box.address)
        assert (line["ok"], line["says"]) == (True, "1 address (JSON); chat-hygiene notify test sends one")
        (line,) = _messages(command, notify_urls=f"{box.address} nonsense://{HIDDEN}")
        assert (line["ok"], line["says"]) == (False, "of NOTIFY_URLS no service is known by address 2")
        assert box.letters == []
    assert _messages(command) == []


def _messages(command, **settings):
    done = command.json("doctor", code=3, api_token="", **settings)
    return [each for each in done["checks"] if each["part"] == "messages"]


def test_the_secret_path_of_the_dead_mans_switch_is_not_shown(command):
    shown = command.json(
        "config", "show", ping_url=f"https://ping.example/{HIDDEN}", notify_urls=f"json://h/{HIDDEN}"
    )
    rows = {row["name"].removeprefix("CHAT_HYGIENE_"): row["value"] for row in shown["settings"]}
    assert (rows["PING_URL"], rows["NOTIFY_URLS"]) == ("https://ping.example", "set")
