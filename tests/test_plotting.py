"""Figures: what is in the file, what is refused, and that labels do not meet."""

import base64
import io
import itertools
import math
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from course_lib import plotting
from course_lib.charts import running_mean
from course_lib.labels import label_lines
from course_lib.picture import DPI, Picture, palette_png, style

ALT = "A test picture."


def opened(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.png))


def rgb(picture: Picture) -> np.ndarray:
    return np.asarray(opened(picture).convert("RGB"))


def flat(*values: float) -> torch.Tensor:
    """One grey 8 x 8 image per value: (N, 1, 8, 8)."""
    return torch.tensor(values)[:, None, None, None].expand(-1, 1, 8, 8)


def history(count: int = 90) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(images=1000 * i, losses={"generator": 1 + 1 / i, "real logit": 2.0 - 1 / i})
        for i in range(1, count + 1)
    ]


# --- Picture ------------------------------------------------------------------------------------


def test_bundle_holds_png_alt_and_width():
    picture = plotting.curves([0, 1], {"a": [0, 1]}, alt=ALT)
    data, metadata = picture._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert base64.b64decode(data["image/png"], validate=True) == picture.png
    assert data["text/plain"] == "Picture: " + ALT
    assert metadata["image/png"]["alt"] == ALT
    # Seven inches of the file are seven inches of the page.
    assert metadata["image/png"]["width"] == round(opened(picture).width * 96 / DPI) == 672


@pytest.mark.parametrize(
    "make",
    [
        lambda alt: plotting.image_grid(flat(0.0), alt=alt),
        lambda alt: plotting.curves([0, 1], {"a": [0, 1]}, alt=alt),
        lambda alt: plotting.histogram({"a": [0, 1]}, xlabel="x", alt=alt),
        lambda alt: plotting.panels([("", lambda axes: None)], alt=alt),
        lambda alt: plotting.training_figure(history(), alt=alt),
        lambda alt: plotting.architecture([("z", (2,)), ("linear", (3,))], alt=alt),
        lambda alt: plotting.frame_slider([np.zeros((4, 4), np.uint8)], labels=["a"], alt=alt),
        lambda alt: Picture(b"", alt, 1),
    ],
)
@pytest.mark.parametrize("alt", ["", "  ", None])
def test_alt_text_is_required(make, alt):
    with pytest.raises(ValueError, match="alt must be a sentence"):
        make(alt)


def test_save_writes_the_whole_file(tmp_path):
    picture = plotting.image_grid(flat(0.0), alt=ALT)
    path = picture.save(tmp_path / "new" / "grid.png")
    assert path.read_bytes() == picture.png
    assert [file.name for file in path.parent.iterdir()] == ["grid.png"]


def test_file_is_a_palette_png_with_the_right_colours():
    picture = plotting.curves(
        np.arange(50.0), {"a": np.arange(50.0), "b": 50 - np.arange(50.0)}, alt=ALT
    )
    image = opened(picture)
    assert image.format == "PNG" and image.mode == "P"
    assert len(image.getcolors(256)) <= 128
    shown = {tuple(colour) for colour in rgb(picture).reshape(-1, 3)}
    for name in ("blue", "vermillion"):
        wanted = np.array([int(plotting.COLOURS[name][i : i + 2], 16) for i in (1, 3, 5)])
        assert min(np.abs(np.array(colour) - wanted).max() for colour in shown) <= 4
    assert tuple(rgb(picture)[0, 0]) == (255, 255, 255)


def test_palette_keeps_the_rare_extremes_of_a_colour_map():
    # Chosen by frequency, rare colours are shown as others: 20 levels off here, red as purple.
    place = np.linspace(-1, 1, 64)
    hill = 0.6 * np.exp(-8 * ((place - 0.3) ** 2 + (place[:, None] + 0.4) ** 2))
    values = hill - np.exp(-40 * ((place + 0.2) ** 2 + (place[:, None] - 0.3) ** 2))
    shown = (
        (matplotlib.colormaps["RdBu_r"]((values + 1) / 2)[..., :3] * 255).round().astype(np.uint8)
    )
    pixels = np.full((400, 400, 3), 255, np.uint8)  # (H, W, 3)
    pixels[:64, :64] = shown
    pixels[100, :256] = np.arange(256, dtype=np.uint8)[:, None]  # the greys of smooth text
    back = np.asarray(Image.open(io.BytesIO(palette_png(pixels))).convert("RGB")).astype(int)
    assert np.abs(back - pixels).max() <= 16
    assert (back[200:] == 255).all()


