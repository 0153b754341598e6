"""The page docs/measured.md: every stored result as a table, with the day and the machine."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.running import Benchmark
from benchmarks.summary import Nested, machine, number, runs_in, spreads, words
from course_lib import files

OPENING = """# What was measured

Written by `python -m benchmarks NAME` from `benchmarks/results`; not by hand. Each number is the
median over seeds or rounds, with the least and the largest beside it; *none* stands for a training
that did not get there. A relative Fréchet distance compares 10,000 generated images with the 10,000
test images, in the features of the course's own classifier; it is not "FID", and 0.0008 is what
10,000 training images get.
"""


def page(benchmarks: Mapping[str, Benchmark], results: Path) -> str:
    """The whole page, in Markdown.

    Args:
        benchmarks: by name, in the order of the page; one without a stored result is left out.
        results: folder of NAME.json.
    """
    parts = [OPENING]
    for name, benchmark in benchmarks.items():
        path = results / f"{name}.json"
        if path.is_file():
            parts.append(section(name, benchmark, json.loads(path.read_text(encoding="utf-8"))))
    return "\n".join(parts)


def section(name: str, benchmark: Benchmark, result: Nested) -> str:
    """One benchmark: what it compares, where and when, and its numbers as a table."""
    repeats = len(runs_in(result))
    where = f"{repeats} {benchmark.unit}{'s' if repeats > 1 else ''}; {machine(result)}"
    if "dtype" in result:
        where += f", {result['dtype']}"
    lines = [
        f"## {name}",
        "",
        inspect.getdoc(benchmark.module),
        "",
        f"{where}.",
        "",
        "| | median | least | largest |",
        "|---|---:|---:|---:|",
    ]
    for path, one in spreads(result):
        numbers = " | ".join(number(one[each]) for each in ("median", "least", "largest"))
        lines.append(f"| {words(', '.join(path))} | {numbers} |")
    return "\n".join(lines) + "\n"


def write(benchmarks: Mapping[str, Benchmark], results: Path, path: Path) -> None:
    """Write the page, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as aside:
        aside.write_text(page(benchmarks, results), encoding="utf-8")
