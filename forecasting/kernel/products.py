"""Products of float32 rows with weights, in the layout that makes them fast and independent of the batch.

A batch of one is multiplied as two rows, because BLAS takes another path for a single row and its last bits then
differ. Shapes: M members, B rows, K inputs, L outputs.
"""

import math

import numpy as np

LINE = 16  # float32 values in a line of the processor's cache
Weights = dict[str, np.ndarray]


def matmul(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(…, B, K) @ (…, K, L), a lone row padded to two."""
    if x.shape[-2] == 1:
        return (np.concatenate([x, x], -2) @ weight)[..., :1, :]
    product: np.ndarray = x @ weight
    return product


def laid_out(weight: np.ndarray) -> np.ndarray:
    """(…, K, L) with columns of zeros up to a multiple of 16: without them BLAS takes other paths for larger batches.

    Each row begins at a line of the cache, which makes products of a few rows a third faster, and one line after the
    end of the row before. Rows a power of two apart would evict one another from the cache, which costs a tenth of the
    time of large products.
    """
    *outer, inputs, outputs = weight.shape
    columns = outputs + -outputs % LINE
    raw = np.zeros(math.prod(outer) * inputs * (columns + LINE) + LINE, np.float32)
    begin = -raw.ctypes.data % (4 * LINE) // 4
    rows = raw[begin : len(raw) - LINE + begin].reshape(*outer, inputs, columns + LINE)
    rows[..., :outputs] = weight
    return rows[..., :columns]


class Product:
    """Multiplies rows by one weight, laid out once."""

    def __init__(self, weight: np.ndarray) -> None:
        """`weight` (M, K, L) float32."""
        self._weight, self._outputs = laid_out(weight), weight.shape[-1]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x (…, B, K) -> (M, B, L): a view, without the columns that only fill a line."""
        return matmul(x, self._weight)[..., : self._outputs]
