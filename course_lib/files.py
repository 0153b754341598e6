"""Files that appear whole or not at all: written aside, then renamed."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

#: What the system takes from the rights of a new file. It can only be read by setting it.
_UMASK = os.umask(0)
os.umask(_UMASK)


@contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """Yield a temporary sibling of `path` to write to; rename it to `path` when the block succeeds.

    Missing parent folders are made. When the block raises, Ctrl-C included, the temporary file
    is removed and whatever stood at `path` before is left as it was. A killed process leaves its
    temporary file behind; the next write of the same file removes it, except on Windows. The
    content is on the disk before the name is: a power cut leaves the old file or the new one.
    The file may be read by whom the old one could be read by, or a new file usually can.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _living_writer(target):
        # The suffix is kept: matplotlib and numpy.save decide by it what to write, and where.
        aside = target.with_name(f".part-{uuid4().hex[:8]}-{target.name}")
        try:
            yield aside
            with open(aside, "rb+") as written:  # Windows syncs only what is open for writing
                os.fsync(written.fileno())
            # safetensors writes for its owner alone, whatever the system's rule is.
            with suppress(OSError):
                rights = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_UMASK
                aside.chmod(rights)
            aside.replace(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def said_of(error: OSError) -> str:
    """One line for a user: which file, what the system says of it, and what to look at.

    The temporary sibling that `whole` writes first is called by the name of the file itself.
    """
    name = error.filename2 or error.filename
    if name is None:
        return str(error)
    place = re.sub(r"\.part-[0-9a-f]{8}-", "", str(name))
    return f"cannot use {place}: {error.strerror}. Check the path, the rights to it and the disk"


@contextmanager
def _living_writer(target: Path) -> Iterator[None]:
    """Remove what killed writers of `target` left, be a living one in the block, sync the folder.

    Living writers share a lock on the folder, which the system takes from a killed process. Who
    has the lock alone knows that every temporary file in the folder was left by a dead writer.
    """
    if fcntl is None:  # folders cannot be opened there, neither to lock nor to sync them
        yield
        return
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # another writer is living, or this file system has no such locks
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in target.parent.glob(f".part-{'[0-9a-f]' * 8}-{glob.escape(target.name)}"):
                left.unlink(missing_ok=True)
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_SH)
        yield
        with suppress(OSError):  # not every file system syncs folders
            os.fsync(folder)
    finally:
        os.close(folder)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` whole, as UTF-8 with the same line ends on every system."""
    with whole(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` to `path` whole, as indented JSON.

    Raises ValueError for NaN and infinity, which JSON does not have.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
