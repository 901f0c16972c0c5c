"""`erase` asks for the chat's hint to be typed, says how it ended, and what it certifies is checked anywhere."""

REASON = ("--reason", "asked by mail", "--ticket", "DPO-2041")
# Some of the account's chats are refused, or gone already.
ENDED = {"deleted", "removed_locally", "already_gone"}


def chats(command, policies) -> list[tuple[str, str]]:
    """Pseudonym and hint of some chats that nothing keeps."""
    command("policy", "apply", policies, "--yes")
    command("run", "--yes", code=5, read_only="true")
    jobs = command.json("jobs", "list", "--state", "queued")["jobs"]
    return [(job["chat_ref"], job["chat_hint"]) for job in jobs]


def test_a_person_is_erased_and_the_certificate_is_checked_without_the_ledger(account, policies):
    (chat, hint), *_ = chats(account, policies)
    typed = hint.replace(" ··· ", " ")
    assert "not confirmed" in account.at_terminal("erase", chat, *REASON, answers="yes\n", code=2)
    shown = account.at_terminal("erase", chat, *REASON, "--out", "proof.json", answers=f"{typed}\n")
    assert "Emptied" in shown
    said = account("audit", "verify", "--certificate", "proof.json", database_url="sqlite:////nowhere/x.db")
    assert "ticket DPO-2041" in said.stdout
    assert "It proves that" in said.stderr
    whole = (account.folder / "proof.json").read_text(encoding="utf-8")
    account.file("changed.json", whole.replace("DPO-2041", "DPO-2042", 1))
    assert "proves nothing" in account("audit", "verify", "--certificate", "changed.json", code=8).stdout
    strange = account.json(
        "audit",
        "verify",
        "--certificate",
        "proof.json",
        code=8,
        audit_key="another-key-of-32-characters-or-more",
    )
    assert "another audit key" in strange["problems"][0]
    (erasure,) = account.json("erase", "--list")["erasures"]
    assert (erasure["state"] in ENDED, erasure["notes"]) == (True, ["ticket DPO-2041"])
    account("audit", "certificate", "--job", str(erasure["id"]), "--out", "again.json")
    assert account.json("audit", "verify", "--certificate", "again.json")["certificates"] == 1


def test_what_stands_in_the_way_is_said_with_its_exit_code_and_how_it_is_lifted(account, policies):
    (chat, _), (held, _), *_ = chats(account, policies)
    account("hold", "add", held, "--reason", "case 7")
    assert "hold release 1" in account("erase", held, *REASON, "--yes", code=5).stderr
    account("stop", "--reason", "look")
    stopped = account.json("erase", chat, *REASON, "--yes", code=5)
    assert [job["blocked_by"] for job in stopped["jobs"]] == ["stopped"]
    account("start", "--yes")
    unreachable = account("erase", chat, *REASON, "--yes", code=6, api_url="http://127.0.0.1:9/v1")
    assert "The request stands" in unreachable.stderr
    account("run", "--yes")
    (erasure,) = account.json("erase", "--list")["erasures"]
    assert erasure["state"] in ENDED
