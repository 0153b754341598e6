"""How much memory each lesson needs: executed in a fresh kernel, which is asked for its peak.

The kernel that runs the cells is what a reader's computer must hold. It is asked itself, in a cell
after the last: what started it, this process included, does not count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from nbformat.v4 import new_code_cell

from authoring.build import execute
from authoring.course import LESSONS, Course
from authoring.source import notebook_of
from benchmarks.progress import Progress
from benchmarks.summary import Nested

LIMIT_GIB = 3.0  # no lesson may need more
GIB = 2**30  # bytes

#: Linux keeps the peak of this program alone in VmHWM; `ru_maxrss` there also counts what the
#: process that launched the kernel held before. macOS has only the latter, in bytes.
PROBE = """\
import json as _json
import pathlib as _pathlib
import resource as _resource
_status = _pathlib.Path("/proc/self/status")
if _status.exists():
    _line = next(one for one in _status.read_text().splitlines() if one.startswith("VmHWM:"))
    _peak = 1024 * int(_line.split()[1])
else:
    _peak = _resource.getrusage(_resource.RUSAGE_SELF).ru_maxrss
print(_json.dumps({"peak": _peak}))"""


def measure(notebook_source: Path) -> float:
    """Execute a lesson in a fresh kernel, and leave its notebook alone.

    Args:
        notebook_source: the lesson's `notebooks/NN_slug.py` in the folder of its course.

    Returns:
        The largest resident memory of the kernel, in GiB (2**30 bytes).

    Raises:
        AuthoringError: if a cell fails, or the system does not say how much memory was used.
    """
    source = Path(notebook_source).resolve()
    course = Course.load(source.parents[1])
    notebook = notebook_of(course, source)
    notebook.cells.append(new_code_cell(PROBE))
    done = execute(course, notebook, source)
    peak = json.loads(done.cells[-1].outputs[0]["text"])["peak"]
    return round(peak / GIB, 3)


def compare_lessons(sources: Sequence[Path]) -> dict[str, float]:
    """Measure lessons one after the other, and print a line for each.

    Returns:
        The peak of each lesson in GiB, by its name, such as "03_backpropagation".
    """
    found = {}
    progress = Progress(len(sources))
    for source in sources:
        name = source.stem
        found[name] = measure(source)
        progress.say(f"{name:26} {found[name]:.2f} GiB")
    return found


def plan(device: torch.device) -> Nested:
    """What a lesson may need."""
    return {"limit_gib": LIMIT_GIB}


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """Peak of every lesson of the course, without its exercises, in each repeat."""
    course = Course.load(Path(__file__).parents[1])
    sources = [path for path in course.sources() if path.parent.name == LESSONS]
    for _ in repeats:
        yield {"peak_gib": compare_lessons(sources)}
