"""The users file: every mistake is told with its line, and no secret is."""

import pytest

from chat_hygiene.core.errors import InvalidInputError, UsageError
from chat_hygiene.settings import load_settings
from chat_hygiene.web.users import Role, Users, new_user, parse, users_of

LINE, SECRET = new_user("ana", Role.OPERATOR)
HASH = LINE.split(":")[2]


def test_a_line_that_was_made_lets_its_person_in(tmp_path):
    file = tmp_path / "users"
    file.write_text(f"# people\n\n  {LINE}  \n")
    users = Users(file)
    user = users.sign_in("ana", SECRET)
    assert (user.name, user.operator) == ("ana", True)
    assert users.sign_in("ana", f"{SECRET}x") is None
    assert SECRET not in file.read_text()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ana", "not NAME:ROLE:HASH"),
        ("ana:operator", "not NAME:ROLE:HASH"),
        (f"ana:operator:{HASH}:x", "not NAME:ROLE:HASH"),
        (f"ana:admin:{HASH}", "neither reader nor operator"),
        (f"ana:Operator:{HASH}", "neither reader nor operator"),
        ("ana:operator:secret", "not one that"),
        (f"ana:operator:{HASH[:-6]}", "not one that"),
        (f"ana:operator:{HASH.replace('scrypt', 'md5')}", "not one that"),
        (f":operator:{HASH}", "a name is"),
        (f"{'a' * 65}:operator:{HASH}", "a name is"),
        (f"34600111222:operator:{HASH}", "phone number"),
        (LINE, "named twice"),
    ],
    # The hash is another one in each process, and test processes have to agree on the names of tests.
    ids=lambda text: text.partition("$")[0],
)
def test_a_mistake_is_told_with_its_line(tmp_path, line, problem):
    file = tmp_path / "users"
    file.write_text(f"# people\n{LINE}\n{line}\n")
    with pytest.raises(InvalidInputError, match=problem) as caught:
        parse(file)
    assert str(caught.value).startswith(f"{file}:3: ")
    assert HASH.split("$")[2] not in str(caught.value), "the hash is told"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_told(tmp_path, content):
    file = tmp_path / "users"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidInputError, match="WEB_USERS_FILE"):
        parse(file)


@pytest.mark.parametrize("name", ["", " ", "a:b", "#a", "a\n", "+34 600 111 222", "a" * 65])
def test_nobody_gets_a_name_that_a_line_could_not_hold(name):
    with pytest.raises(UsageError):
        new_user(name, Role.READER)


def test_whoever_can_be_reached_by_others_needs_the_file():
    wide = [{"web_host": "0.0.0.0"}, {"web_url": "https://hygiene.example.org"}]
    for more in wide:
        with pytest.raises(InvalidInputError, match="WEB_USERS_FILE"):
            users_of(load_settings(_env_file=None, **more))
    assert users_of(load_settings(_env_file=None, web_url="http://localhost:8787")) is None
