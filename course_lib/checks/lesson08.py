"""Checks of the exercises of lesson 08: the names of all, and what stands elsewhere."""

from __future__ import annotations

from course_lib.checks.lesson08_dirac import dirac_eigenvalues
from course_lib.checks.lesson08_iteration import power_iteration
from course_lib.checks.lesson08_margins import hinge, relativistic
from course_lib.checks.lesson08_pairs import critic, least_squares
from course_lib.checks.lesson08_slopes import gradient_penalty, r1_penalty
from course_lib.checks.lesson08_transport import wasserstein_1d

__all__ = [
    "critic",
    "dirac_eigenvalues",
    "gradient_penalty",
    "hinge",
    "least_squares",
    "power_iteration",
    "r1_penalty",
    "relativistic",
    "wasserstein_1d",
]