def test_palette_keeps_all_greys_close_and_rare_ones_too():
    # An adaptive palette spends its colours on the crowded middle and is 19 levels off elsewhere.
    noise = np.random.default_rng(0).normal(127.5, 38, (300, 300)).clip(0, 255)
    pixels = noise.round().astype(np.uint8)[..., None].repeat(3, axis=2)
    back = np.asarray(Image.open(io.BytesIO(palette_png(pixels))).convert("RGB")).astype(int)
    assert np.abs(back - pixels).max() <= 1


def test_a_readers_settings_are_neither_used_nor_changed():
    def draw() -> bytes:
        return plotting.curves([0, 1, 2], {"a": [0, 1, 0]}, alt=ALT).png

    plain = draw()
    with matplotlib.rc_context({"lines.linewidth": 20, "figure.facecolor": "black"}):
        before = dict(matplotlib.rcParams)
        assert draw() == plain
        assert dict(matplotlib.rcParams) == before


# --- Image grids --------------------------------------------------------------------------------


def test_grid_shows_a_fixed_range():
    # Stretching each image to its own range would show all three as one grey.
    for values, wanted in (((-1.0, 0.0, 1.0), (0, 128, 255)), ((-0.5, 0.0, 0.5), (64, 128, 191))):
        pixels = rgb(plotting.image_grid(flat(*values), alt=ALT))
        height, width, _ = pixels.shape
        middles = [int(pixels[height // 2, round(width * (i + 0.5) / 3), 0]) for i in range(3)]
        assert np.abs(np.array(middles) - wanted).max() <= 1


def test_grid_shows_colours_and_row_order():
    primary = torch.full((4, 3, 8, 8), -1.0)
    for index in range(3):
        primary[index, index] = 1.0
    pixels = rgb(plotting.image_grid(primary, alt=ALT, columns=2))
    height, width, _ = pixels.shape
    found = [tuple(pixels[height * i // 4, width * j // 4]) for i in (1, 3) for j in (1, 3)]
    assert found == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)]


def test_grid_enlarges_with_nearest_neighbour():
    board = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])[None, None]
    pixels = rgb(plotting.image_grid(board, alt=ALT))[..., 0]
    side = pixels.shape[0]
    assert pixels.shape == (side, side) and side % 2 == 0
    wanted = np.array([[0, 255], [255, 0]]).repeat(side // 2, 0).repeat(side // 2, 1)
    assert (pixels == wanted).all()


def test_grid_accepts_numpy_half_precision_and_tiny_overshoot():
    for images in (
        np.zeros((2, 1, 4, 4), np.float32),
        torch.zeros(2, 1, 4, 4, dtype=torch.bfloat16, requires_grad=True),
        torch.full((2, 1, 4, 4), 1.005),
    ):
        assert opened(plotting.image_grid(images, alt=ALT)).width > 0


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (torch.zeros(1, 8, 8), ValueError, r"\(N, C, H, W\)"),
        (torch.zeros(2, 8, 8, 3), ValueError, "C = 1 or 3"),
        (torch.zeros(0, 1, 8, 8), ValueError, "at least one image"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.uint8), TypeError, "floating point"),
        (torch.full((1, 1, 8, 8), math.nan), ValueError, "64 values that are NaN"),
        (torch.full((1, 1, 8, 8), 1.02), ValueError, r"must lie in \[-1, 1\]"),
        (torch.full((1, 1, 8, 8), -1.02), ValueError, r"must lie in \[-1, 1\]"),
        ([["text"]], TypeError, "real numbers"),
    ],
)
def test_grid_refuses(images, error, message):
    with pytest.raises(error, match=message):
        plotting.image_grid(images, alt=ALT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": 0}, "columns must be at least 1"),
        ({"titles": ["a"] * 3}, r"one per image \(6\) or one per column \(2\)"),
        ({"row_labels": ["a"]}, r"one per row \(3\)"),
        ({"titles": ["w" * 90] * 6}, "does not fit"),
    ],
)
def test_grid_refuses_labels_that_do_not_match(options, message):
    with pytest.raises(ValueError, match=message):
        plotting.image_grid(flat(*[0.0] * 6), alt=ALT, **{"columns": 2, **options})


