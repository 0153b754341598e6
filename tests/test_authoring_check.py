"""Tests of `authoring check`: a sound course has no problem, and each break is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nbformat
import pytest
from tiny_course import LESSON, edit, make_built, write

from authoring.__main__ import main
from authoring.build import build
from authoring.check import check
from authoring.course import Course

LESSON_PY, LESSON_NB = "notebooks/07_tiny.py", "notebooks/07_tiny.ipynb"
SOLUTION_PY, SOLUTION_NB = "solutions/07_tiny.py", "solutions/07_tiny.ipynb"
EXERCISE_NB, RECORD = "exercises/07_tiny.ipynb", "notebooks/claims/07.json"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Course:
    """The tiny course, executed once for this module; tests work on copies."""
    return make_built(tmp_path_factory.mktemp("built"))


@pytest.fixture
def course(built, tmp_path) -> Course:
    """A copy of the built course to break."""
    return Course.load(shutil.copytree(built.root, tmp_path / "course"))


def problems(course: Course) -> list[str]:
    return [str(problem) for problem in check(course)]


def change(path: Path, how) -> None:
    """Change a notebook as another program would, and save it."""
    notebook = nbformat.read(path, as_version=4)
    how(notebook)
    nbformat.write(notebook, path)


def cell_with(notebook, text: str):
    (cell,) = [cell for cell in notebook.cells if text in cell.source]
    return cell


def picture_of(notebook):
    return cell_with(notebook, "Dot()").outputs[0]


def test_a_sound_course_has_no_problems(course, capsys):
    assert problems(course) == []
    assert main(["--root", str(course.root), "check"]) == 0
    assert capsys.readouterr().out == "No problems.\n"


def test_the_command_line_reports_all_problems(course, capsys):
    edit(course.root / LESSON_NB, "seen 2", "at /home/somebody/course")
    (course.root / EXERCISE_NB).unlink()
    assert main(["--root", str(course.root), "check", "7"]) == 1
    said = capsys.readouterr().out
    assert "notebooks/07_tiny.ipynb, cell 11: its output holds a path" in said
    assert "exercises/07_tiny.ipynb: differs from a fresh one" in said
    # The lesson's link to the exercises broke with them.
    assert "notebooks/07_tiny.ipynb, cell 1: its link leads nowhere" in said
    assert said.endswith("3 problems.\n")


# Breaks of the built notebook: (what is changed in it, what must be said).
NOTEBOOK_BREAKS = {
    "text": (lambda n: cell_with(n, "A dot:").update(source="A dog:"), "cell 7: it differs"),
    "code": (lambda n: cell_with(n, "1 + 1").update(source="print(3)"), "cell 11: it differs"),
    "kind": (
        lambda n: n.cells.__setitem__(6, nbformat.v4.new_raw_cell("A dot:")),
        "is a raw cell, the source has markdown",
    ),
    "tags": (lambda n: n.cells[10].metadata.update(tags=["mine"]), "cell 11: has the tags"),
    "added cell": (
        lambda n: n.cells.append(nbformat.v4.new_markdown_cell("Mine.")),
        "has 14 cells where the source makes 13",
    ),
    "badge": (lambda n: n.cells[1].update(source="No badge."), "cell 2: the badge cell differs"),
    "no badge": (lambda n: n.cells.pop(1), "the badge cell differs|is a code cell"),
    "bootstrap": (lambda n: n.cells[2].update(source="pass"), "cell 3: the bootstrap cell differs"),
    "no bootstrap": (lambda n: n.cells.pop(2), "the bootstrap cell differs"),
    "cleared": (
        lambda n: [c.update(outputs=[], execution_count=None) for c in n.cells if "outputs" in c],
        "execution counts must run 1 to 7, got None",
    ),
    "one cell not run": (lambda n: n.cells[10].update(execution_count=None), "counts must run"),
    "run twice": (lambda n: n.cells[10].update(execution_count=17), "counts must run"),
    "outputs cleared": (
        lambda n: [c.update(outputs=[]) for c in n.cells if "outputs" in c],
        "has no outputs at all",
    ),
    "equation's output cleared": (
        lambda n: cell_with(n, "verify.equation").update(outputs=[]),
        "cell 6: has lost its outputs",
    ),
    "error": (
        lambda n: cell_with(n, "1 + 1").outputs.append(
            nbformat.v4.new_output("error", ename="ValueError", evalue="bad", traceback=[])
        ),
        "cell 11: shows an error: ValueError: bad",
    ),
    "machine path": (
        lambda n: cell_with(n, "1 + 1").outputs[0].update(text="/Users/me/course/x.png\n"),
        "holds a path of the machine: /Users/me",
    ),
    "path in html": (
        lambda n: picture_of(n).data.update({"text/html": "<b>C:\\Users\\me\\x</b>"}),
        "holds a path of the machine: C:",
    ),
    "time": (
        lambda n: cell_with(n, "1 + 1").outputs[0].update(text="at 2026-03-04 12:30:11\n"),
        "holds a time: 2026-03-04 12:30",
    ),
    "times of the run": (
        lambda n: n.cells[10].metadata.update(execution={"iopub.execute_input": "now"}),
        "cell 11: its metadata holds the times of a run",
    ),
    "widget state": (lambda n: n.metadata.update(widgets={"state": {}}), "the state of widgets"),
    "no alt text": (
        lambda n: picture_of(n).metadata.clear(),
        "cell 8: its image/png has no alternative text",
    ),
    "empty alt text": (
        lambda n: picture_of(n).metadata["image/png"].update(alt=" "),
        "cell 8: its image/png has no alternative text",
    ),
    "html image without alt text": (
        lambda n: picture_of(n).data.update({"text/html": '<img src="data:x"><img alt="a dot">'}),
        "cell 8: an <img> in its HTML has no alternative text",
    ),
    "html image with empty alt text": (
        lambda n: picture_of(n).data.update({"text/html": '<img src="data:x" alt="">'}),
        "cell 8: an <img> in its HTML has no alternative text",
    ),
    "too large": (
        lambda n: cell_with(n, "1 + 1").outputs[0].update(text="x" * 600_000),
        "at most 600 kB",
    ),
}


@pytest.mark.parametrize(("how", "said"), NOTEBOOK_BREAKS.values(), ids=NOTEBOOK_BREAKS)
def test_a_broken_notebook_is_found(course, how, said):
    change(course.root / LESSON_NB, how)
    found = [line for line in problems(course) if line.startswith(LESSON_NB)]
    assert any(_occurs(said, line) for line in found), found


def _occurs(said: str, line: str) -> bool:
    return any(part in line for part in said.split("|"))


# Breaks of the lesson's source: (old text, new text, what must be said). The notebook is
# refreshed after the edit, so that what is found is the break itself and not the drift.
EQUATION = "# $$ (x + 1)^2 = x^2 + 2x + 1 \\tag{7.1} $$"
CALL = 'verify.equation("7.1", (x + 1) ** 2, x**2 + 2 * x + 1)'
CLAIM = 'verify.claim("7.1", "The error lies near 0.03", error, (0.029, 0.036))'
CAPTION = "# **Figure 7.1.** A black dot."
TEXT_BREAKS = {
    "untagged equation": (" \\tag{7.1}", "", "verifies equation 7.1, which no \\tag"),
    "unverified equation": (EQUATION, EQUATION + "\n# $$ 1 = 1 \\tag{7.2} $$", 'equation("7.2"'),
    "tag twice": (EQUATION, f"{EQUATION}\n{EQUATION}", "equation tag 7.1 occurs 2 times"),
    "tag of another lesson": ("\\tag{7.1}", "\\tag{8.1}", "equation tag 8.1 must be 7.k"),
    "equation in code only": (EQUATION, "# `\\tag{7.1}`", "verifies equation 7.1, which no"),
    "verify cell without tag": (' tags=["verify"]', "", 'lacks tags=["verify"]'),
    "no caption": (CAPTION, "# A black dot.", 'cell 8: no caption "Figure 7.k."'),
    "caption of another lesson": (CAPTION, "# Figure 8.1. A dot.", "figure 8.1 must be 7.k"),
    "caption in the middle": (CAPTION, "# See Figure 7.1. A dot.", 'no caption "Figure 7.k."'),
    "caption too late": (CAPTION, f"# A dot.\n\n# %% [markdown]\n{CAPTION}", "no caption"),
    "caption twice": (CAPTION, f"{CAPTION}\n{CAPTION}", "figure 7.1 occurs 2 times"),
    "wrapped year": (
        "A dot:",
        "A dot, NeurIPS\n# 2017. A dot:",
        "cell 7: a line begins with '2017.'",
    ),
    "role": ("A dot:", "A {term}`dot`:", "cell 7: holds a MyST role"),
    "directive": ("A dot:", "A dot:\n#\n# ```{note}\n# Dot.\n# ```", "cell 7: holds a MyST role"),
    "dead link": ("A dot:", "A [dot](missing.md):", "leads nowhere: missing.md"),
    "dead image": ("A dot:", '<img src="no.png" alt="dot">', "leads nowhere: no.png"),
    "many ignored outputs": (
        'tags=["verify"]',
        'tags=["verify", "nbval-ignore-output"]',
        "2 of 6 code cells ignore their output (cells 6, 10)",
    ),
    "other nbval tag": ('tags=["verify"]', 'tags=["verify", "nbval-skip"]', "only the tag nbval"),
    "exceptions allowed": ('["verify"]', '["verify", "raises-exception"]', "only the tag nbval"),
}


@pytest.mark.parametrize(("old", "new", "said"), TEXT_BREAKS.values(), ids=TEXT_BREAKS)
def test_a_break_of_the_text_is_found(course, old, new, said):
    edit(course.root / LESSON_PY, old, new)
    assert build(course, course.root / LESSON_PY).action == "refreshed"
    found = problems(course)
    assert any(said in line for line in found), found


# Breaks of the lesson's code, checked without executing it: drift is reported beside them.
CODE_BREAKS = {
    "equation not verified": (CALL, "x", 'no verify.equation("7.1", ...) follows'),
    "verified twice": (CALL, f"{CALL}\n{CALL}", "call of verify.equation 7.1 occurs 2 times"),
    "tag computed": (CALL, CALL.replace('"7.1"', "name"), "must begin with its tag written out"),
    "claim twice": (CLAIM, f"{CLAIM}\n{CLAIM}", "claim 7.1 occurs 2 times"),
    "claim not recorded": (CLAIM, CLAIM.replace("7.1", "7.2"), "states the claims 7.2, notebooks"),
    "claim gone": (CLAIM, "error", "states the claims none, notebooks/claims/07.json records 7.1"),
    "claim of another lesson": (CLAIM, CLAIM.replace("7.1", "6.1"), "claim 6.1 must be 7.k"),
    "band computed": (CLAIM, CLAIM.replace("0.029", "low"), "written out, not computed"),
    "band changed": (CLAIM, CLAIM.replace("0.036", "0.037"), "another sentence or band"),
    "sentence changed": (CLAIM, CLAIM.replace("lies", "is"), "another sentence or band"),
    "value outside": (CLAIM, CLAIM.replace("0.036", "0.0335"), "leave the band [0.029, 0.0335]"),
    "band too wide": (CLAIM, CLAIM.replace("0.036", "0.0421"), "wider than 3 times the spread"),
    "not Python": (CALL, "verify.equation(", "never closed"),
    "nbval comment": ('print("again")', "# NBVAL_SKIP", "uses a comment of nbval's"),
}


@pytest.mark.parametrize(("old", "new", "said"), CODE_BREAKS.values(), ids=CODE_BREAKS)
def test_a_break_of_the_code_is_found(course, old, new, said):
    edit(course.root / LESSON_PY, old, new)
    found = problems(course)
    assert any(said in line for line in found), found


@pytest.mark.parametrize("band", ["(0.029, 0.0409)", "(None, 0.1)", "(0.03, None)"])
def test_bands_up_to_three_spreads_and_one_sided_ones_are_sound(course, band):
    edit(course.root / LESSON_PY, "(0.029, 0.036)", band)
    assert not [line for line in problems(course) if "spread" in line or "leave" in line]


RECORD_BREAKS = {
    "value outside": ([0.03, 0.031, 0.032, 0.033, 0.04], "leave the band"),
    "not finite": ([0.03, 0.031, None, 0.033, 0.034], "not finite"),
    "few seeds": ([0.03, 0.034], "fewer than 5 seeds"),
    "no spread": ([0.03] * 5, "wider than 3 times the spread"),
}


@pytest.mark.parametrize(("values", "said"), RECORD_BREAKS.values(), ids=RECORD_BREAKS)
def test_a_broken_record_is_found(course, values, said):
    record = json.loads((course.root / RECORD).read_text(encoding="utf-8"))
    record["claims"]["7.1"]["values"] = values
    write(course.root / RECORD, json.dumps(record))
    assert any(said in line for line in problems(course)), problems(course)


@pytest.mark.parametrize(("text", "said"), [("{}", "not a record"), (None, "records none")])
def test_a_missing_or_foreign_record_is_found(course, text, said):
    path = course.root / RECORD
    write(path, text) if text else path.unlink()
    assert any(said in line for line in problems(course)), problems(course)


def test_a_derived_exercise_must_be_fresh(course):
    edit(course.root / EXERCISE_NB, "write your answer here", "write it here")
    assert problems(course) == [
        f"{EXERCISE_NB}: differs from a fresh one; `python -m authoring strip`."
    ]
    edit(course.root / SOLUTION_PY, "    ### END SOLUTION", "")
    assert any("### BEGIN SOLUTION without ### END" in line for line in problems(course))


def test_a_lost_hint_of_a_solution_is_found(course):
    edit(course.root / SOLUTION_NB, "The check says", "It is said")
    assert problems(course) == []  # nbval compares outputs; this is not its work twice
    change(course.root / SOLUTION_NB, lambda n: n.cells[8].update(outputs=[]))
    assert any("cell 9: has lost its outputs" in line for line in problems(course))


def test_missing_and_foreign_notebooks_are_found(course):
    (course.root / SOLUTION_NB).rename(course.root / "solutions" / "08_other.ipynb")
    (course.root / LESSON_NB).write_text("{", encoding="utf-8")
    found = problems(course)
    assert "solutions/08_other.ipynb: no source makes this notebook." in found
    assert "solutions/07_tiny.ipynb: missing or not a notebook; build it." in found
    assert "notebooks/07_tiny.ipynb: missing or not a notebook; build it." in found


def test_an_equation_verified_before_it_stands_is_found(course):
    edit(course.root / LESSON_PY, EQUATION, "# An equation follows below.")
    edit(course.root / LESSON_PY, "# The error is about 0.03.", EQUATION)
    build(course, course.root / LESSON_PY)
    message = 'cell 12: no verify.equation("7.1", ...) follows equation 7.1 closely.'
    assert problems(course) == [f"{LESSON_NB}, {message}"]


def test_an_equation_may_be_verified_after_the_next_tagged_text_but_not_later(course):
    moved = LESSON.replace(
        '# %% tags=["verify"]\nx = sympy',
        "# %% [markdown]\n# $$ y \\tag{7.2} $$\n\n# %%\nx = sympy",
    )
    write(course.root / LESSON_PY, moved)
    assert not any("follows equation 7.1" in line for line in problems(course))
    later = moved.replace(
        "# %%\nx = sympy", "# %% [markdown]\n# $$ z \\tag{7.3} $$\n\n# %%\nx = sympy"
    )
    write(course.root / LESSON_PY, later)
    assert any("follows equation 7.1" in line for line in problems(course))


@pytest.mark.parametrize(
    "text",
    [
        "Write `\\tag{7.9}` and `{ref}` as code, $f[a](b)$ as $\\mathbf{x}$`y`.",
        "<!-- $$ x \\tag{7.9} $$ [gone](gone.md) -->",
        "```\n# [x](gone.md) \\tag{7.9}\n# ```",
        "[here](#a-dot) [away](https://example.org/x) [file](../pyproject.toml#L1)",
    ],
)
def test_what_only_looks_like_a_problem_is_none(course, text):
    edit(course.root / LESSON_PY, "# A dot:", "# " + text)
    build(course, course.root / LESSON_PY)
    assert problems(course) == []
