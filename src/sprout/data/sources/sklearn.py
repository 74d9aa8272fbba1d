"""Source `sklearn`: the data sets that come with scikit-learn, read from the package's files without importing it.

scikit-learn's user guide describes them under "Toy datasets". `linnerud` is left out, as it has three targets.
"""

import csv
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.config.download import Sklearn
from sprout.data.listing import Listing
from sprout.data.manifest import checksum
from sprout.runtime.errors import UserError

FILES = {
    "digits": {"digits.csv.gz": "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"},
    "iris": {"iris.csv": "f13ffa8fdd56fd8e6c8d16d4081a3fbd3114bcd0aae4256c43205169cd9d1449"},
    "wine": {"wine_data.csv": "10e8a802908b34f86e5da8ce962f3c806694bc98450a18f61851af59f324bede"},
    "breast_cancer": {"breast_cancer.csv": "fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed"},
    "diabetes": {
        "diabetes_data_raw.csv.gz": "7fc0ded571454b1982210d3bb43f0aca44eae01a0b8654a3b24022bdb6b38009",
        "diabetes_target.csv.gz": "8e53f65eb811df43c206f3534bb3af0e5fed213bc37ed6ba36310157d6023803",
    },
}
"""Data set → its files → their SHA-256."""

CELL = [
    *("radius", "texture", "perimeter", "area", "smoothness"),
    *("compactness", "concavity", "concave points", "symmetry", "fractal dimension"),
]
"""Measurements of `breast_cancer`; mean, standard error and worst value of each are its features."""

FEATURES = {
    "iris": ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"],
    "wine": [
        *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids"),
        *("nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines"),
        "proline",
    ],
    "breast_cancer": [f"mean {m}" for m in CELL] + [f"{m} error" for m in CELL] + [f"worst {m}" for m in CELL],
    "diabetes": ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"],
}
"""Names of the features in scikit-learn; the files do not contain them."""


def fetch(settings: Sklearn, folder: Path, _partial: Path) -> None:
    """Copy the files out of the installed package, as importing scikit-learn would take seconds.

    Raises:
        UserError: the installed scikit-learn has other files.
    """
    spec = find_spec("sklearn")
    root = Path((spec.submodule_search_locations or ["?"])[0]) if spec else Path("sklearn")
    sums = {root / "datasets" / "data" / file: expected for file, expected in FILES[settings.name].items()}
    for path, expected in sums.items():
        found = checksum(path) if path.is_file() else "no file"
        if found != expected:
            raise UserError(f"{path}: expected SHA-256 {expected}, found {found}; install the locked scikit-learn")
    for path in sums:
        shutil.copyfile(path, folder / path.name)


def read(settings: Sklearn, folder: Path, _scratch: Path) -> Listing:
    """Read the files that `fetch` has copied: `digits` as images, the others as tables."""
    paths = [folder / file for file in FILES[settings.name]]
    if settings.name == "digits":
        return read_digits(paths[0])
    if settings.name == "diabetes":
        return read_diabetes(paths[0], paths[1])
    return read_classes(paths[0], FEATURES[settings.name])


def read_digits(path: Path) -> Listing:
    """Read 1,797 handwritten digits, (N, 8, 8, 1) uint8; grey levels 0..16 become 0..255.

    Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI, 1998.
    """
    table = np.loadtxt(path, delimiter=",", dtype=np.int64)
    return Listing(
        examples=np.rint(table[:, :64] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1),
        origin=lines(path, 1, len(table)),
        label=pa.array([str(digit) for digit in table[:, 64].tolist()], pa.string()),
        classes=[str(digit) for digit in range(10)],
    )


def read_classes(path: Path, features: list[str]) -> Listing:
    """Read a table whose first line has the numbers of rows and features, and the class names."""
    with path.open(newline="", encoding="utf-8") as file:
        (_, _, *classes), *rows = csv.reader(file)
    return Listing(
        examples=np.array([row[:-1] for row in rows], np.float32),
        origin=lines(path, 2, len(rows)),
        label=pa.array([classes[int(row[-1])] for row in rows], pa.string()),
        classes=classes,
        features=features,
    )


def read_diabetes(data: Path, target: Path) -> Listing:
    """Read the measurements before scaling: `load_diabetes(scaled=False)`.

    scikit-learn's default is scaled by all rows, and would leak the test split into training.
    """
    examples = np.loadtxt(data, dtype=np.float32)
    return Listing(
        examples=examples,
        origin=lines(data, 1, len(examples)),
        value=pa.array(np.loadtxt(target), pa.float64()),
        features=FEATURES["diabetes"],
    )


def lines(path: Path, first: int, count: int) -> pa.Array:
    """Return the origins `FILE:LINE` of `count` lines from `first`."""
    return pa.array([f"{path.name}:{number}" for number in range(first, first + count)], pa.string())
