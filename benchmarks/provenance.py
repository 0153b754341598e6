"""Which code a stored result depends on: every file that its benchmark imports, as one hash.

Comments, docstrings and line breaks do not count: a sentence that is put right does not begin hours
of measurements anew.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

from course_lib import checkpoints

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchmarks", "course_lib")


def _file(module: str) -> Path | None:
    """The file of a dotted module name, if it is one of this project's."""
    if module.split(".")[0] not in PACKAGES:
        return None
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _imported(path: Path) -> Iterator[str]:
    """Names that a file imports, wherever in it, and the packages around them.

    Some are of functions and not of modules.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield from itertools.accumulate(name.split("."), "{}.{}".format)


def files_behind(module: str) -> list[Path]:
    """The project's files that a module runs on: its own, and those it imports, at any distance.

    Args:
        module: dotted name, such as "benchmarks.collapse".

    Raises:
        ValueError: if there is no such module in the project.
    """
    first = _file(module)
    if first is None:
        raise ValueError(f"expected a module of {' or '.join(PACKAGES)}, got {module!r}")
    found, waiting = {first}, [first]
    while waiting:
        for name in _imported(waiting.pop()):
            path = _file(name)
            if path is not None and path not in found:
                found.add(path)
                waiting.append(path)
    return sorted(found)


def what_runs(source: str) -> str:
    """A program as its syntax tree, without comments and docstrings."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)


def code_hash(module: str) -> str:
    """A hash of the code behind a module, and of the classifier that distances are measured with.

    Returns:
        16 hexadecimal digits of SHA-256. The same code can have another hash under another version
        of Python, which is part of a result's environment anyway.
    """
    digest = hashlib.sha256()
    for path in files_behind(module):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(what_runs(path.read_text(encoding="utf-8")).encode())
    digest.update(checkpoints.CLASSIFIER.read_bytes())
    return digest.hexdigest()[:16]
