"""Who looks at what a notebook shows."""

from __future__ import annotations

import sys


def audience() -> str | None:
    """Who looks: "person", "file" (a notebook executed with nobody there), or None (no notebook).

    A program that executes a notebook cannot answer input(), and says so with each cell.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    return "person" if getattr(kernel, "_allow_stdin", True) else "file"
