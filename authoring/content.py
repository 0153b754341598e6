"""Checks on what a lesson says: equations, claims, captions, links."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import unquote

from authoring.course import LESSONS, AuthoringError
from authoring.outputs import shows_picture
from authoring.page import Finding, Page, prose
from authoring.seeds import Claim, claims_of, faults
from authoring.source import calls_of, tags_of

TAG = re.compile(r"\\tag\{([^}]*)\}")
CAPTION = re.compile(r"^(?:\*\*)?Figure (\d+\.\d+)\.", re.MULTILINE)
#: A MyST role such as {ref}`text`, or a directive; a brace after a letter belongs to LaTeX.
ROLE = re.compile(r"(?<![\\\w}`])\{[a-z][\w:+-]*\}`[^`]+`|^\s*(?:```|~~~|:::)\{[a-z]", re.MULTILINE)
#: A year that wraps to the beginning of a line: Markdown makes a numbered list of it.
WRAPPED = re.compile(r"^\s*\d{3,}[.)]\s", re.MULTILINE)
MATH = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)
LINK = re.compile(
    r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|\b(?:href|src)=[\"']([^\"']+)[\"']"
)
#: At most one code cell in this many may ignore its outputs.
IGNORING = 5
SEEDS = 5


def equations_are_verified(page: Page) -> Iterator[Finding]:
    """Each \\tag has one verify.equation soon after it, and each such call has its tag."""
    tags = [(cell, tag) for cell, text in page.markdown() for tag in TAG.findall(prose(text))]
    calls = []
    for number, cell in page.code():
        found = list(calls_of(cell, "verify", "equation"))
        for call in found:
            tag = _first_text(call)
            if tag is None:
                yield number, 'verify.equation must begin with its tag written out, as in "9.2".'
            else:
                calls.append((number, tag))
        if found and "verify" not in tags_of(cell):
            yield number, 'calls verify.equation and lacks tags=["verify"].'
    yield from _numbered(page, "equation tag", tags)
    yield from _numbered(page, "call of verify.equation", calls)
    tagged = sorted({cell for cell, _ in tags})
    for cell, tag in tags:
        # Before the next text but one that holds equations: close enough to be read together.
        following = [other for other in tagged if other > cell]
        end = following[1] if len(following) > 1 else len(page.wanted.cells) + 1
        if not any(name == tag and cell < number < end for number, name in calls):
            yield cell, f'no verify.equation("{tag}", ...) follows equation {tag} closely.'
    known = {tag for _, tag in tags}
    for number, tag in calls:
        if tag not in known:
            yield number, f"verifies equation {tag}, which no \\tag in the text names."


def claims_are_recorded(page: Page) -> Iterator[Finding]:
    """Each claim's band holds the recorded values and is not much wider than their spread."""
    try:
        claims = claims_of(page.wanted)
    except AuthoringError as error:
        yield None, str(error)
        return
    yield from _numbered(page, "claim", [(claim.cell, claim.tag) for claim in claims])
    path = page.course.claims(page.source)
    file = page.course.relative(path)
    measure = f"run `python -m authoring seeds {page.lesson:02d}`"
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))["claims"] if path.exists() else {}
    except (KeyError, ValueError):
        yield (
            None,
            f"{file} is not a record of claims; run `python -m authoring seeds {page.lesson:02d}`.",
        )
        return
    if not claims and not recorded:
        return
    if {claim.tag for claim in claims} != set(recorded):
        yield (
            None,
            (
                f"states the claims {_listed(claim.tag for claim in claims)}, {file} records "
                f"{_listed(recorded)}; {measure}."
            ),
        )
    for claim in claims:
        if claim.tag in recorded:
            yield from _claim_faults(claim, recorded[claim.tag], file)


