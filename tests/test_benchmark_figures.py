"""The figures of the benchmarks are drawn from what is stored, and say it in words too."""

import json

import pytest
from PIL import Image

from benchmarks import figures, summary, throughput


def stored(folder, name: str, plan: dict, run: dict, threads: int = 2) -> None:
    environment = {"device_name": "a machine", "threads": threads, "torch": "2.15.0"}
    frame = {"date": "2026-11-22", "environment": environment, "code": "0"}
    runs = summary.collect([run, run])
    (folder / f"{name}.json").write_text(
        json.dumps(frame | summary.merged(plan, runs)), encoding="utf-8"
    )


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "stored"
    folder.mkdir()
    ways = (throughput.TEXTBOOK, throughput.ADVICE, throughput.FLOAT32, throughput.COURSE)
    rates = dict(zip(ways, (400.0, 500.0, 600.0, 1000.0), strict=True))
    ratios = {way: rate / 400 for way, rate in rates.items()}
    run = {"images_per_second": rates, "times_the_textbook_loop": ratios}
    stored(folder, "throughput", {"dtype": "bfloat16"}, run)
    points = {
        f"{share} percent": {"seconds": 0.6 * share, "relative_frechet_distance": 8 / share}
        for share in (40, 70, 100)
    }
    stored(folder, "time_to_quality", {"steps": 2000, "goal": 0.08}, {"points": points})
    return folder


def quality_run() -> dict:
    return {
        f"{minutes} minutes": {
            "seconds": 60.0 * minutes,
            "course": {"relative_frechet_distance": 0.1 / minutes},
        }
        for minutes in (3, 10)
    }


def loop_run() -> dict:
    return {
        "points": {
            f"{minutes} minutes": {
                "seconds": 60.0 * minutes,
                "relative_frechet_distance": 0.9 / minutes,
            }
            for minutes in (3, 10)
        }
    }


def test_figures_are_drawn_from_what_is_stored(results, tmp_path):
    assert figures.draw(tmp_path, tmp_path / "docs") == []
    stored(results, "quality", {}, quality_run())
    drawn = figures.draw(results, tmp_path / "docs")
    assert [path.name for path in drawn] == ["throughput.png", "quality.png"]
    assert all(min(Image.open(path).size) > 300 for path in drawn)


def test_figures_say_their_numbers_to_readers_who_cannot_see_them(results):
    def read(name):
        return json.loads((results / f"{name}.json").read_text(encoding="utf-8"))

    alt = figures.rates(read("throughput")).alt
    assert "textbook loop 400" in alt and "the course, in bfloat16 1,000" in alt
    stored(results, "quality", {}, quality_run())
    stored(results, "textbook_time", {}, loop_run())
    three = (read(name) for name in ("time_to_quality", "quality", "textbook_time"))
    alt = figures.distances(*three).alt
    assert "planned for 2,000 steps: 0.200 after 24 s, 0.114 after 42 s, 0.080 after 60 s" in alt
    assert "planned for 3 and 10 minutes: 0.033 after 180 s, 0.010 after 600 s" in alt
    assert "textbook loop: 0.300 after 180 s, 0.090 after 600 s" in alt


def test_seconds_of_two_machines_do_not_share_a_figure(results, tmp_path, monkeypatch):
    given = []
    distances = figures.distances
    monkeypatch.setattr(figures, "distances", lambda *all: given.append(all[1:]) or distances(*all))
    for threads in (16, 2):
        stored(results, "quality", {}, quality_run(), threads)
        stored(results, "textbook_time", {}, loop_run(), threads)
        figures.draw(results, tmp_path / "docs")
    assert given[0] == (None, None)
    longer, loop = given[1]
    assert longer["3 minutes"] and loop["points"]