def test_grid_makes_room_for_its_texts():
    images = flat(*[-1.0] * 16)
    plain = rgb(plotting.image_grid(images, alt=ALT))
    titled = rgb(plotting.image_grid(images, alt=ALT, titles=[f"number {i}" for i in range(16)]))
    labelled = rgb(plotting.image_grid(images, alt=ALT, row_labels=["first", "second"]))
    assert titled.shape[0] > plain.shape[0]
    # The texts stand on white, outside the images.
    assert (titled[0] > 200).all() and (labelled[:, 0] > 200).all()
    assert (labelled[:, :60] < 90).any() and (plain[:10, :5] < 5).all()


# --- Charts -------------------------------------------------------------------------------------


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """The pairs of direct labels that overlap; fails if one leaves the figure."""
    labels = [text for axes in figure.axes for text in axes.texts]
    boxes = [text.get_window_extent() for text in labels]
    for text, box in zip(labels, boxes, strict=True):
        assert box.x0 >= 0 and box.y0 >= 0, text
        assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1, text
    pairs = itertools.combinations(zip(labels, boxes, strict=True), 2)
    return [(a.get_text(), b.get_text()) for (a, p), (b, q) in pairs if p.overlaps(q)]


x = np.linspace(0, 1, 100)
LINES = {
    "apart": [x, 1 - x, 0 * x + 0.5],
    "close": [x, x * 0.97, x * 0.94, x * 0.91],
    "meeting in one point": [x, x**2, 1 - 0.5 * (1 - x)],
    "at the bottom": [np.exp(-9 * x), np.exp(-8 * x), 0.02 * x, 0.03 * x],
    "eight": [x * (1 - k / 50) for k in range(8)],
}


@pytest.mark.parametrize("case", LINES)
def test_labels_do_not_overlap(case):
    with style():
        figure = Figure(figsize=(7, 3.4), layout="constrained")
        axes = figure.subplots()
        for number, line in enumerate(LINES[case]):
            axes.plot(x, line, label=f"line {number} of a figure")
        axes.plot(x, x, label="_unnamed")
        label_lines(figure)
        figure.draw_without_rendering()
        assert [text.get_text() for text in axes.texts if "unnamed" in text.get_text()] == []
        assert len(axes.texts) == len(LINES[case])
        assert overlaps(figure) == []


def test_a_label_stands_at_the_end_of_its_own_line():
    with style():
        figure = Figure(figsize=(7, 3.4), layout="constrained")
        axes = figure.subplots()
        axes.plot(x, x, label="rising")
        axes.plot(x, 1 - x, label="falling")
        label_lines(figure)
        figure.draw_without_rendering()
        ends = {text.get_text(): text.get_window_extent() for text in axes.texts}
        for name, end in (("rising", 1.0), ("falling", 0.0)):
            down = axes.transData.transform((1, end))[1]
            middle = (ends[name].y0 + ends[name].y1) / 2
            assert abs(middle - down) < 2
            assert ends[name].x0 > axes.bbox.x1


def test_lines_that_end_together_are_labelled_where_they_are_apart():
    with style():
        figure = Figure(figsize=(7, 3.4), layout="constrained")
        axes = figure.subplots()
        axes.plot(x, np.exp(-((x - 0.2) ** 2) / 0.005), label="early")
        axes.plot(x, np.exp(-((x - 0.6) ** 2) / 0.005), label="late")
        label_lines(figure)
        figure.draw_without_rendering()
        inverse = axes.transData.inverted()
        for text in axes.texts:
            box = text.get_window_extent()
            across = inverse.transform(((box.x0 + box.x1) / 2, 0))[0]
            peak = {"early": 0.2, "late": 0.6}[text.get_text()]
            assert abs(across - peak) < 0.2


def test_a_label_inside_is_nearest_to_its_own_line():
    names = {"first": 0.35, "second": 0.45, "third": 0.55}
    with style():
        figure = Figure(figsize=(7, 3.4), layout="constrained")
        axes = figure.subplots()
        for name, centre in names.items():
            axes.plot(x, np.exp(-((x - centre) ** 2) / 0.01), label=name)
        label_lines(figure)
        figure.draw_without_rendering()
        for text in axes.texts:
            box = text.get_window_extent()
            distance = {}
            for line in axes.get_lines():
                fine = np.linspace(0, 1, 5000)
                points = axes.transData.transform(
                    np.column_stack([fine, np.interp(fine, *line.get_data())])
                )
                outside = np.maximum(np.maximum(box.min - points, points - box.max), 0)
                distance[line.get_label()] = np.hypot(*outside.T).min()
            assert min(distance, key=distance.get) == text.get_text()
            assert distance[text.get_text()] > 0


