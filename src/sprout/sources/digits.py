"""scikit-learn's handwritten digits, read from the file that comes with the package.

Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI, 1998.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from sprout.core.errors import UserError
from sprout.sources.raw import Raw, checksum

FILE = "digits.csv.gz"
SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"


def fetch(folder: Path) -> None:
    """Copy the file out of the installed package; importing scikit-learn for it would take seconds.

    Raises:
        UserError: the installed scikit-learn has another file there.
    """
    spec = find_spec("sklearn")
    root = Path((spec.submodule_search_locations or ["?"])[0]) if spec else Path("sklearn")
    path = root / "datasets" / "data" / FILE
    found = checksum(path) if path.is_file() else "no file"
    if found != SHA256:
        raise UserError(f"{path}: expected SHA-256 {SHA256}, found {found}; install the locked scikit-learn")
    shutil.copyfile(path, folder / FILE)


def read(folder: Path) -> Raw:
    """All 1,797 digits; grey levels 0..16 become 0..255."""
    table = np.loadtxt(folder / FILE, delimiter=",", dtype=np.int64)
    images = np.rint(table[:, :64] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    return Raw(
        images=images,
        labels=table[:, 64],
        official_test=np.zeros(len(table), bool),
        classes=[str(digit) for digit in range(10)],
        origin=[f"{FILE}:{line}" for line in range(1, len(table) + 1)],
    )
