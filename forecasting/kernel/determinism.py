"""Whether states are equal bit for bit on this machine: only if a row's product does not depend on its batch."""

from functools import cache

import numpy as np

from forecasting.kernel.products import laid_out, matmul

BATCHES = (1, 2, 3, 5, 8, 17, 32, 63, 128, 400)
SHAPES = ((27, 8), (128, 33), (171, 128), (300, 600), (256, 512))  # (inputs, outputs): small, odd, and usual


@cache
def rows_are_independent() -> bool:
    """Whether products of the same row have the same bits at any place of any batch, with the kernels that BLAS chose.

    If so, a state that is folded again, in any batch, equals the rolled one bit for bit; otherwise the two agree within
    1e-5 in scaled units.
    """
    draw = np.random.default_rng(0)
    for inputs, outputs in SHAPES:
        x = draw.normal(size=(max(BATCHES), inputs)).astype(np.float32)
        weight = laid_out(draw.normal(size=(inputs, outputs)).astype(np.float32))
        whole = matmul(x, weight)
        for batch in BATCHES:
            for first in (0, 1, max(BATCHES) // 2, max(BATCHES) - batch):
                rows = slice(first, min(first + batch, len(x)))
                if not np.array_equal(matmul(np.ascontiguousarray(x[rows]), weight), whole[rows]):
                    return False
    return True
