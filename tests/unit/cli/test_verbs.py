"""The list of the verbs: it says of each what that verb says of itself, and imports none of them."""

import subprocess
import sys

import pytest

from chat_hygiene.cli.verbs import VERBS, load


@pytest.mark.parametrize("name", VERBS)
def test_the_list_says_of_a_verb_what_its_own_help_begins_with(name):
    verb = load(name)
    assert verb.name == name
    assert (verb.short_help or verb.help).split("\n\n")[0].replace("\n", " ") == VERBS[name]


def test_the_list_of_verbs_imports_none_of_them():
    code = """
import sys
from chat_hygiene.cli import main
sys.argv = ["chat-hygiene", "--help"]
try:
    main()
finally:
    print({name.split(".")[2] for name in sys.modules if name.startswith("chat_hygiene.cli.")})
"""
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert set(VERBS) & set(said.split()) >= {"demo", "web"}, "it is the list"
    assert eval(said.splitlines()[-1]) == {"app", "verbs"}
