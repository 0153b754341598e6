"""Benchmarks are stored as they go, continued where they stopped, and stated as tables."""

import json
from datetime import date
from types import SimpleNamespace

import pytest
import torch

from benchmarks import __main__ as benchmarks
from benchmarks import provenance, running, summary
from benchmarks.progress import Progress
from course_lib import checkpoints

CPU = torch.device("cpu")


class Counting:
    """A benchmark's module that notes what it was asked for, and can be interrupted."""

    __name__ = "benchmarks.summary"  # its hash is that of a real module
    __doc__ = "Squares of the seed.\n\nMore of it."

    def __init__(self) -> None:
        self.seeds, self.plans, self.stop_at = [], 0, None

    def plan(self, device):
        self.plans += 1
        return {"dtype": "float32", "rows": {"square": {"power": 2}}, "number": self.plans}

    def runs(self, plan, repeats, device):
        for seed in repeats:
            if seed == self.stop_at:
                raise KeyboardInterrupt
            self.seeds.append(seed)
            yield {"rows": {"square": {"value": seed**2}, "half": {"value": seed / 2}}}


@pytest.fixture
def module():
    return Counting()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "counting.json"


def values(result: dict) -> list[float]:
    return result["rows"]["square"]["value"]["values"]


def interrupted(module, path, seeds=3):
    module.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        running.run(running.Benchmark(module, seeds), path, CPU)
    module.stop_at = None
    return json.loads(path.read_text(encoding="utf-8"))


# Spreads and runs


def test_spread_keeps_the_values():
    found = summary.spread([3.0, 1.0, 2.0])
    assert found == {"median": 2.0, "least": 1.0, "largest": 3.0, "values": [3.0, 1.0, 2.0]}


def test_a_missing_value_is_worse_than_any_other():
    found = summary.spread([3.0, None, 2.0])
    assert found == {"median": 3.0, "least": 2.0, "largest": None, "values": [3.0, None, 2.0]}
    assert summary.spread([None, float("inf"), 1.0])["median"] is None
    json.dumps(found, allow_nan=False)


def test_a_result_comes_apart_into_the_plan_and_the_runs():
    plan = {"steps": 5, "rows": {"a": {"width": 2}}, "empty": "text"}
    runs = [
        {"rows": {"a": {"x": 1.0, "y": None}, "b": {"x": 2.0, "y": 4.0}}, "z": n} for n in (5, 7)
    ]
    result = {"date": "today", "environment": {"threads": 1}, "code": "0"} | summary.merged(
        plan, summary.collect(runs)
    )
    assert result["rows"]["a"]["width"] == 2 and result["rows"]["a"]["x"]["values"] == [1.0, 1.0]
    stored = json.loads(json.dumps(result))
    assert summary.plan_in(stored) == plan
    assert summary.runs_in(stored) == runs
    assert summary.collect(summary.runs_in(stored)) == summary.collect(runs)


def test_runs_that_measure_other_things_are_refused():
    with pytest.raises(ValueError, match="at least one run"):
        summary.collect([])
    with pytest.raises(ValueError, match=r"expected runs that measure \['a'\], got one with"):
        summary.collect([{"a": 1}, {"b": 1}])
    with pytest.raises(ValueError, match=r"as many values in each spread, got \[1, 2\]"):
        summary.runs_in({"a": summary.spread([1]), "b": summary.spread([1, 2])})


def test_the_table_has_a_line_for_each_number_under_its_group():
    found = {
        "steps": 7,
        "seconds_to_goal": summary.spread([60.25, 59.0, None]),
        "rows": {
            "first_row": {
                "rate": summary.spread([1234.5, 1200.0, 2000.0]),
                "relative_frechet_distance": summary.spread([0.03517, 0.03, 0.04]),
            },
        },
    }
    assert summary.table(found).splitlines() == [
        "                                median      least    largest",
        "seconds to goal                  60.25         59       none",
        "rows, first row",
        "  rate                            1234       1200       2000",
        "  relative Fréchet distance    0.03517       0.03       0.04",
    ]


def test_a_shown_result_says_what_where_and_when(module, path):
    benchmark = running.Benchmark(module, 3)
    lines = running.shown("counting", benchmark, running.run(benchmark, path, CPU)).splitlines()
    assert lines[0] == "counting: Squares of the seed."
    assert lines[1].startswith("3 seeds, ") and lines[1].endswith("float32")
    assert f"torch {torch.__version__}, {date.today().isoformat()}, float32" in lines[1]
    assert "  value               1          0          4" in lines


