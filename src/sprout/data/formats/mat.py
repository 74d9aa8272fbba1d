"""Arrays in files of MATLAB up to version 7.2, read by scipy."""

from pathlib import Path

import numpy as np

from sprout.data.listing import Array
from sprout.runtime.errors import UserError, one_line

NUMBERS = {"double", "single", "logical", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
"""MATLAB's classes of arrays that are read."""


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the arrays of numbers in a file.

    Raises:
        UserError: it is not such a file, or one of version 7.3, which is HDF5.
    """
    from scipy.io import whosmat

    try:
        return {name: shape for name, shape, kind in whosmat(path) if kind in NUMBERS}
    except NotImplementedError:
        raise UserError(f"{path}: of MATLAB 7.3, which is not read; save it with '-v7', or by numpy.savez") from None
    except Exception as error:  # a damaged file makes scipy raise nearly every type
        raise UserError(f"{path}: not a MATLAB file ({one_line(error)}); save it again") from None


def mat_names(path: Path) -> list[str]:
    """Return the names of the arrays of numbers in a file; errors as for `shapes`."""
    return list(shapes(path))


def mat_shape(path: Path, key: str, name: str) -> tuple[int, ...]:
    """Return the shape of an array; arguments and errors as for `open_mat`."""
    return shapes(path)[checked_key(path, key, name)]


def open_mat(path: Path, key: str, name: str) -> Array:
    """Read an array; a row (1, N) becomes (N,).

    Args:
        path: the file.
        key: of the array; "" stands for the only one.
        name: the array in messages.

    Raises:
        UserError: there is no such array, or the file is damaged.
    """
    from scipy.io import loadmat

    key = checked_key(path, key, name)
    try:
        array = np.asarray(loadmat(path, variable_names=[key])[key])
    except Exception as error:  # a damaged file makes scipy raise nearly every type
        raise UserError(f"{name}: damaged ({one_line(error)}); save it again") from None
    return array[0] if array.ndim == 2 and len(array) == 1 else array


def checked_key(path: Path, key: str, name: str) -> str:
    """Return the key of an array, or that of the only one.

    Raises:
        UserError: there is no such array.
    """
    known = mat_names(path)
    if not key and len(known) == 1:
        return known[0]
    if key not in known:
        raise UserError(
            f"{name}: no such array; there are: {', '.join(map(repr, known)) or 'none'}; write FILE.mat:KEY"
        )
    return key