def test_curves_accept_torch_gaps_and_an_x_of_their_own():
    y = torch.linspace(0, 1, 30, dtype=torch.float64, requires_grad=True)
    picture = plotting.curves(
        {"torch": torch.arange(30), "short": [0, 5]}, {"torch": y, "short": [math.nan, 1]}, alt=ALT
    )
    assert opened(picture).width == 1008


@pytest.mark.parametrize(
    ("series", "options", "message"),
    [
        ({}, {}, "1 to 8 lines, got 0"),
        ({str(i): [0, 1] for i in range(9)}, {}, "1 to 8 lines, got 9"),
        ({"a": [0, 1, 2]}, {}, r"\(N,\) like its x"),
        ({"a": [[0, 1]]}, {}, r"\(N,\) like its x"),
        ({"a": [math.nan, math.nan]}, {}, "no finite point"),
        ({"a": [0, 1]}, {"logy": True}, "logarithmic axis"),
        ({"a": [0, 1]}, {"logx": True}, "logarithmic axis"),
        ({"a": [0, 1]}, {"smooth": 0}, "smooth must be"),
        ({"a": [0, 1]}, {"bands": {"a": ([0, 0], [1, 1])}}, "band_meaning"),
        ({"a": [0, 1]}, {"bands": {"b": ([0], [1])}, "band_meaning": "m"}, "no series"),
        ({"a": [0, 1]}, {"bands": {"a": ([0], [1])}, "band_meaning": "m"}, "two arrays"),
        ({"a": [0, 1]}, {"bands": {"a": ([1, 1], [0, 0])}, "band_meaning": "m"}, "low edge"),
    ],
)
def test_curves_refuse(series, options, message):
    with pytest.raises(ValueError, match=message):
        plotting.curves([0, 1], series, alt=ALT, **options)


def test_band_is_drawn_and_explained(monkeypatch):
    written = []
    monkeypatch.setattr(Text, "draw", lambda self, renderer: written.append(self.get_text()))
    y = np.arange(30.0)
    band = {"a": (y - 5, y + 5)}
    banded = plotting.curves(y, {"a": y}, alt=ALT, bands=band, band_meaning="range of 5 seeds")
    assert "Bands: range of 5 seeds." in written
    plain = plotting.curves(y, {"a": y}, alt=ALT, ylim=(-6.7, 35.7))
    coloured, without = ((np.ptp(rgb(one), axis=2) > 20).sum() for one in (banded, plain))
    assert coloured > 2 * without


def test_running_mean_is_the_mean_of_a_window_cut_at_the_ends():
    values = np.array([1.0, 5.0, math.nan, 3.0, 4.0, 8.0, 0.0])
    wanted = [
        math.nan
        if math.isnan(values[i])
        else np.nanmean(values[max(0, i - 1) : min(len(values), i + 2)])
        for i in range(len(values))
    ]
    np.testing.assert_allclose(running_mean(values, 3), wanted)
    np.testing.assert_array_equal(running_mean(values[3:], 1), values[3:])
    assert running_mean(values, 100).shape == values.shape


@pytest.mark.parametrize(
    ("series", "message"),
    [({}, "1 to 8 histograms"), ({"a": []}, "hold numbers"), ({"a": [math.inf]}, "finite")],
)
def test_histogram_refuses(series, message):
    with pytest.raises(ValueError, match=message):
        plotting.histogram(series, alt=ALT, xlabel="x")


def test_panels_hand_each_function_its_axes():
    seen = []
    picture = plotting.panels([("one", seen.append), (None, seen.append)], alt=ALT)
    assert [axes.get_title(loc="left") for axes in seen] == ["one", ""]
    assert opened(picture).width == 1008
    with pytest.raises(ValueError, match="at least one"):
        plotting.panels([], alt=ALT)


# --- Diagrams and training ----------------------------------------------------------------------