def outputs_are_compared(page: Page) -> Iterator[Finding]:
    """Few cells escape the comparison of outputs, and none escapes it in another way."""
    cells = [(number, cell) for number, cell in page.code() if "bootstrap" not in tags_of(cell)]
    ignoring = [number for number, cell in cells if "nbval-ignore-output" in tags_of(cell)]
    if len(ignoring) * IGNORING > len(cells):
        yield (
            None,
            (
                f"{len(ignoring)} of {len(cells)} code cells ignore their output (cells "
                f"{_listed(ignoring)}); at most a fifth may."
            ),
        )
    for number, cell in cells:
        others = {t for t in tags_of(cell) if t.startswith("nbval-")} - {"nbval-ignore-output"}
        if others or "raises-exception" in tags_of(cell):
            yield number, "only the tag nbval-ignore-output is allowed."
        if re.search(r"#\s*(NBVAL|PYTEST_VALIDATE)_", cell.source):
            yield number, "uses a comment of nbval's; use the tag nbval-ignore-output."


def figures_have_captions(page: Page) -> Iterator[Finding]:
    """In lessons, the text after a picture begins a line with "Figure 9.3."."""
    if page.source.parent.name != LESSONS:
        return
    captions, waiting = [], []
    for number, cell in enumerate(page.built.cells, start=1):
        if cell.cell_type == "code":
            waiting += [number] if shows_picture(cell) else []
            continue
        here = CAPTION.findall(prose(cell))
        captions += [(number, caption) for caption in here]
        for figure in waiting[len(here) :]:
            yield figure, f'no caption "Figure {page.lesson}.k." in the text after its picture.'
        waiting = []
    for figure in waiting:
        yield figure, f'no caption "Figure {page.lesson}.k." in the text after its picture.'
    yield from _numbered(page, "figure", captions)


def text_shows_everywhere(page: Page) -> Iterator[Finding]:
    """The text keeps to what plain Jupyter and Colab render."""
    for number, cell in page.markdown():
        if found := ROLE.search(cell.source):
            yield number, f"holds a MyST role, shown raw in notebooks: {found[0].strip()}"
        if found := WRAPPED.search(prose(cell)):
            yield (
                number,
                f"a line begins with {found[0].strip()!r}, shown as a numbered list; wrap it "
                f"elsewhere.",
            )


def links_resolve(page: Page) -> Iterator[Finding]:
    """Relative links lead to files that exist."""
    for number, cell in page.markdown():
        for pair in LINK.findall(MATH.sub("", prose(cell))):
            link = "".join(pair)
            path = unquote(link.partition("#")[0])
            if not path or re.match(r"[a-z][a-z0-9+.-]*:", link):
                continue
            if not (page.source.parent / path).exists():
                yield number, f"its link leads nowhere: {link}"


def _claim_faults(claim: Claim, recorded: dict, file: str) -> Iterator[Finding]:
    if [claim.sentence, list(claim.band)] != [recorded["sentence"], recorded["band"]]:
        yield (
            claim.cell,
            (
                f"claim {claim.tag} has another sentence or band in {file}; copy "
                f"them with `python -m authoring seeds --bands`."
            ),
        )
    if len(recorded["values"]) < SEEDS:
        yield claim.cell, f"claim {claim.tag} was measured under fewer than {SEEDS} seeds."
    for fault in faults(claim.band, recorded["values"]):
        yield claim.cell, f"claim {claim.tag}: {fault}."


def _numbered(page: Page, kind: str, found: list[tuple[int, str]]) -> Iterator[Finding]:
    """Numbers begin with the lesson's and occur once."""
    seen = Counter(tag for _, tag in found)
    for cell, tag in found:
        if not re.fullmatch(rf"{page.lesson}\.\d+", tag):
            yield cell, f"{kind} {tag} must be {page.lesson}.k in this lesson."
        if seen[tag] > 1:
            yield cell, f"{kind} {tag} occurs {seen[tag]} times."


def _first_text(call: ast.Call) -> str | None:
    first = call.args[0] if call.args else None
    given = isinstance(first, ast.Constant) and isinstance(first.value, str)
    return first.value if given else None


def _listed(values) -> str:
    return ", ".join(map(str, sorted(values))) or "none"
