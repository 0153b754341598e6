"""Run the benchmarks and write benchmarks/results/*.json: python -m benchmarks [name ...].

Without a name the short ones run, which take less than 20 minutes on 2 cores, and the stored
results of the long ones are shown.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks import (
    adversarial_inpainting,
    architectures,
    augmentation,
    collapse,
    equal_quality,
    figures,
    gan_losses,
    guidelines,
    inpainting,
    memory,
    modes,
    quality,
    report,
    safeguards,
    stabilising,
    ten_minutes,
    textbook_time,
    throughput,
    time_to_quality,
)
from benchmarks.running import Benchmark, run, shown
from course_lib import runtime

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parents[1] / "docs"

BENCHMARKS = {
    "throughput": Benchmark(throughput, throughput.ROUNDS, unit="round"),
    "safeguards": Benchmark(safeguards, safeguards.ROUNDS, unit="round"),
    "time_to_quality": Benchmark(time_to_quality, 5),
    "equal_quality": Benchmark(equal_quality, 5, long=True),
    "modes": Benchmark(modes, 5, long=True),
    "quality": Benchmark(quality, 5, long=True),
    "ten_minutes": Benchmark(ten_minutes, 5, long=True),
    "textbook_time": Benchmark(textbook_time, 3, long=True),
    "collapse": Benchmark(collapse, 10, long=True),
    "memory": Benchmark(memory, 1, unit="round", long=True),
    "guidelines": Benchmark(guidelines, 3, long=True),
    "gan_losses": Benchmark(gan_losses, 5, long=True),
    "stabilising": Benchmark(stabilising, 3, long=True),
    "architectures": Benchmark(architectures, 5, long=True),
    "augmentation": Benchmark(augmentation, 5, long=True),
    "inpainting": Benchmark(inpainting, 3, long=True),
    "adversarial_inpainting": Benchmark(adversarial_inpainting, 3, long=True),
}
GROUPS = {
    "short": [name for name, one in BENCHMARKS.items() if not one.long],
    "long": [name for name, one in BENCHMARKS.items() if one.long],
}


def stored(name: str) -> str:
    """The stored result of a benchmark as text."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        return f"{name}: not measured yet; python -m benchmarks {name}\n"
    return shown(name, BENCHMARKS[name], json.loads(path.read_text(encoding="utf-8")))


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks that were named, or the short ones, and show what was found.

    Returns:
        The exit code: 0, or 130 after Ctrl-C.
    """
    known = [*BENCHMARKS, *GROUPS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(known)}; short if none")
    parser.add_argument(
        "--seeds",
        type=int,
        help="how many in all; goes on after those that the same code stored on the same machine",
    )
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in known:
            parser.error(f"no benchmark is called {name!r}; there are {', '.join(known)}")
    if options.seeds is not None and options.seeds < 1:
        parser.error(f"expected at least 1 seed, got {options.seeds}")
    asked = options.names or ["short"]
    names = list(dict.fromkeys(one for name in asked for one in GROUPS.get(name, [name])))
    device = runtime.device()
    for name in names:
        benchmark = BENCHMARKS[name]
        print(f"{name}: {benchmark.title}", flush=True)
        try:
            run(benchmark, RESULTS / f"{name}.json", device, options.seeds)
        except KeyboardInterrupt:
            print(f"\nStopped. What {name} has stored is kept.")
            if benchmark.unit == "seed":
                wanted = options.seeds or benchmark.repeats
                print(f"To go on: python -m benchmarks {name} --seeds {wanted}")
            return 130
        print(flush=True)
    # Whoever typed no name sees what was measured before, too: not everything fits into minutes.
    for name in names if options.names else BENCHMARKS:
        print(stored(name))
    report.write(BENCHMARKS, RESULTS, DOCS / "measured.md")
    for path in figures.draw(RESULTS, DOCS):
        print(f"Drawn: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