GENERATOR = [
    ("z", (64, 1, 1)),
    ("4x4 transposed conv", (128, 4, 4)),
    ("4x4 transposed conv, stride 2", (64, 8, 8)),
    ("4x4 transposed conv, stride 2", (32, 16, 16)),
    ("4x4 transposed conv, stride 2", (16, 32, 32)),
    ("3x3 conv, tanh", (1, 32, 32)),
]


# Narrow boxes over long shapes, and one long word that takes the room.
LONG_SHAPES = [("x", (512, 8, 8))] + [("a", (4, 1024, 1024))] * 4
LONG_SHAPES += [("antidisestablishmentarianism", (1, 8, 8))]


@pytest.mark.parametrize("blocks", [GENERATOR, LONG_SHAPES])
def test_texts_of_an_architecture_do_not_meet(monkeypatch, blocks):
    kept = []
    monkeypatch.setattr(
        "course_lib.diagrams.Picture.from_figure", lambda figure, alt: kept.append(figure)
    )
    plotting.architecture(blocks, alt=ALT, title="Generator")
    texts = [text.get_text() for text in kept[0].axes[0].texts]
    assert " × ".join(map(str, blocks[1][1])) in texts
    with style():
        kept[0].draw_without_rendering()
        assert overlaps(kept[0]) == []
        boxes = [patch.get_window_extent() for patch in kept[0].axes[0].patches]
        assert len(boxes) == 6
        for text in kept[0].axes[0].texts:
            if text.get_text():
                assert not any(text.get_window_extent().overlaps(box) for box in boxes), text
    ratio = blocks[3][1][1] / blocks[4][1][1]  # of the resolutions
    assert boxes[3].height == pytest.approx(boxes[4].height * ratio, rel=0.01)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (GENERATOR[:1], "2 to 8 blocks"),
        ([("z", (64, 1)), ("conv", (1, 2, 2))], r"\(C, H, W\) or \(C,\)"),
        ([("z", (64,)), ("conv", (0, 2, 2))], r"\(C, H, W\) or \(C,\)"),
        ([("z", (64,))] + [("antidisestablishmentarianism", (64,))] * 5, "too wide"),
    ],
)
def test_architecture_refuses(blocks, message):
    with pytest.raises(ValueError, match=message):
        plotting.architecture(blocks, alt=ALT)


U_NET = [
    ("image", (1, 32, 32)), ("stem", (16, 32, 32)), ("down", (32, 16, 16)), ("up", (16, 32, 32)),
    ("last", (1, 32, 32)),
]  # fmt: skip


def test_skips_are_arrows_that_cross_no_box(monkeypatch):
    kept = []
    monkeypatch.setattr(
        "course_lib.diagrams.Picture.from_figure", lambda figure, alt: kept.append(figure)
    )
    for skips in ((), [(1, 3)]):
        plotting.architecture(U_NET, alt=ALT, skips=skips)
    plain, drawn = (figure.axes[0] for figure in kept)
    assert len(drawn.texts) == len(plain.texts) + 1  # an arrow is an annotation without text
    arrow, boxes = drawn.texts[-1], [patch.get_bbox() for patch in drawn.patches]
    (stop, level), (start, same) = arrow.xy, arrow.xyann
    assert level == same and boxes[1].x1 < start < stop < boxes[3].x0
    assert boxes[1].y0 < level < boxes[2].y0  # from the side of the first, below the one between
    for wrong in ((0, 1), (1, 2), (2, 4), (1, 5), (0, 3)):
        with pytest.raises(ValueError, match="a skip joins two boxes of equal height"):
            plotting.architecture(U_NET, alt=ALT, skips=[wrong])


def test_training_figure_shows_the_samples_and_the_progress():
    records = history()
    records[3].losses = {"generator": 1.0}  # a record may lack a loss
    plain = rgb(plotting.training_figure(records, alt=ALT))
    dark = rgb(plotting.training_figure(records, flat(*[-1.0] * 4), alt=ALT))
    assert (dark[:, -100:] < 5).mean() > 0.9 and (plain[:, -100:] < 5).mean() < 0.1
    half = rgb(plotting.training_figure(records, alt=ALT, status="half", progress=0.5))
    assert (rgb(plotting.training_figure(records, alt=ALT, ylabel="L1")) != plain).any()
    blue = np.abs(half[:48].astype(int) - [0, 0x72, 0xB2]).max(axis=2) < 12
    assert blue.any(axis=0).mean() == pytest.approx(0.5, abs=0.01)
    for record in records:  # training diverged
        record.losses = {"generator": math.nan, "real logit": math.inf}
    assert opened(plotting.training_figure(records, alt=ALT)).width == 1050
    with pytest.raises(ValueError, match="at least one record"):
        plotting.training_figure([], alt=ALT)


