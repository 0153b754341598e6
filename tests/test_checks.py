"""What holds for the checks of every lesson: how they take right, wrong and missing answers.

The answers stand in test_checks_lessonNN.py: RIGHT (exercise -> answer), ALSO_RIGHT (exercise,
answer) and WRONG (exercise, answer, hint). That file also tests what is special to its lesson.
"""

import ast
import importlib
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib.checks import CheckFailed

LESSONS = {
    number: importlib.import_module(f"test_checks_lesson{number}")
    for number in ("01", "02", "03", "04", "05", "06", "07", "08", "10", "11", "12", "13", "14")
}
CHECKS = {
    number: importlib.import_module(f"course_lib.checks.lesson{number}") for number in LESSONS
}
FOLDER = Path(__file__).parents[1] / "course_lib" / "checks"
FILES = [
    path
    for number in ("03", "04", "05", "06", "07", "08", "10", "11", "12", "13", "14")
    for path in FOLDER.glob(f"lesson{number}*.py")
]


def answers(kind: str) -> list:
    """The answers of one kind, of all lessons: (checks, exercise, answer, and the hint)."""
    found = []
    for number, lesson in LESSONS.items():
        given = getattr(lesson, kind)
        for position, row in enumerate(given.items() if isinstance(given, dict) else given):
            words = [number, row[0], *row[2:], str(position)]
            found.append(pytest.param(CHECKS[number], *row, id="-".join(words)))
    return found


def exercises() -> list:
    """(checks, exercise) of all lessons."""
    return [
        pytest.param(CHECKS[number], name, id=f"{number}-{name}")
        for number, lesson in LESSONS.items()
        for name in lesson.RIGHT
    ]


@pytest.mark.parametrize(("checks", "name", "answer", "hint"), answers("WRONG"))
def test_a_wrong_answer_is_refused_with_its_hint_in_three_sentences(checks, name, answer, hint):
    with torch.random.fork_rng(), pytest.raises(CheckFailed) as refusal:
        getattr(checks, name)(answer)
    assert refusal.value.hint == hint, str(refusal.value)
    message = str(refusal.value)
    assert message[0].isupper() and (hint == "error" or len(re.split(r"[.?] ", message)) <= 3)


@pytest.mark.parametrize(("checks", "name", "answer"), answers("RIGHT"))
def test_a_right_answer_passes_and_nothing_global_is_drawn(checks, name, answer, capsys):
    # The library's own functions among them: what is taught and what is kept must agree.
    legacy = np.random
    before = random.getstate(), repr(legacy.get_state()), torch.get_rng_state().tolist()
    getattr(checks, name)(answer)
    after = random.getstate(), repr(legacy.get_state()), torch.get_rng_state().tolist()
    assert before == after
    assert capsys.readouterr().out == f"Exercise {name}: correct.\n"


@pytest.mark.parametrize(("checks", "name", "answer"), answers("ALSO_RIGHT"))
def test_another_right_answer_passes(checks, name, answer, capsys):
    getattr(checks, name)(answer)
    assert capsys.readouterr().out == f"Exercise {name}: correct.\n"


@pytest.mark.parametrize("number", LESSONS)
def test_the_exercises_are_those_of_the_right_answers(number):
    lesson = LESSONS[number]
    assert set(lesson.RIGHT) == set(CHECKS[number].__all__)
    assert {row[0] for row in lesson.WRONG} == set(lesson.RIGHT)


@pytest.mark.parametrize("message", ["Exercise: write your answer here.", ""])
@pytest.mark.parametrize(("checks", "name"), exercises())
def test_an_answer_not_yet_written_stays_a_not_implemented_error(checks, name, message):
    def answer(*given):
        raise NotImplementedError(message)

    with pytest.raises(NotImplementedError):
        getattr(checks, name)(answer)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_message_is_longer_than_three_sentences(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for text in _messages(node):
            assert len(re.findall(r"[.?!] (?=[A-Z`])", text)) <= 2, text


def _messages(node):
    """The texts that stand in a call, a tuple, a yield or a dictionary and are long enough."""
    parts = {
        ast.Call: lambda: node.args,
        ast.Tuple: lambda: node.elts,
        ast.Dict: lambda: node.values,
    }.get(type(node), list)()
    for part in parts:
        texts = [n.value for n in ast.walk(part) if isinstance(n, ast.Constant)]
        text = "".join(t for t in texts if isinstance(t, str))
        if isinstance(part, ast.JoinedStr | ast.Constant | ast.BinOp) and len(text) > 60:
            yield text
