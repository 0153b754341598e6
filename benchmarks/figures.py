"""The two figures of the README, drawn from the stored results: speed, and quality by time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from benchmarks.summary import Nested, machine
from benchmarks.throughput import ADVICE, COURSE, FLOAT32, TEXTBOOK
from course_lib import plotting
from course_lib.picture import GREY

LOOP = "textbook_time"
THEIRS, OURS = plotting.COLOURS["vermillion"], plotting.COLOURS["blue"]


def rates(result: Nested) -> plotting.Picture:
    """Images a second, four ways: medians as bars, rounds as points.

    Args:
        result: of the benchmark `throughput`.
    """
    rows = {
        "textbook loop": TEXTBOOK,
        "with the usual advice": ADVICE,
        "the course, in float32": FLOAT32,
        f"the course, in {result['dtype']}": COURSE,
    }
    found = [result["images_per_second"][way] for way in rows.values()]
    times = [result["times_the_textbook_loop"][way]["median"] for way in rows.values()]

    def draw(axes: Axes) -> None:
        places = range(len(rows))
        medians = [one["median"] for one in found]
        axes.barh(places, medians, height=0.55, color=[THEIRS, THEIRS, OURS, OURS], alpha=0.55)
        for place, one, ratio in zip(places, found, times, strict=True):
            values = one["values"]
            axes.plot(values, [place] * len(values), "o", color="black", markersize=3.5, alpha=0.6)
            text = f"{one['median']:,.0f} a second"
            if place:
                text += f", {ratio:.1f} times as many"
            axes.annotate(
                text,
                (max(values), place),
                xytext=(7, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
            )
        axes.set_yticks(places, list(rows), fontsize=9)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.set_xlim(0, 1.65 * max(one["largest"] for one in found))
        axes.set_xlabel("training images a second (higher is better)")
        axes.invert_yaxis()

    numbers = "; ".join(
        f"{name} {one['median']:,.0f}" for name, one in zip(rows, found, strict=True)
    )
    return plotting.panels(
        [("The same two networks, trained in four ways", draw)],
        alt=f"Bars of training images a second: {numbers}.",
        height=2.5,
        note=f"Bars: medians. Points: {len(found[0]['values'])} rounds. {machine(result)}",
    )


@dataclass(frozen=True)
class _Line:
    """Distances at so many seconds; `ends` says which of the points are the end of a training."""

    seconds: list[float]
    distances: list[Nested]
    ends: list[bool]
    colour: str
    style: str = "-"

    def described(self) -> str:
        """The medians in words."""
        pairs = zip(self.seconds, self.distances, strict=True)
        return ", ".join(f"{one['median']:.3f} after {at:.0f} s" for at, one in pairs)


def _along(result: Nested, colour: str) -> _Line:
    """One training, measured a few times."""
    points = list(result["points"].values())
    return _Line(
        [point["seconds"]["median"] for point in points],
        [point["relative_frechet_distance"] for point in points],
        [False] * (len(points) - 1) + [True],
        colour,
    )


def _budgets(longer: Nested, colour: str) -> _Line:
    """The ends of several trainings of the course, each planned for its own time."""
    budgets = [budget for name, budget in longer.items() if name.endswith(" minutes")]
    return _Line(
        [budget["seconds"]["median"] for budget in budgets],
        [budget["course"]["relative_frechet_distance"] for budget in budgets],
        [True] * len(budgets),
        colour,
        ":",  # the points are ends of several plans, not places on one training
    )


def _plain(axis: Axis, places: Sequence[float]) -> None:
    """A logarithmic axis with these numbers on it, written out."""
    axis.set_major_locator(FixedLocator(places))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())


def distances(
    short: Nested, longer: Nested | None = None, loop: Nested | None = None
) -> plotting.Picture:
    """Relative Fréchet distance against seconds of training, both on logarithmic axes.

    Args:
        short: result of the benchmark `time_to_quality`.
        longer: results of the benchmarks `quality` and `ten_minutes` in one; None if there is
            none of the same machine.
        loop: result of the benchmark `textbook_time`; None if there is none of the same machine.
    """
    plan = f"the course, planned for {short['steps']:,} steps"
    lines = {plan: _along(short, OURS)}
    if longer is not None:
        budgets = " and ".join(name.split()[0] for name in longer if name.endswith(" minutes"))
        course = f"the course, planned for {budgets} minutes"
        lines[course] = _budgets(longer, OURS)
    if loop is not None:
        lines["textbook loop"] = _along(loop, THEIRS)

    def draw(axes: Axes) -> None:
        axes.set(xscale="log", yscale="log")
        for name, line in lines.items():
            low, high = ([one[edge] for one in line.distances] for edge in ("least", "largest"))
            axes.fill_between(line.seconds, low, high, color=line.colour, alpha=0.2, linewidth=0)
            axes.vlines(line.seconds, low, high, color=line.colour, alpha=0.5)  # one point: no band
            medians = [one["median"] for one in line.distances]
            axes.plot(
                line.seconds,
                medians,
                line.style,
                color=line.colour,
                label=None if name == plan else name,
            )
            for at, median, end in zip(line.seconds, medians, line.ends, strict=True):
                inside = line.colour if end else "white"
                axes.plot(at, median, "o", color=line.colour, markerfacecolor=inside, markersize=5)
        axes.axhline(short["goal"], color=GREY, linewidth=1, linestyle=(0, (5, 3)))
        first = lines[plan]
        axes.annotate(
            plan,
            (first.seconds[-1], first.distances[-1]["median"]),
            xytext=(8, -3),
            textcoords="offset points",
            fontsize=8.5,
            color=first.colour,
        )
        axes.annotate(
            f"goal: {short['goal']}",
            # Above the gap between the short plan and the longer ones, where no line crosses it.
            (1.35 * first.seconds[-1], short["goal"]),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=8.5,
            color=GREY,
        )
        everything = [
            one[edge]
            for line in lines.values()
            for one in line.distances
            for edge in ("least", "largest")
        ] + [short["goal"]]
        every = [second for line in lines.values() for second in line.seconds]
        _plain(axes.xaxis, (5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600))
        _plain(axes.yaxis, (0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0))
        axes.set_xlim(0.9 * min(every), 1.05 * max(every))
        axes.set_ylim(0.85 * min(everything), 1.2 * max(everything))
        axes.set_xlabel("seconds of training")
        axes.set_ylabel("relative Fréchet distance (lower is better)")

    counts = sorted({len(one["values"]) for line in lines.values() for one in line.distances})
    seeds = f"{counts[-1]} seed{'s' if counts[-1] > 1 else ''}"
    if len(counts) > 1:
        seeds = f"{counts[0]} to {seeds}"
    numbers = "; ".join(f"{name}: {line.described()}" for name, line in lines.items())
    return plotting.panels(
        [("The distance from real images, by time", draw)],
        alt=f"Lines of the relative Fréchet distance by seconds of training. {numbers}.",
        height=3.8,
        note=f"Full points end a training. Bars: least to largest of {seeds}. " + machine(short),
    )


def _stored(results: Path, name: str) -> Nested | None:
    path = results / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def draw(results: Path, folder: Path) -> list[Path]:
    """Draw each figure whose result is stored, as PNG.

    Args:
        results: folder of the benchmarks' JSON files.
        folder: where throughput.png and quality.png are put.

    Returns:
        The files that were written.
    """
    drawn = []
    throughput, short = _stored(results, "throughput"), _stored(results, "time_to_quality")
    if throughput is not None:
        drawn.append(rates(throughput).save(folder / "throughput.png"))
    if short is not None:
        others = {name: _stored(results, name) for name in ("quality", "ten_minutes", LOOP)}
        # Seconds of two machines do not belong on one axis.
        alike = {
            name: found
            for name, found in others.items()
            if found is not None and found["environment"] == short["environment"]
        }
        loop = alike.pop(LOOP, None)
        longer = {key: value for found in alike.values() for key, value in found.items()}
        drawn.append(distances(short, longer or None, loop).save(folder / "quality.png"))
    return drawn
