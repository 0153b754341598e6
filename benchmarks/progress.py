"""Lines on the screen that say what was measured, and how long the rest will take."""

from __future__ import annotations

import time


class Progress:
    """Prints a line for each run, with the time left if the others take as long on average."""

    def __init__(self, runs: int) -> None:
        self.runs, self.done, self.start = runs, 0, time.perf_counter()

    def say(self, line: str) -> None:
        """Count one run as done, and print what came out."""
        self.done += 1
        left = (time.perf_counter() - self.start) / self.done * (self.runs - self.done)
        print(f"{line}; {left / 60:.0f} min left", flush=True)
