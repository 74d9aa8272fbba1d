"""`dvc add`, `push` and `checkout` of a prepared store ÷ the same for its images as single files."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.open_store import write
from benchmarks.paired import Cost, alternate, cost, parser, positive, print_ratio
from benchmarks.workspace import commit, environment
from sprout.data.store import open_store

GOAL = 0.2


def measure(pairs: int, images: int) -> None:
    """Write the images in both formats, compare, and print the result."""
    with TemporaryDirectory(prefix="sprout-dvc-files-") as scratch:
        store, singles = Path(scratch, "store"), Path(scratch, "singles")
        write(store, images)
        write_singles(store, singles)
        rounds = iter(range(2 * pairs))
        costs = alternate(
            lambda: add_push_checkout(store, Path(scratch, f"round-{next(rounds)}")),
            lambda: add_push_checkout(singles, Path(scratch, f"round-{next(rounds)}")),
            pairs,
        )
    print_ratio("dvc_files", GOAL, *costs)


def write_singles(store: Path, folder: Path) -> None:
    """Write one PNG file for each image of the store."""
    from PIL import Image

    folder.mkdir()
    images = open_store(store).shard(0)
    for row, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{row:06}.png")


def add_push_checkout(data: Path, project: Path) -> Cost:
    """Add the folder to a new project, push it to a local remote, delete it, and check it out again."""
    env = environment(project.with_name(f"{project.name}-dvc"))
    shutil.copytree(data, project / "data")
    set_up(project, env)
    costs = [cost(["dvc", *words.split()], project, env) for words in ("add --quiet data", "push --quiet")]
    shutil.rmtree(project / "data")
    costs = [*costs, cost(["dvc", "checkout", "--quiet"], project, env)]
    assert len(list((project / "data").iterdir())) == len(list(data.iterdir()))
    for folder in (project, project.with_name(f"{project.name}-dvc"), remote(project)):
        shutil.rmtree(folder)
    return Cost(sum(one.wall for one in costs), sum(one.cpu for one in costs))


def set_up(project: Path, env: Mapping[str, str]) -> None:
    """Make an empty DVC project with a folder as its remote."""
    (project / ".gitignore").write_text("/data\n")
    commit(project, env)
    cost(["dvc", "init", "--quiet"], project, env)
    cost(["dvc", "remote", "add", "--quiet", "--default", "local", str(remote(project))], project, env)


def remote(project: Path) -> Path:
    """Return the folder that the project pushes to."""
    return project.with_name(f"{project.name}-remote")


if __name__ == "__main__":
    command_line = parser("dvc_files", __doc__, pairs=3)
    command_line.add_argument("--images", type=positive, default=50_000, help="in each format (default: %(default)s)")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.images)
