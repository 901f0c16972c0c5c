import stat

from chat_hygiene.settings import Settings


def test_both_files_are_written_and_usable(command):
    assert command.json("init")["written"] == ["policies.yaml", ".env"]
    assert stat.S_IMODE((command.folder / ".env").stat().st_mode) == 0o600
    command("policy", "validate", "policies.yaml")
    command("config", "show")


def test_a_file_that_is_there_stays_as_it_is(command):
    command.file(".env", "MINE=1\n")
    assert command.json("init") == {
        "version": 1,
        "kind": "init",
        "written": ["policies.yaml"],
        "kept": [".env"],
    }
    assert (command.folder / ".env").read_text() == "MINE=1\n"


def test_the_env_file_names_every_setting_with_its_default(command):
    command("init")
    lines = (command.folder / ".env").read_text().splitlines()
    said = dict(
        line.lstrip("#").partition("=")[::2] for line in lines if "CHAT_HYGIENE_" in line and " " not in line
    )
    defaults = Settings(_env_file=None, actor="me").model_dump(mode="json")
    assert {f"CHAT_HYGIENE_{name.upper()}" for name in defaults} == set(said)
    for name, value in defaults.items():
        text = said[f"CHAT_HYGIENE_{name.upper()}"]
        if isinstance(value, bool):
            assert text == str(value).lower()
        elif isinstance(value, int | float):
            assert float(text) == value
        elif name in {"api_url", "broker_url", "database_url"}:
            default = Settings.model_fields[name].default
            assert text == getattr(default, "get_secret_value", lambda default=default: default)()


def test_a_folder_that_cannot_be_written_is_named(command):
    assert "nowhere/policies.yaml cannot be written" in command("init", "nowhere", code=3).stderr
