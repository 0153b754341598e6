"""Running one benchmark: repeat by repeat, stored as it goes, continued where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

import torch

from benchmarks import provenance
from benchmarks.summary import Nested, collect, machine, merged, plan_in, runs_in, table
from course_lib import files, runtime


class Module(Protocol):
    """What a benchmark's module offers; the first line of its docstring says what is compared."""

    __name__: str
    __doc__: str

    def plan(self, device: torch.device) -> Nested:
        """What is fixed for all repeats on this machine: number format, steps, sizes."""

    def runs(self, plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
        """The numbers of each repeat, all with the same names."""


@dataclass(frozen=True)
class Benchmark:
    """One entry of the registry.

    Attributes:
        module: what is measured.
        repeats: how often, unless told.
        unit: "seed", for repeats that can be measured at any time, or "round", for repeats that
            can only be compared within one sitting.
        long: tens of minutes or more; run by name.
    """

    module: Module
    repeats: int
    unit: str = "seed"
    long: bool = False

    @property
    def title(self) -> str:
        """What is compared, in one line."""
        return self.module.__doc__.splitlines()[0]


def _frame(benchmark: Benchmark, device: torch.device) -> Nested:
    return {
        "date": date.today().isoformat(),
        "environment": runtime.environment(device),
        "code": provenance.code_hash(benchmark.module.__name__),
    }


def _kept(path: Path, frame: Nested) -> tuple[Nested | None, str]:
    """The stored result if it can be continued, and a sentence that says which and why."""
    if not path.is_file():
        return None, "Beginning: nothing is stored yet."
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored.get("code") != frame["code"]:
        return None, "Beginning anew: the code has changed since the stored result."
    if stored["environment"] != frame["environment"]:
        here = frame["environment"].items()
        other = [name for name, value in here if stored["environment"].get(name) != value]
        return None, f"Beginning anew: the stored result has another {', '.join(other)}."
    return stored, f"Going on after {len(runs_in(stored))} stored on {stored['date']}."


def run(benchmark: Benchmark, path: Path, device: torch.device, seeds: int | None = None) -> Nested:
    """Measure, print progress, and write the result whole, over seeds after each of them.

    Args:
        benchmark: what to run.
        path: JSON file of the result.
        device: where.
        seeds: for benchmarks over seeds, how many are wanted in all; those that are stored, by the
            same code on the same machine, are kept. If None, begin anew with the usual number.
            Rounds are always begun anew.

    Returns:
        What was written: date, environment, code, the plan, and the spread of each number.
    """
    frame, over_seeds = _frame(benchmark, device), benchmark.unit == "seed"
    stored, done = None, []
    if seeds is not None and over_seeds:
        stored, said = _kept(path, frame)
        print(said)
    if stored is not None:
        plan, done = plan_in(stored), runs_in(stored)
    else:
        plan = benchmark.module.plan(device)
    wanted = seeds if seeds is not None and over_seeds else benchmark.repeats
    if stored is not None and len(done) >= wanted:
        return stored
    for numbers in benchmark.module.runs(plan, range(len(done), wanted), device):
        done.append(numbers)
        result = frame | merged(plan, collect(done))
        if over_seeds or len(done) == wanted:
            files.write_json(path, result)
            print(f"Stored: {len(done)} of {wanted} {benchmark.unit}s, {path.name}", flush=True)
    return result


def shown(name: str, benchmark: Benchmark, result: Nested) -> str:
    """A result as text: what was compared, where and when, and the table."""
    repeats = len(runs_in(result))
    where = f"{repeats} {benchmark.unit}{'s' if repeats > 1 else ''}, {machine(result)}"
    if "dtype" in result:
        where += f", {result['dtype']}"
    return f"{name}: {benchmark.title}\n{where}\n\n{table(result)}\n"
