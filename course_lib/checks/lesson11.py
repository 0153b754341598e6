"""Checks of the exercises of lesson 11: the names of all of them."""

from __future__ import annotations

from course_lib.checks.lesson11_augment import judge
from course_lib.checks.lesson11_averages import averaged, window_and_noise
from course_lib.checks.lesson11_clipping import clip_weights, clipped_step
from course_lib.checks.lesson11_cost import median_seconds, transposed_multiply_adds
from course_lib.checks.lesson11_rates import radius

__all__ = [
    "averaged",
    "clip_weights",
    "clipped_step",
    "judge",
    "median_seconds",
    "radius",
    "transposed_multiply_adds",
    "window_and_noise",
]
