"""Live views: every record passes, one picture stays, and nothing shows where nobody looks."""

import io
from pathlib import Path
from types import SimpleNamespace

import IPython.display
import nbclient
import nbformat
import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import plotting, widgets

ROOT = Path(__file__).parent.parent


def records(count: int, seconds: float = 1.0, start: int = 0) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(
            step=10 * i, images=640 * i, seconds=seconds * i, rate=640.0, losses={"loss": 1 / i}
        )
        for i in range(start + 1, start + count + 1)
    ]


class Screen:
    """Stands in for the notebook: notes what is displayed and what is replaced."""

    def __init__(self) -> None:
        self.displayed: list[object] = []
        self.updates: list[object] = []

    def display(self, thing: object, display_id: bool = False) -> "Screen":
        self.displayed.append(thing)
        return self

    def update(self, thing: object) -> None:
        self.updates.append(thing)


@pytest.fixture
def screen(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(IPython.display, "display", screen.display)
    monkeypatch.setattr(widgets, "_audience", lambda: "person")
    return screen


@pytest.fixture
def statuses(monkeypatch):
    """The status lines and the progress of all pictures drawn, which are not drawn for speed."""
    seen: list[tuple[str, float | None]] = []

    def figure(records, samples=None, *, alt, status, progress, ylabel):
        seen.append((status, progress))
        return plotting.Picture(b"png", alt, 1)

    monkeypatch.setattr(plotting, "training_figure", figure)
    return seen


# --- watch --------------------------------------------------------------------------------------


def test_outside_a_notebook_records_pass_and_nothing_shows(capsys):
    given = records(5)
    asked = []
    passed = list(widgets.watch(iter(given), total=50, sample=lambda: asked.append(1)))
    assert all(one is other for one, other in zip(passed, given, strict=True))
    assert not asked
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("audience", ["person", "file"])
def test_every_record_passes_unchanged_in_a_notebook(screen, statuses, monkeypatch, audience):
    monkeypatch.setattr(widgets, "_audience", lambda: audience)
    given = records(7)
    passed = list(widgets.watch(iter(given), every=0.0))
    assert all(one is other for one, other in zip(passed, given, strict=True))
    assert len(screen.displayed) == 1


def test_a_file_gets_one_picture_at_the_end(screen, statuses, monkeypatch):
    monkeypatch.setattr(widgets, "_audience", lambda: "file")
    assert len(list(widgets.watch(records(50), every=0.0, total=500))) == 50
    assert (len(screen.displayed), len(screen.updates)) == (1, 0)
    assert statuses == [("500 steps, 32,000 images in 0:50, 640 images/s", None)]


def test_pictures_come_at_most_every_few_seconds(screen, statuses):
    now = [0.0]

    def slowly():
        for record in records(20):
            now[0] += 1.0
            yield record

    list(widgets.watch(slowly(), every=5.0, clock=lambda: now[0]))
    # Seconds 1, 6, 11 and 16 while it runs, and the last one.
    assert [status.split()[0] for status, _ in statuses] == ["10", "60", "110", "160", "200"]
    assert (len(screen.displayed), len(screen.updates)) == (1, 4)


def test_drawing_takes_a_tenth_of_the_time_at_most(screen, monkeypatch):
    now, drawn = [0.0], []

    def figure(records, samples=None, *, alt, status, progress, ylabel):
        now[0] += 3.0
        drawn.append(now[0])
        return plotting.Picture(b"png", alt, 1)

    monkeypatch.setattr(plotting, "training_figure", figure)

    def slowly():
        for record in records(100):
            now[0] += 1.0
            yield record

    list(widgets.watch(slowly(), every=2.0, clock=lambda: now[0]))
    assert len(drawn) == 5  # a hundred seconds of training, thirty between drawings, and the last


def test_progress_and_time_left(screen, statuses):
    list(widgets.watch(records(4), total=100, every=0.0, clock=lambda: 0.0))
    assert statuses[0] == ("step 10 of 100, 640 images/s, 0:09 left", 0.1)
    assert statuses[3] == ("step 40 of 100, 640 images/s, 0:06 left", 0.4)
    assert statuses[4][1] is None


def test_the_axis_says_what_the_losses_are(screen, monkeypatch):
    labels, draw = [], plotting.training_figure
    monkeypatch.setattr(
        plotting,
        "training_figure",
        lambda *given, ylabel, **named: labels.append(ylabel) or draw(*given, **named),
    )
    list(widgets.watch(records(1), every=0.0))
    list(widgets.watch(records(1), every=0.0, ylabel="masked L1"))
    assert labels == ["loss (nats)"] * 2 + ["masked L1"] * 2


def test_time_left_of_a_resumed_run_counts_from_here(screen, statuses):
    # The first half took an hour on another machine; here ten steps take one second.
    rest = records(3, start=50)
    for record in rest:
        record.seconds += 3600
    list(widgets.watch(rest, total=1000, every=0.0, clock=lambda: 0.0))
    assert statuses[0][0].endswith("0:49 left")
    assert statuses[2][0].endswith("0:47 left")


def test_the_picture_stays_when_training_fails(screen, statuses):
    def failing():
        yield from records(3)
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        list(widgets.watch(failing(), every=1e9))
    assert statuses[-1][0].startswith("30 steps")


def test_the_picture_stays_when_the_reader_stops(screen, statuses):
    for record in widgets.watch(records(10), every=1e9):
        if record.step == 20:
            break
    assert statuses[-1][0].startswith("20 steps")


def test_no_records_no_picture(screen, statuses):
    assert list(widgets.watch([])) == []
    assert screen.displayed == []


def test_samples_and_alt_reach_the_picture(screen):
    black = -torch.ones(4, 1, 8, 8)
    list(widgets.watch(records(2), sample=lambda: black, every=0.0, clock=lambda: 0.0))
    picture = screen.updates[-1]
    assert "generated images" in picture.alt
    pixels = np.asarray(Image.open(io.BytesIO(picture.png)).convert("L"))
    assert (pixels[60:, -100:] < 5).mean() > 0.9


# --- Latent explorer ----------------------------------------------------------------------------


def generate(z: torch.Tensor) -> torch.Tensor:
    """Images whose brightness is the first latent coordinate: (N, Z) -> (N, 1, 8, 8)."""
    return torch.tanh(z[:, :1, None, None]).expand(-1, 1, 8, 8)


def test_moving_keeps_the_length():
    start = torch.randn(16, generator=torch.Generator().manual_seed(0))
    directions = torch.eye(16)[:3]
    amounts = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [1.0, -1.0, 0.5]])
    moved = widgets.moved(start, directions, amounts)
    torch.testing.assert_close(moved[0], start)
    torch.testing.assert_close(moved.norm(dim=1), start.norm().expand(3))
    step = moved[1] * (start + 2 * start.norm() * directions[0]).norm() / start.norm() - start
    torch.testing.assert_close(step, 2 * start.norm() * directions[0])


