"""How a benchmark states numbers that were measured several times: as spreads, and as a table.

One repeat, a seed or a round, gives a nested dict whose leaves are numbers; None stands for a
number that does not exist, such as the distance of a training that diverged. Several repeats are
collected into the same dict with a spread at each leaf, which can be taken apart again.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

Nested = dict[str, Any]
SPREAD = {"median", "least", "largest", "values"}
FRAME = ("date", "environment", "code")  # where a result comes from, not what was measured


def _stated(value: float) -> float | None:
    """Five digits after the point, or None for what JSON cannot hold."""
    return round(value, 5) if math.isfinite(value) else None


def spread(values: Sequence[float | None]) -> Nested:
    """Median, least and largest of the values, and the values themselves.

    A missing value counts as infinitely large: a training that diverged is worse than any other.
    """
    stated = [_stated(math.inf if value is None else float(value)) for value in values]
    # Of the rounded values, which are all that is stored: going on later gives the same median.
    numbers = [math.inf if value is None else value for value in stated]
    return {
        "median": _stated(statistics.median(numbers)),
        "least": _stated(min(numbers)),
        "largest": _stated(max(numbers)),
        "values": stated,
    }


def is_spread(value: object) -> bool:
    """Whether this is what `spread` returns."""
    return isinstance(value, dict) and set(value) == SPREAD


def collect(runs: Sequence[Nested]) -> Nested:
    """The spread of each number over runs that measured the same numbers.

    Raises:
        ValueError: if there is no run, or two runs have other names.
    """
    if not runs:
        raise ValueError("expected at least one run to collect, got none")
    names = list(runs[0])
    for run in runs:
        if set(run) != set(names):
            raise ValueError(f"expected runs that measure {names}, got one with {list(run)}")
    return {
        name: collect([run[name] for run in runs])
        if isinstance(runs[0][name], dict)
        else spread([run[name] for run in runs])
        for name in names
    }


def merged(first: Nested, second: Nested) -> Nested:
    """Both dicts in one, and so for the dicts inside them that have the same name."""
    both = dict(first)
    for name, value in second.items():
        inside = isinstance(value, dict) and isinstance(both.get(name), dict)
        both[name] = merged(both[name], value) if inside else value
    return both


def runs_in(stored: Nested) -> list[Nested]:
    """The single runs of a stored result, in the order in which they were measured."""
    counts = {len(found["values"]) for _, found in spreads(stored)}
    if len(counts) > 1:
        raise ValueError(f"expected as many values in each spread, got {sorted(counts)}")
    return [_run(stored, index) for index in range(max(counts, default=0))]


def _run(stored: Nested, index: int) -> Nested:
    run: Nested = {}
    for name, value in stored.items():
        if is_spread(value):
            run[name] = value["values"][index]
        elif isinstance(value, dict) and (inside := _run(value, index)):
            run[name] = inside
    return run


def plan_in(stored: Nested) -> Nested:
    """What was fixed for all runs of a stored result: everything that is not a spread."""
    plan = {name: value for name, value in stored.items() if name not in FRAME}
    return _without_spreads(plan)


def _without_spreads(stored: Nested) -> Nested:
    kept: Nested = {}
    for name, value in stored.items():
        if is_spread(value):
            continue
        if isinstance(value, dict):
            value = _without_spreads(value)
            if not value:
                continue
        kept[name] = value
    return kept


def spreads(found: Nested, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Nested]]:
    """Each spread in a nested dict, with the names that lead to it."""
    for name, value in found.items():
        if is_spread(value):
            yield (*path, name), value
        elif isinstance(value, dict):
            yield from spreads(value, (*path, name))


def machine(found: Nested) -> str:
    """Where and when a result was measured, in a line."""
    threads, torch = (found["environment"][name] for name in ("threads", "torch"))
    return (
        f"{found['environment']['device_name']}, {threads} thread{'s' if threads > 1 else ''}, "
        f"torch {torch}, {found['date']}"
    )


def words(name: str) -> str:
    """A name in a result, for readers."""
    return name.replace("_", " ").replace("frechet", "Fréchet")


def number(value: float | None) -> str:
    """Four digits, or whole from a thousand on; "none" where there is no number."""
    if value is None:
        return "none"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def table(found: Nested) -> str:
    """Median, least and largest of each number, a line each, under one heading a group."""
    lines: list[tuple[str, str, str, str]] = [("", "median", "least", "largest")]
    group: tuple[str, ...] = ()
    for path, one in spreads(found):
        if path[:-1] != group:
            group = path[:-1]
            lines.append((words(", ".join(group)), "", "", ""))
        indent = "  " if group else ""
        numbers = (number(one[name]) for name in ("median", "least", "largest"))
        lines.append((indent + words(path[-1]), *numbers))
    wide = max(len(line[0]) for line in lines)
    return "\n".join(
        f"{name:{wide}}{median:>11}{least:>11}{largest:>11}".rstrip()
        for name, median, least, largest in lines
    )
