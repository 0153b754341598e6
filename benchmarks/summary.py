"""How a benchmark states a number that was measured several times."""

from __future__ import annotations

import statistics


def spread(values: list[float]) -> dict[str, float | list[float]]:
    """Median, least and largest of the values, and the values themselves."""
    rounded = [round(value, 5) for value in values]
    middle = round(statistics.median(values), 5)
    return {"median": middle, "least": min(rounded), "largest": max(rounded), "values": rounded}