def test_explorer_is_a_picture_of_sweeps_and_repeats():
    explorers = [widgets.latent_explorer(generate, 16, alt="Sweeps.", seed=s) for s in (3, 3, 4)]
    pictures = [explorer.picture for explorer in explorers]
    assert pictures[0] == pictures[1] != pictures[2]
    assert pictures[0].alt == "Sweeps."
    rows = explorers[0].directions
    torch.testing.assert_close(rows @ rows.T, torch.eye(widgets.DIRECTIONS), atol=1e-5, rtol=0)


def test_the_middle_column_is_the_starting_point():
    asked = []

    def spy(z):
        asked.append(z)
        return generate(z)

    explorer = widgets.latent_explorer(spy, 16, alt="Sweeps.", directions=2)
    assert asked[0].shape == (2 * widgets.STOPS, 16)
    for row in range(2):
        torch.testing.assert_close(asked[0][row * widgets.STOPS + 3], explorer.start)


def test_sliders_and_button_redraw():
    explorer = widgets.latent_explorer(generate, 4, alt="Sweeps.", directions=4)
    image, side = explorer.controls().children
    *sliders, button = side.children
    assert len(sliders) == 4
    shown = [image.value]
    sliders[0].value = 1.5
    shown.append(image.value)
    start = explorer.start
    button.click()
    shown.append(image.value)
    assert sliders[0].value == 0.0 and not torch.equal(explorer.start, start)
    assert len(set(shown)) == 3
    button.click()  # with all sliders at rest
    assert image.value not in shown


@pytest.mark.parametrize(("audience", "shown"), [("file", 1), (None, 1), ("person", 2)])
def test_sliders_appear_only_where_a_person_looks(screen, monkeypatch, audience, shown):
    explorer = widgets.latent_explorer(generate, 4, alt="Sweeps.")
    monkeypatch.setattr(widgets, "_audience", lambda: audience)
    explorer._ipython_display_()
    assert len(screen.displayed) == shown
    assert screen.displayed[0] is explorer.picture


@pytest.mark.parametrize("directions", [0, 5])
def test_explorer_refuses_impossible_directions(directions):
    with pytest.raises(ValueError, match="1 to the latent size 4"):
        widgets.latent_explorer(generate, 4, alt="Sweeps.", directions=directions)


# --- In a real kernel ---------------------------------------------------------------------------

SETUP = """
from types import SimpleNamespace
import torch
from course_lib import plotting, widgets
records = [
    SimpleNamespace(step=i, images=i, seconds=i, rate=1.0, losses={"loss": 1.0 / i})
    for i in range(1, 30)
]
"""


def test_an_executed_notebook_holds_one_static_picture_a_cell():
    sources = [
        SETUP,
        "for record in widgets.watch(records, total=29, every=0.0):\n    pass",
        "widgets.latent_explorer(lambda z: z[:, :1, None, None].tanh(), 4, alt='Sweeps.')",
        "plotting.curves([0, 1], {'a': [0, 1]}, alt='A line.')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    ).execute()
    assert notebook.cells[0].outputs == []
    for cell in notebook.cells[1:]:
        (output,) = cell.outputs
        assert set(output.data) == {"image/png", "text/plain"}
        assert output.metadata["image/png"]["alt"] in output.data["text/plain"]
    assert "widgets" not in notebook.metadata
