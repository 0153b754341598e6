"""The loop of steps and records, with a clock that advances by one second a look."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import torch

from course_lib import record_loop


def test_records_hold_means_and_the_seconds_of_steps_alone(monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr(record_loop.time, "perf_counter", lambda: float(next(clock)))
    state = SimpleNamespace(
        recipe=SimpleNamespace(steps=5, batch=4), step=0, seconds=10.0, history=[]
    )
    prepared = []

    def step() -> dict[str, torch.Tensor]:
        return {"loss": torch.tensor(float(state.step))}

    found = []
    for record in record_loop.recorded(state, 2, step, lambda: prepared.append(state.step)):
        found.append((record.step, record.images, record.seconds, record.rate, record.losses))
        next(clock)  # a look in between costs time that is not training's
    assert found == [
        (2, 8, 11.0, 8.0, {"loss": 0.5}),
        (4, 16, 12.0, 8.0, {"loss": 2.5}),
        (5, 20, 13.0, 4.0, {"loss": 4.0}),
    ]
    assert state.seconds == 13.0 and len(state.history) == 3 and prepared == [0, 2, 4, 5]
