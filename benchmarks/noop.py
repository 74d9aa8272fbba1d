"""`dvc repro` with no stage to run ÷ `dvc status` of a pipeline of one stage.

The reference is close to the minimum that `dvc` does with a pipeline: start, read one stage, compare two files.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.paired import alternate, cost, parser, print_ratio
from benchmarks.workspace import commit, copy_project, environment

GOAL = 1.6
ONE_STAGE = """\
stages:
  copy:
    cmd: cp a b
    deps: [a]
    outs: [b]
"""


def measure(pairs: int, stages: Sequence[str]) -> None:
    """Build the project once, compare, and print the result.

    Args:
        pairs: runs of each side.
        stages: the stages to build, with those they depend on; all if empty.
    """
    with TemporaryDirectory(prefix="sprout-noop-") as scratch:
        env = environment(Path(scratch, "dvc"))
        project, small = Path(scratch, "project"), Path(scratch, "small")
        copy_project(project, env)
        make_one_stage(small, env)
        repro, status = ["dvc", "repro", *stages], ["dvc", "status"]
        for command, folder in (
            (repro, project),
            (["dvc", "repro"], small),
            (repro, project),
            (status, small),
        ):
            cost(command, folder, env)  # build, then a warm-up with no stage to run
        costs = alternate(lambda: cost(repro, project, env), lambda: cost(status, small, env), pairs)
    print_ratio("noop", GOAL, *costs)


def make_one_stage(folder: Path, env: Mapping[str, str]) -> None:
    """Write a DVC project with one stage that copies a file of a few bytes."""
    folder.mkdir()
    (folder / "dvc.yaml").write_text(ONE_STAGE)
    (folder / "a").write_text("a few bytes\n")
    commit(folder, env)
    cost(["dvc", "init", "--quiet"], folder, env)


if __name__ == "__main__":
    command_line = parser("noop", __doc__, pairs=10)
    command_line.add_argument("stages", nargs="*", help="build only these and their dependencies (default: all)")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.stages)