def test_progress_says_how_long_the_rest_will_take(capsys, monkeypatch):
    clock = iter([0.0, 60.0, 180.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    progress = Progress(3)
    progress.say("one")
    progress.say("two")
    assert capsys.readouterr().out == "one; 2 min left\ntwo; 2 min left\n"


# Storing and going on


def test_every_seed_is_stored_at_once(module, path):
    stored = interrupted(module, path)
    assert values(stored) == [0, 1] and stored["rows"]["square"]["power"] == 2
    assert stored["date"] and stored["environment"]["torch"] == torch.__version__
    assert stored["code"] == provenance.code_hash("benchmarks.summary")


def test_an_interrupted_benchmark_goes_on_with_the_same_plan(module, path, capsys):
    interrupted(module, path)
    result = running.run(running.Benchmark(module, 3), path, CPU, seeds=4)
    assert module.seeds == [0, 1, 2, 3] and module.plans == 1
    assert values(result) == [0, 1, 4, 9]
    assert "Going on after 2 stored" in capsys.readouterr().out
    whole = running.run(running.Benchmark(Counting(), 4), path.with_name("whole.json"), CPU)
    assert result == whole
    assert json.loads(path.read_text(encoding="utf-8")) == result


def test_enough_seeds_are_not_measured_again(module, path):
    before = running.run(running.Benchmark(module, 3), path, CPU)
    assert running.run(running.Benchmark(module, 3), path, CPU, seeds=2) == before
    assert module.seeds == [0, 1, 2]


def test_without_a_number_of_seeds_it_begins_anew(module, path):
    running.run(running.Benchmark(module, 2), path, CPU)
    assert values(running.run(running.Benchmark(module, 2), path, CPU)) == [0, 1]
    assert module.seeds == [0, 1, 0, 1] and module.plans == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"code": "another"}, "Beginning anew: the code has changed"),
        (
            {"environment": {"threads": -1}},
            "Beginning anew: the stored result has another threads.",
        ),
    ],
)
def test_another_code_or_machine_begins_anew(module, path, capsys, change, said):
    stored = summary.merged(interrupted(module, path), change)
    path.write_text(json.dumps(stored), encoding="utf-8")
    result = running.run(running.Benchmark(module, 3), path, CPU, seeds=3)
    assert module.seeds == [0, 1, 0, 1, 2] and values(result) == [0, 1, 4]
    assert said in capsys.readouterr().out


def test_a_result_from_before_code_was_stored_begins_anew(module, path, capsys):
    path.write_text('{"date": "2026-01-01", "environment": {}}', encoding="utf-8")
    running.run(running.Benchmark(module, 1), path, CPU, seeds=1)
    assert "the code has changed" in capsys.readouterr().out and module.seeds == [0]


def test_rounds_are_stored_together_and_never_continued(module, path):
    rounds = running.Benchmark(module, 3, unit="round")
    module.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        running.run(rounds, path, CPU)
    assert not path.exists()
    module.stop_at = None
    running.run(rounds, path, CPU, seeds=5)  # the number of rounds is the benchmark's own
    running.run(rounds, path, CPU, seeds=5)
    assert module.seeds == [0, 1, 0, 1, 2, 0, 1, 2]


