"""The memory of a lesson is that of the kernel that ran it, at its highest."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_course import make, write

from authoring.course import AuthoringError
from benchmarks import memory

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows tells of memory in another way"
)

TITLE = "# %% [markdown]\n# # Lesson {number}. {name}\n\n# %%\n"
BYTES = 300_000_000
#: Allocated and freed again: the peak is asked for, not what is left at the end.
HEAVY = f"import numpy\n\nones = numpy.ones({BYTES}, dtype=numpy.uint8)\ndel ones\n"
LIGHT = "import numpy\n\nprint(numpy.ones(3))\n"


@pytest.fixture
def sources(tmp_path) -> list[Path]:
    """Two lessons that differ in one array."""
    folder = make(tmp_path).root / "notebooks"
    lessons = {"07_tiny": LIGHT, "08_heavy": HEAVY}
    for name, code in lessons.items():
        write(folder / f"{name}.py", TITLE.format(number=int(name[:2]), name=name) + code)
    return [folder / f"{name}.py" for name in lessons]


def test_the_peak_is_the_kernels_and_holds_what_the_lesson_allocated(sources, capsys):
    held = np.ones(2 * BYTES, dtype=np.uint8)  # by this process: must not count
    found = memory.compare_lessons(sources)
    assert held.all()
    light, heavy = found["07_tiny"], found["08_heavy"]
    array = BYTES / memory.GIB
    assert 0.02 < light < array  # a kernel and numpy
    assert abs(heavy - light - array) < 0.03
    json.dumps(found)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["07_tiny", "08_heavy"]
    assert f" {heavy:.2f} GiB" in lines[1] and lines[1].endswith("; 0 min left")
    assert not list(sources[0].parent.glob("*.ipynb"))


def test_a_lesson_that_fails_is_named(sources):
    write(sources[0], sources[0].read_text(encoding="utf-8") + "1 / 0\n")
    with pytest.raises(AuthoringError, match=r"07_tiny\.py, cell 4 .*ZeroDivisionError"):
        memory.measure(sources[0])


def test_every_lesson_and_no_exercise_is_measured(monkeypatch):
    monkeypatch.setattr(memory, "measure", lambda source: 1.0)
    (found,) = memory.runs({}, range(1), torch.device("cpu"))
    folder = Path(memory.__file__).parents[1] / memory.LESSONS
    assert set(found["peak_gib"]) == {path.stem for path in folder.glob("[0-9][0-9]_*.py")}
    assert len(found["peak_gib"]) >= 7
    assert found["peak_gib"]["03_backpropagation"] == 1.0
    assert memory.plan(torch.device("cpu")) == {"limit_gib": 3.0}
