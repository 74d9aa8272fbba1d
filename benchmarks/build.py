"""`dvc repro` of the default experiment from nothing ÷ one import of the libraries that it trains with.

The imports are what any program of this kind pays at least once; the pipeline's stages are processes of their
own, and each pays for what it imports. About two minutes per pair on two cores.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.paired import Cost, cost, in_turn, parser, print_figure
from benchmarks.workspace import copy_project, environment

GOAL = 6.0
IMPORTS = "import torch, pytorch_lightning, mlflow"


def measure(pairs: int, stages: Sequence[str], imports: str = IMPORTS) -> None:
    """Compare builds in fresh workspaces with the reference; prints the figure.

    Args:
        pairs: how many runs of each.
        stages: builds only these and what they need; all if empty.
        imports: the reference's program.
    """
    with TemporaryDirectory(prefix="sprout-build-") as scratch:
        folder = Path(scratch)

        def reference() -> Cost:
            return cost([sys.executable, "-c", imports], folder, environment(folder))

        reference()  # brings the libraries from the disk into memory for both
        costs = in_turn(lambda: build(stages, folder), reference, pairs)
    print_figure("build", GOAL, *costs)


def build(stages: Sequence[str], parent: Path) -> Cost:
    """Build in a fresh copy of the project, with an empty DVC cache and an empty MLflow store."""
    with TemporaryDirectory(dir=parent) as scratch:
        project, env = Path(scratch, "project"), environment(Path(scratch, "dvc"))
        copy_project(project, env)
        return cost(["dvc", "repro", *stages], project, env)


if __name__ == "__main__":
    command_line = parser("build", __doc__, pairs=3)
    command_line.add_argument("stages", nargs="*", help="build only these and what they need (default: all)")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.stages)
