"""`dvc repro` of the default experiment from scratch ÷ one import of the libraries that it trains with.

Any program of this kind has these imports at least once. Each stage of the pipeline is a process with its own imports.
A pair takes about two minutes on two cores.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.paired import Cost, alternate, cost, parser, print_ratio
from benchmarks.workspace import copy_project, environment

GOAL = 6.0
IMPORTS = "import torch, pytorch_lightning, mlflow"


def measure(pairs: int, stages: Sequence[str], imports: str = IMPORTS) -> None:
    """Compare builds in new workspaces with the reference, and print the result.

    Args:
        pairs: runs of each side.
        stages: the stages to build, with those they depend on; all if empty.
        imports: the program of the reference.
    """
    with TemporaryDirectory(prefix="sprout-build-") as scratch:
        folder = Path(scratch)

        def reference() -> Cost:
            return cost([sys.executable, "-c", imports], folder, environment(folder))

        reference()  # reads the libraries from disk into the page cache, for both
        costs = alternate(lambda: build(stages, folder), reference, pairs)
    print_ratio("build", GOAL, *costs)


def build(stages: Sequence[str], parent: Path) -> Cost:
    """Build in a new copy of the project, with an empty DVC cache and an empty MLflow store."""
    with TemporaryDirectory(dir=parent) as scratch:
        project, env = Path(scratch, "project"), environment(Path(scratch, "dvc"))
        copy_project(project, env)
        return cost(["dvc", "repro", *stages], project, env)


if __name__ == "__main__":
    command_line = parser("build", __doc__, pairs=3)
    command_line.add_argument("stages", nargs="*", help="build only these and their dependencies (default: all)")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.stages)
