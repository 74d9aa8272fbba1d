"""An epoch of the network of the experiment fer2013 on augmented faces ÷ the same in Keras, with its image generator.

    python3 -m venv /tmp/keras && /tmp/keras/bin/python -m pip install keras tensorflow scipy
    python -m benchmarks.keras_faces --keras /tmp/keras/bin/python

28,000 random grey images of 48 × 48 pixels, sheared, zoomed and mirrored, in batches of 50, then 3,500 for validation.
Both have the same network, optimizer and learning rate. Keras has an environment of its own, and its default threads.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.paired import Cost, alternate, parser, positive, print_ratio, timed
from benchmarks.training import compose, make_training, random_data, run_epoch
from sprout.runtime.run_context import log_nothing

GOAL = 0.75
SIDE, CLASSES, BATCH, LR = 48, 10, 50, 0.001
MOVES = ("flip=0.5", "shear=11.5", "zoom=0.2")
KERAS = f"""
import json, os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import keras
from keras import layers
from keras.src.legacy.preprocessing.image import ImageDataGenerator

train, val = (int(word) for word in sys.argv[1:])
draw = np.random.default_rng(0)
x = draw.integers(0, 256, (train + val, {SIDE}, {SIDE}, 1)).astype("float32")
y = draw.integers(0, {CLASSES}, train + val)
network = keras.Sequential([
    keras.Input(({SIDE}, {SIDE}, 1)),
    layers.Conv2D(30, 5, padding="same", activation="relu"), layers.MaxPooling2D(), layers.Dropout(0.1),
    layers.Conv2D(15, 3, padding="same", activation="relu"), layers.MaxPooling2D(), layers.Dropout(0.2),
    layers.Flatten(), layers.Dense(100, activation="relu"), layers.Dense(50, activation="relu"),
    layers.Dense({CLASSES}, activation="softmax"),
])
network.compile(optimizer=keras.optimizers.Adam({LR}), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
augmented = ImageDataGenerator(rescale=1 / 255, shear_range=11.5, zoom_range=0.2, horizontal_flip=True)
batches = augmented.flow(x[:train], y[:train], batch_size={BATCH}, seed=0)
known = x[train:] / 255, y[train:]
for line in sys.stdin:
    wall, cpu = time.perf_counter(), time.process_time()
    network.fit(batches, epochs=1, validation_data=known, verbose=0)
    print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]), flush=True)
"""


def measure(pairs: int, images: int, keras: str) -> None:
    """Compare epochs, and print the result.

    Args:
        pairs: epochs of each side.
        images: training images; an eighth of this number are for validation.
        keras: a Python that can import Keras.
    """
    val = images // 8
    moves = [f"train.transforms.{move}" for move in MOVES]
    build = compose("model=cnn_faces", f"train.batch_size={BATCH}", f"train.lr={LR}", "train.epochs=1000", *moves)
    with TemporaryDirectory(prefix="sprout-keras-") as scratch, reference(keras, images, val) as run_reference:
        data = random_data(Path(scratch), images, val, shape=(SIDE, SIDE, 1))
        ours = make_training(data, build, Path(scratch, "checkpoints"), log_nothing)
        run_epoch(ours)  # warm-up
        costs = alternate(lambda: timed(lambda: run_epoch(ours)), run_reference, pairs)
    print_ratio("keras_faces", GOAL, *costs)


@contextmanager
def reference(keras: str, train: int, val: int) -> Iterator["Reference"]:
    """Start Keras in a process of its own, run its first epoch, and end it afterwards."""
    pipe = subprocess.PIPE
    words = [keras, "-c", KERAS, str(train), str(val)]
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        run = Reference(process)
        run()  # warm-up
        yield run
        process.communicate()


class Reference:
    """Keras in another process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Take the process."""
        self.process = process

    def __call__(self) -> Cost:
        """Run an epoch.

        Raises:
            RuntimeError: the process has ended.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("Keras has ended; does this Python import keras, tensorflow and scipy?")
        return Cost(*json.loads(answer))


if __name__ == "__main__":
    command_line = parser("keras_faces", __doc__, pairs=6)
    command_line.add_argument("--keras", metavar="PYTHON", required=True, help="a Python that can import Keras")
    command_line.add_argument("--images", type=positive, default=28_000, help="training images (default: %(default)s)")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.images, arguments.keras)
