"""Random convolutions that torch accepts."""

import torch
from hypothesis import assume
from hypothesis import strategies as st


@st.composite
def cases(draw):
    """Sizes of a convolution that torch accepts, with a seed for its numbers."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    case = {
        "stride": draw(st.integers(1, 3)),
        "padding": draw(st.integers(0, 3)),
        "dilation": draw(st.integers(1, 3)),
        "groups": groups,
    }
    size = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    kernel = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    for side, length in zip(size, kernel, strict=True):
        assume(side + 2 * case["padding"] > case["dilation"] * (length - 1))
    inputs, outputs = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    random = torch.Generator().manual_seed(draw(st.integers(0, 999)))

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=random)

    x = numbers(draw(st.integers(1, 2)), inputs, *size)
    bias = numbers(outputs) if draw(st.booleans()) else None
    return x, numbers(outputs, inputs // groups, *kernel), bias, case