# The code that a result depends on


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of a few files; only some of them are behind benchmarks.one."""
    sources = {
        "benchmarks/__init__.py": "",
        "benchmarks/one.py": "import torch\nfrom course_lib import used\n",
        "benchmarks/other.py": "from course_lib import unused\n",
        "course_lib/__init__.py": "",
        "course_lib/used.py": "def f():\n    from course_lib.models.deep import Net\n",
        "course_lib/unused.py": "",
        "course_lib/models/__init__.py": "",
        "course_lib/models/deep.py": "from course_lib.used import f\n",
    }
    for name, text in sources.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (tmp_path / "weights").write_bytes(b"weights")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setattr(checkpoints, "CLASSIFIER", tmp_path / "weights")
    return tmp_path


def test_the_files_behind_a_module_are_followed_through_imports(project):
    found = {
        path.relative_to(project).as_posix() for path in provenance.files_behind("benchmarks.one")
    }
    assert found == {
        "benchmarks/one.py",
        "course_lib/__init__.py",
        "course_lib/used.py",
        "course_lib/models/__init__.py",
        "course_lib/models/deep.py",
    }


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("benchmarks/one.py", True),
        ("course_lib/models/deep.py", True),
        ("weights", True),
        ("benchmarks/other.py", False),
        ("course_lib/unused.py", False),
    ],
)
def test_the_hash_changes_with_the_code_that_is_used(project, name, matters):
    before = provenance.code_hash("benchmarks.one")
    with open(project / name, "ab") as file:
        file.write(b"\nchanged = 1\n")
    assert (provenance.code_hash("benchmarks.one") != before) is matters


@pytest.mark.parametrize(
    ("text", "matters"),
    [
        ("def f(x):\n    return x + 1\n", False),
        (
            '"""What it is."""\n\n\ndef f(x):  # why\n    """One more."""\n    return (x\n+ 1)\n',
            False,
        ),
        ('class A:\n    """Empty but for this."""\n\n\ndef f(x):\n    return x + 1\n', True),
        ('def f(x):\n    "not needed"\n    "not a docstring"\n    return x + 1\n', True),
        ("def f(x):\n    return x + 2\n", True),
    ],
)
def test_comments_docstrings_and_line_breaks_do_not_change_the_hash(project, text, matters):
    file = project / "course_lib/used.py"
    file.write_text("def f(x):\n    return x + 1\n", encoding="utf-8")
    before = provenance.code_hash("benchmarks.one")
    file.write_text(text, encoding="utf-8")
    assert (provenance.code_hash("benchmarks.one") != before) is matters


def test_an_unknown_module_is_refused():
    with pytest.raises(ValueError, match="expected a module of benchmarks or course_lib"):
        provenance.code_hash("numpy.linalg")


def test_each_benchmark_depends_on_what_it_measures_and_not_on_how_it_is_shown():
    for name in ("throughput", "safeguards", "time_to_quality", "modes", "quality", "collapse"):
        module = benchmarks.BENCHMARKS[name].module.__name__
        names = {path.stem for path in provenance.files_behind(module)}
        assert {"training", "recipes", "losses", "dcgan", "data"} <= names, name
        assert not {"plotting", "figures", "running", "commands"} & names, name


# The command


@pytest.fixture
def registry(module, tmp_path, monkeypatch):
    short, long = running.Benchmark(module, 2), running.Benchmark(Counting(), 3, long=True)
    monkeypatch.setattr(benchmarks, "BENCHMARKS", {"quick": short, "slow": long})
    monkeypatch.setattr(benchmarks, "GROUPS", {"short": ["quick"], "long": ["slow"]})
    monkeypatch.setattr(benchmarks, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(benchmarks, "DOCS", tmp_path / "docs")
    return SimpleNamespace(short=short.module, long=long.module, results=tmp_path / "results")


def test_without_a_name_the_short_ones_run_and_the_long_ones_are_shown(registry, capsys):
    assert benchmarks.main([]) == 0
    assert registry.short.seeds == [0, 1] and registry.long.seeds == []
    out = capsys.readouterr().out
    assert "slow: not measured yet; python -m benchmarks slow" in out
    assert out.count("rows, square") == 1
    benchmarks.main(["long"])
    assert registry.long.seeds == [0, 1, 2] and registry.short.seeds == [0, 1]
    capsys.readouterr()
    benchmarks.main([])
    assert capsys.readouterr().out.count("rows, square") == 2 and registry.long.seeds == [0, 1, 2]


def test_named_benchmarks_run_once_with_as_many_seeds_as_asked(registry):
    assert benchmarks.main(["slow", "long", "--seeds", "1"]) == 0
    assert registry.long.seeds == [0]
    assert benchmarks.main(["slow", "--seeds", "2"]) == 0
    assert registry.long.seeds == [0, 1]


def test_ctrl_c_says_how_to_go_on(registry, capsys):
    registry.long.stop_at = 1
    assert benchmarks.main(["slow"]) == 130
    assert "To go on: python -m benchmarks slow --seeds 3" in capsys.readouterr().out
    assert values(json.loads((registry.results / "slow.json").read_text(encoding="utf-8"))) == [0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["speed"], "no benchmark is called 'speed'; there are quick"), (["--seeds", "0"], "1 seed")],
)
def test_wrong_arguments_are_refused(registry, capsys, arguments, message):
    with pytest.raises(SystemExit):
        benchmarks.main(arguments)
    assert message in capsys.readouterr().err and registry.short.seeds == []
