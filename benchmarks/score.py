"""Scoring the unlabelled pool (calibrated probabilities, selection, tables written) ÷ one plain forward pass over it.

The pool is of grey images of 28 × 28 pixels, the network a CNN of three layers, as in the stage `pseudo_label`. The
reference normalises the same images in batches of the same size and keeps the outputs.
"""

import io
from contextlib import chdir, redirect_stderr
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.paired import alternate, parser, positive, print_ratio, timed
from benchmarks.training import CLASSES, MEAN, STD, card_of, compose, random_data
from sprout.config.cluster import Local
from sprout.config.model import MODELS
from sprout.config.pseudo_label import Threshold
from sprout.config.workspace import choice
from sprout.data.foreign import Foreign
from sprout.data.store import open_store
from sprout.engine.initial import initial_network
from sprout.engine.tracked import PREPARED
from sprout.models.card import save_model
from sprout.models.predictor import BATCH, use_threads
from sprout.runtime.files import atomic_folder
from sprout.selftraining.round_files import write_rounds
from sprout.selftraining.rounds import run_round

GOAL = 1.10
THREADS = 2
CONFIDENCE = 0.1
"""The confidence from which predictions of ten classes are accepted: all of them."""


def measure(pairs: int, images: int) -> None:
    """Score so many images, and print the result."""
    build = compose("model=cnn")
    with TemporaryDirectory(prefix="sprout-score-") as scratch, chdir(scratch):
        data, teacher = random_data(PREPARED, 100, 1, pool=images), Path("models/teacher")
        use_threads(THREADS)
        card = card_of(data, choice(build, "model", "name", MODELS))
        network = initial_network(card, CLASSES, None, keep_head=False).eval()
        teacher.mkdir(parents=True)
        save_model(teacher, network.state_dict(), card)
        pool, config = open_store(PREPARED / "unlabelled"), Threshold("keep", 1, None, "none", "threshold", CONFIDENCE)

        def score() -> None:
            """Run one round and write what it has found, as the stage does."""
            with atomic_folder(Path("data/pseudo_labels")) as folder, redirect_stderr(io.StringIO()):
                rounds = [run_round(1, teacher, config, data.train, Foreign(), Local("local", None))]
                write_rounds(folder, rounds)

        @torch.inference_mode()
        def forward() -> None:
            """Pass all images through the network."""
            for start in range(0, images, BATCH):
                pixels = torch.from_numpy(np.array(pool.shard(0)[start : start + BATCH])).permute(0, 3, 1, 2)
                network(pixels.float().div_(255).sub_(MEAN).div_(STD)).numpy()

        score()
        forward()
        costs = alternate(lambda: timed(score), lambda: timed(forward), pairs)
    print_ratio("score", GOAL, *costs)


if __name__ == "__main__":
    command_line = parser("score", __doc__, pairs=10)
    command_line.add_argument("--images", type=positive, default=50_000, help="in the pool (default: %(default)s)")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.images)
