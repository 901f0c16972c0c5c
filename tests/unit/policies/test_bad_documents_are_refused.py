import re

import pytest

from chat_policies import DocumentError, load
from unit.policies.documents import BAD, HEAD, problems

FILES = sorted(BAD.glob("*.yaml"))


def test_the_corpus_is_large():
    assert len(FILES) >= 40


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_is_refused_at_its_line_and_says_why(file):
    text = file.read_text(encoding="utf-8")
    expected = re.search(r"# expect line (\d+): (.+)\n\Z", text)
    found = [
        problem
        for problem in problems(file.read_bytes())
        if expected[2] in f"{problem.message} {problem.hint}"
    ]
    assert [problem.line for problem in found][:1] == [int(expected[1])]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"version: 1\nname: \xff", 2, "not UTF-8"),
        ("version: 1".encode("utf-16"), 1, "not UTF-8"),
        (b"version: 1\n\0", 2, "control character U+0000"),
        (b"version: 1\n" + b"#" * 1024 * 1024, 1, "larger than"),
        (b"", 1, "the file is empty"),
        (BOMB.encode(), 5, "more than 50000 values"),
        (b"[" * 500_000, 1, "nested deeper than 32"),
        (b"- " * 500_000, 1, "nested deeper than 32"),
        (HEAD.encode() + b"  - when: " + b"{any: [" * 50_000, 4, "nested deeper than 32"),
        (b'version: "\\UFFFFFFFF"', 1, "is not YAML"),
    ],
)
def test_bytes_that_are_no_document_are_refused(data, line, message):
    assert [(problem.line, message in problem.message) for problem in problems(data)] == [(line, True)]


def test_all_errors_of_a_file_are_told_at_once_in_the_order_of_its_lines():
    found = problems(
        HEAD + "  - name: P\n    when: {unraed: true, kind: grup}\n  - name: q\n    when: {}\n    mood: bad\n"
    )
    assert [(problem.line, problem.column) for problem in found] == [
        (4, 11),
        (5, 12),
        (5, 32),
        (7, 11),
        (8, 5),
    ]


def test_an_error_is_shown_with_its_line_and_a_caret_under_it():
    with pytest.raises(DocumentError) as refused:
        load(f"{HEAD}  - name: p\n    when: {{labels: [\U0001f600e\u0301, 7]}}\n".encode(), "team.yaml")
    assert refused.value.render().splitlines() == [
        'team.yaml:5:26: item 2 of "labels" must be text',
        "        when: {labels: [\U0001f600e\u0301, 7]}",
        # an emoji is two columns wide, a combining accent none
        " " * 29 + "^",
        '    put it in quotes: "7"',
    ]


def test_an_error_cannot_steer_the_terminal():
    with pytest.raises(DocumentError) as refused:
        load(f'{HEAD}  - name: p\n    "\\e[31mred\u202e": 1\n'.encode(), "test.yaml")
    assert all(char.isprintable() or char == "\n" for char in refused.value.render())


def test_a_default_that_is_wrong_is_told_once_where_it_stands():
    policies = "".join(f"  - {{name: p{n}, when: {{unread: true}}}}\n" for n in range(3))
    found = problems(f'version: 1\ndefaults: {{schedule: "0 3 * * *", grace: 0d}}\npolicies:\n{policies}')
    assert [(problem.line, problem.column) for problem in found] == [(2, 42)]


def test_a_flood_of_errors_is_cut():
    found = problems(HEAD + "  - name: p\n" + "".join(f"    k{n}: 1\n" for n in range(1000)))
    assert len(found) == 101
    assert found[-1].message == "and 901 more problems"
