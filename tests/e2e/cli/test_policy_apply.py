from chat_hygiene.providers.fake.believable import SUPPORT


def stored(command):
    return {each["name"]: each["version"] for each in command.json("policy", "list")["policies"]}


def test_a_document_is_shown_against_what_is_stored_and_then_stored(account, policies):
    account("sync")
    text = account("policy", "apply", policies, "--yes").stdout
    assert "+ resolved-30d: new, deletes" in text
    assert "resolved for 30 d or more and no message from the customer for 30 d or more" in text
    assert "+ keep-contracts: new, keeps" in text

    assert "no change" in account("policy", "apply", policies).stderr
    assert stored(account) == {"resolved-30d": 1, "keep-contracts": 1}

    path = account.folder / policies
    path.write_text(path.read_text().replace("no_inbound_for: 30d", "no_inbound_for: 90d"))
    told = account.json("policy", "apply", policies)
    changes = {each["policy"]: each for each in told["changes"]}
    assert told["stored"] == 1
    assert changes["resolved-30d"]["differences"] == [
        {"key": "when.no_inbound_for", "before": "30d", "after": "90d"}
    ]
    assert changes["keep-contracts"]["what"] == "unchanged"
    assert stored(account) == {"resolved-30d": 2, "keep-contracts": 1}
    assert account.json("audit", "verify")["unsealed"] == 0


def test_what_it_would_reach_counts_the_keep_policies_of_the_same_document(account, policies):
    account("sync")
    reach = account.json("policy", "apply", policies, "--yes")["changes"][0]["matches"]
    assert reach == len(account.json("preview")["policies"][0]["chats"])


def test_a_bad_document_stores_nothing_and_every_problem_has_its_place(command, policies):
    path = command.folder / policies
    path.write_text(
        path.read_text().replace("resolved_for", "resovled_for").replace("max_share: 100%", "max_share: 200%")
    )
    done = command("policy", "apply", policies, code=3)
    assert "policies.yaml:7:" in done.stderr
    assert "resolved_for" in done.stderr
    assert "policies.yaml:11:" in done.stderr
    assert stored(command) == {}
    error = command.json("policy", "validate", policies, code=3)
    assert (error["kind"], error["code"]) == ("error", 3)


def test_a_number_that_the_account_does_not_have_is_refused_once_numbers_are_known(account, policies):
    path = account.folder / policies
    path.write_text(path.read_text().replace("mode: enforce", "mode: enforce\n    devices: [Suport ES]"))
    account("policy", "apply", policies, "--yes")
    account("sync")
    path.write_text(path.read_text().replace("30d, no", "31d, no"))
    assert "Suport ES" in account("policy", "apply", policies, code=3).stderr
    path.write_text(path.read_text().replace("Suport ES", SUPPORT))
    account("policy", "apply", policies, "--yes")


def test_on_a_terminal_it_asks_before_it_stores_what_deletes(account, policies):
    assert "Store this?" in account.at_terminal("policy", "apply", policies, answers="n\n", code=2)
    assert stored(account) == {}
    account.at_terminal("policy", "apply", policies, answers="y\n")
    assert stored(account) == {"resolved-30d": 1, "keep-contracts": 1}
    path = account.folder / policies
    path.write_text(path.read_text().replace("mode: enforce", "mode: observe"))
    account.at_terminal("policy", "apply", policies)


def test_what_is_stored_can_be_shown_and_applied_again(account, policies):
    account("policy", "apply", policies, "--yes")
    shown = account("policy", "show", "resolved-30d").stdout
    assert "no change" in account("policy", "apply", account.file("shown.yaml", shown)).stderr
    assert "nobody" in account("policy", "show", "nobody", code=2).stderr


def test_the_schema_is_json_for_editors(command):
    assert '"$defs"' in command("policy", "schema").stdout