# --- Slider -------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def clothes_like(seed: int, count: int = 64) -> torch.Tensor:
    """Smooth grey shapes with some texture, as heavy to store as pictures of clothes."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 1, 8, 8, generator=random)
    smooth = torch.nn.functional.interpolate(coarse, size=32, mode="bicubic")
    return (smooth + 0.1 * torch.randn(count, 1, 32, 32, generator=random)).clamp(-1, 1)


@pytest.fixture(scope="module")
def slider():
    frames = [clothes_like(seed) for seed in range(10)]
    return plotting.frame_slider(
        frames, alt='Samples, "through" training.', labels=[f"step {100 * i}" for i in range(10)]
    )


def test_slider_needs_no_script_element_style_element_or_id(slider):
    tags = Tags(slider._repr_html_()).found
    assert {tag for tag, _ in tags} == {"div", "span", "img", "small"}
    assert all("id" not in attributes for _, attributes in tags)
    # One handler, on the last image: without it, everything is still there and visible.
    handlers = [a["src"] for _, a in tags if any(name.startswith("on") for name in a)]
    assert handlers == [tags[-2][1]["src"]] and tags[-2][0] == "img"
    assert "hidden" not in slider.html and "display:none" not in slider.html.split("onload")[0]


def test_slider_labels_and_describes_every_frame(slider):
    images = [attributes for tag, attributes in Tags(slider.html).found if tag == "img"]
    assert [image["alt"] for image in images] == [
        f'step {100 * i}: Samples, "through" training.' for i in range(10)
    ]
    assert re.findall(r"<small>(.*?)</small>", slider.html)[3] == "step 300 (4 of 10)"
    assert repr(slider).startswith("Frames: Samples") and "step 900" in repr(slider)


def test_slider_is_small_and_its_frames_are_the_pictures(slider):
    assert len(slider.html) <= 150_000
    sources = re.findall(r"data:image/webp;base64,([^\"]+)", slider.html)
    image = Image.open(io.BytesIO(base64.b64decode(sources[4])))
    assert image.format == "WEBP" and image.size == (8 * 33 - 1, 8 * 33 - 1)
    shown = np.asarray(image.convert("L"), float)[33:65, 66:98]  # row 1, column 2
    wanted = (clothes_like(4)[10, 0].numpy() + 1) * 127.5
    assert np.corrcoef(shown.ravel(), wanted.ravel())[0, 1] > 0.97


def test_slider_is_the_same_every_time():
    frames = [clothes_like(seed, 4) for seed in range(2)]
    made = [plotting.frame_slider(frames, alt=ALT, labels=["a", "b"]).html for _ in range(2)]
    assert made[0] == made[1]


def test_small_frames_are_enlarged_sharply():
    board = np.array([[0, 255], [255, 0]], np.uint8)
    html = plotting.frame_slider([board], alt=ALT, labels=["a"]).html
    (source,) = re.findall(r"data:image/webp;base64,([^\"]+)", html)
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))).convert("L"))
    assert image.shape == (200, 200)
    assert image[10, 90] < 20 and image[10, 110] > 235


@pytest.mark.parametrize(
    ("frames", "labels", "options", "message"),
    [
        ([], [], {}, "at least one frame"),
        ([np.zeros((4, 4), np.uint8)], ["a", "b"], {}, "one per frame"),
        ([np.zeros((4, 4), np.uint8), np.zeros((5, 4), np.uint8)], ["a", "b"], {}, "one shape"),
        ([np.zeros((4, 4))], ["a"], {}, "uint8"),
        ([np.zeros((4, 4, 2), np.uint8)], ["a"], {}, "1 or 3 channels"),
        ([clothes_like(0)], ["a"], {"limit": 3000}, "Show fewer frames"),
    ],
)
def test_slider_refuses(frames, labels, options, message):
    with pytest.raises(ValueError, match=message):
        plotting.frame_slider(frames, alt=ALT, labels=labels, **options)
