"""`dvc repro` with nothing to do ÷ `dvc status` of a pipeline of one stage.

The reference is about the least that `dvc` does with a pipeline: start, read one stage, compare two files.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.paired import cost, in_turn, parser, print_figure
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
    """Build the project once, then compare; prints the figure.

    Args:
        pairs: how many runs of each.
        stages: builds only these and what they need; all if empty.
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
            cost(command, folder, env)  # built, then a first time without work
        costs = in_turn(lambda: cost(repro, project, env), lambda: cost(status, small, env), pairs)
    print_figure("noop", GOAL, *costs)


def make_one_stage(folder: Path, env: Mapping[str, str]) -> None:
    """Write a DVC project with one stage that copies a file of a few bytes."""
    folder.mkdir()
    (folder / "dvc.yaml").write_text(ONE_STAGE)
    (folder / "a").write_text("a few bytes\n")
    commit(folder, env)
    cost(["dvc", "init", "--quiet"], folder, env)


if __name__ == "__main__":
    command_line = parser("noop", __doc__, pairs=10)
    command_line.add_argument("stages", nargs="*", help="build only these and what they need (default: all)")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.stages)
