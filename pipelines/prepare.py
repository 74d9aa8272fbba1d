"""Stage `prepare`: decodes and checks data/raw, or data/source, and writes one store per split to data/prepared.

What people have answered about images (`sprout label`) is in data/source, too.
"""

from pathlib import Path

from sprout.config.cluster import read_cluster
from sprout.config.download import DOWNLOADS
from sprout.config.prepare import Prepare
from sprout.config.workspace import choice, read_build, section
from sprout.data.manifest import verify
from sprout.data.prepare.answers import answers_file, read_answers
from sprout.data.prepare.prepare import prepare
from sprout.data.sources import read
from sprout.runtime.files import atomic_folder, kept_folder, scratch_folder
from sprout.runtime.stage import PARTS, SCRATCH, run_stage


def main() -> None:
    build, cluster, raw = read_build(), read_cluster(), Path("data/raw")
    verify(raw)
    source, settings = choice(build, "download", "source", DOWNLOADS), section(build, "prepare", Prepare)
    answers = read_answers(answers_file(source))
    with (
        atomic_folder(Path("data/prepared")) as folder,
        scratch_folder(SCRATCH) as scratch,
        kept_folder(cluster.shared(PARTS)) as parts,
        cluster.start().keeping() as engine,
    ):
        prepare(read(source, raw, scratch, engine), folder, parts, settings, engine, answers, cluster.objects())


if __name__ == "__main__":
    run_stage(main)
