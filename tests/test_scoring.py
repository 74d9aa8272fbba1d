"""Scores of whole splits, range by range; the selection and the tables are those of the probabilities as one matrix."""

import tracemalloc
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handmade import model, save
from sprout.config.cluster import Local
from sprout.config.pseudo_label import Curriculum, Selection, Threshold
from sprout.data.dataset import Examples
from sprout.data.description import write_description
from sprout.data.foreign import Foreign
from sprout.data.store import Array, Store, label_table, open_store, read_labels, write_labels
from sprout.data.store_writer import write_store
from sprout.evaluate import ranges as ranges_module
from sprout.evaluate.ranges import Model, compute_ranges, ranges
from sprout.models import predictor as predictors
from sprout.models.predictor import Predictor, load_predictor
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.process_pool import in_processes
from sprout.runtime.stage import SCRATCH
from sprout.selftraining import scoring
from sprout.selftraining.round_files import PREDICTIONS, write_rounds
from sprout.selftraining.rounds import run_round, wanted_shares
from sprout.selftraining.scoring import Scores, align, joined, score, score_range
from sprout.selftraining.selection import class_scales, lowest, places_in_class, scaled, select

CLASSES, FEATURES = 300, 4
BATCH, ROWS = 50, 4030
"""The last of six ranges is a single batch, which is not full."""
TEACHER, PREPARED = Path("models/teacher"), Path("data/prepared")
SELECTIONS: list[Any] = [
    *(("threshold", each) for each in (0.0, 0.3, 0.99)),
    *(("curriculum", each) for each in (0.3, 1.0)),
]


def config_of(kind: str, value: float, per_class: int | None, alignment: Any = "none") -> Selection:
    if kind == "threshold":
        return Threshold("keep", 3, per_class, alignment, "threshold", value)
    return Curriculum("keep", 3, per_class, alignment, "curriculum", value)


def write_rows_of_table(folder: Path, n: int, classes: int = CLASSES, *, known: bool = False) -> Store:
    """Rows of a table; two of each, so that there are equal confidences."""
    rows = np.arange(n)
    features = np.random.default_rng(n).normal(0, 3, (n, FEATURES)).astype(np.float32)[rows // 2]
    labels = rows % classes if known else [None] * n
    table = label_table(rows, labels, source="given", group=rows, origin=[f"{folder.name}:{row}" for row in rows])
    write_store(folder, features, table)
    return open_store(folder)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictors, "BATCH", BATCH)


@pytest.fixture
def predictor(tmp_path: Path, small_batches: None) -> Predictor:
    made = model("classify", (FEATURES,), classes=[f"c{i}" for i in range(CLASSES)], temperature=0.15)
    return load_predictor(save(tmp_path / TEACHER, made))


@pytest.fixture
def workspace(tmp_path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prepared data and a teacher."""
    monkeypatch.chdir(tmp_path)
    write_prepared(predictor.classes, train=700, val=330, unlabelled=ROWS)
    return tmp_path


def write_prepared(classes: list[str], **sizes: int) -> None:
    """Prepared data of these splits."""
    for name, size in sizes.items():
        write_rows_of_table(PREPARED / name, size, len(classes), known=name != "unlabelled")
    figures = {"mean": [0.3], "std": [0.2], "min": None, "max": None, "features": None, "target": "class"}
    write_description(PREPARED, classes, {**figures, "folds": None, "levels": None, "page": 0, "columns": None})


def matrix(predictor: Predictor, store: Store) -> Array:
    """The probabilities of a whole store: (N, K)."""
    return predictor.task.predictions(predictor.outputs_of(store, "all"), predictor.card)


def reference_select(probabilities: Array, config: Selection, number: int) -> tuple[Array, Array]:
    """The selection of before, from the whole matrix."""
    confidence, predicted = probabilities.max(axis=1, initial=0), probabilities.argmax(axis=1)
    places, classes = places_in_class(predicted, confidence), probabilities.shape[1]
    match config:
        case Threshold():
            least = config.threshold
            reached = confidence >= least
        case Curriculum():
            counts = np.bincount(predicted, minlength=classes)
            wanted = np.ceil(counts * (config.share * number / config.rounds) - 1e-6)
            least = 0.0
            reached = places < wanted[predicted]
    accepted = reached if config.per_class is None else reached & (places < config.per_class)
    cut = np.bincount(predicted[~accepted & (confidence >= least)], minlength=classes) > 0
    thresholds = np.where(cut, lowest(predicted[accepted], confidence[accepted], classes), least)
    return np.flatnonzero(accepted), thresholds.astype(probabilities.dtype)


def reference_predictions(split: str, found: Array, thresholds: Array, accepted: Array | None = None) -> pa.Table:
    """The rows of `predictions.parquet` of before, from the whole matrix."""
    count, predicted, confidence = len(found), found.argmax(axis=1), found.max(axis=1, initial=0)
    reached = confidence >= thresholds[predicted] if accepted is None else np.isin(np.arange(count), accepted)
    names = (pa.repeat(pa.scalar(text), count) for text in ("teacher", split))
    columns = (*names, np.arange(count), predicted, confidence, thresholds[predicted], reached)
    return pa.table(list(columns), names=list(PREDICTIONS)).cast(pa.schema(PREDICTIONS))


def write_reference(folder: Path, of_pool: Array, of_val: Array, config: Selection) -> None:
    """Write both tables as they were before."""
    rows, thresholds = reference_select(of_pool, config, 1)
    pool, chosen = read_labels(PREPARED / "unlabelled"), of_pool[rows]
    labels = label_table(
        rows,
        chosen.argmax(axis=1),
        source="pseudo",
        confidence=chosen.max(axis=1),
        round_=1,
        group=pool["group"].to_numpy()[rows],
        origin=pool["origin"].take(rows).combine_chunks(),
    )
    write_labels(folder, labels)
    of_both = [
        reference_predictions("unlabelled", of_pool, thresholds, rows),
        reference_predictions("val", of_val, thresholds),
    ]
    tables = [pa.schema(PREDICTIONS).empty_table(), *of_both]
    pq.write_table(pa.concat_tables(tables), folder / "predictions.parquet", compression="zstd")


def label(config: Selection, folder: str = "ours") -> dict[str, bytes]:
    """Run a round, and write what it has found; return the files."""
    Path(folder).mkdir()
    examples = Examples.open(str(PREPARED / "train"))
    write_rounds(Path(folder), [run_round(1, TEACHER, config, examples, Foreign(), Local("local", None))])
    return files(Path(folder))


def scored(predictor: Predictor, store: Store, kept: Path | None = None) -> Scores:
    return score(Model(predictor, TEACHER), store, LocalProcesses(), "score", kept)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_equal(found: Scores, other: Scores) -> None:
    for one, same in zip(found, other, strict=True):
        assert one.dtype == same.dtype
        np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize("rows", [0, 1, BATCH - 1, BATCH, ROWS])
def test_scores_are_those_of_the_whole_matrix(tmp_path: Path, predictor: Predictor, rows: int) -> None:
    store = write_rows_of_table(tmp_path / "store", rows)
    found, expected = scored(predictor, store), matrix(predictor, store)
    np.testing.assert_array_equal(found.predicted, expected.argmax(axis=1))
    np.testing.assert_array_equal(found.confidence, expected.max(axis=1, initial=0))
    assert (found.predicted.dtype, found.confidence.dtype) == (np.uint16, np.float32)
    assert (found.total.shape, found.total.dtype) == ((CLASSES,), np.float64)
    assert found.total == pytest.approx(expected.sum(axis=0, dtype=np.float64), rel=1e-12)


@pytest.mark.parametrize(("classes", "kind"), [(2, np.uint8), (256, np.uint8), (257, np.uint16)])
def test_classes_take_the_smallest_integers(tmp_path: Path, classes: int, kind: Any) -> None:
    made = model("classify", (FEATURES,), classes=[f"c{i}" for i in range(classes)])
    for rows in (0, 10):
        assert scored(made, write_rows_of_table(tmp_path / str(rows), rows)).predicted.dtype == kind


def test_other_processes_score_the_same_from_folders(tmp_path: Path) -> None:
    """Each range for itself, in other processes: the same bits as in one pass, the sums and kept files included."""
    folder, classes = tmp_path / "model", [f"c{i}" for i in range(5)]
    made, store = load_predictor(save(folder, model("classify", (FEATURES,), classes=classes))), tmp_path / "store"
    expected = scored(made, write_rows_of_table(store, 40_001), tmp_path / "ours")
    parts = ranges(40_001, predictors.BATCH)
    assert len(parts) == 3
    (tmp_path / "theirs").mkdir()
    compute = partial(score_range, kept=tmp_path / "theirs")
    tasks = (partial(compute_ranges, compute, folder, store, each) for each in (parts[:2], parts[2:]))
    assert_equal(joined((part for found in in_processes(tasks, 2) for part in found), 5), expected)
    assert files(tmp_path / "theirs") == files(tmp_path / "ours")


def test_the_size_of_the_ranges_changes_no_label(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of("threshold", 0.3, 20)
    expected = label(config)
    assert 100 < read_labels(Path("ours")).num_rows < ROWS / 2
    monkeypatch.setattr(ranges_module, "BATCHES", 3)
    assert label(config, "others") == expected


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize(("per_class", "number"), [(None, 1), (None, 2), (3, 3), (40, 3)])
def test_the_selection_is_that_of_the_whole_matrix(selection: Any, per_class: int | None, number: int) -> None:
    generator, config = np.random.default_rng(0), config_of(*selection, per_class)
    for rows, classes in product((0, 1, 2000), (2, 7)):
        found = generator.dirichlet(np.ones(classes), rows).round(2).astype(np.float32)  # with equal confidences
        predicted = found.argmax(axis=1).astype(np.uint8)
        ours = select(predicted, found.max(axis=1, initial=0), classes, config, number)
        expected, thresholds = reference_select(found, config, number)
        np.testing.assert_array_equal(ours.rows, expected)
        np.testing.assert_array_equal(ours.thresholds, thresholds)
        assert ours.thresholds.dtype == np.float32


@pytest.mark.parametrize("per_class", [None, 5])
@pytest.mark.parametrize("selection", SELECTIONS)
def test_the_tables_are_those_of_the_whole_matrix(
    workspace: Path, predictor: Predictor, selection: Any, per_class: int | None
) -> None:
    config = config_of(*selection, per_class)
    found = label(config)
    of_pool, of_val = (matrix(predictor, open_store(PREPARED / each)) for each in ("unlabelled", "val"))
    write_reference(Path("theirs"), of_pool, of_val, config)
    assert found.items() >= files(Path("theirs")).items()
    assert found.keys() - files(Path("theirs")).keys() == {"rounds.csv", "foreign.parquet", "foreign.json"}


@pytest.mark.parametrize("alignment", ["uniform", "labels"])
@pytest.mark.parametrize("selection", SELECTIONS)
def test_aligned_tables_are_those_of_the_whole_matrix(
    workspace: Path, predictor: Predictor, selection: Any, alignment: Any
) -> None:
    config = config_of(*selection, 5, alignment)
    found = label(config)
    assert not SCRATCH.exists()
    wanted = wanted_shares(config, Examples.open(str(PREPARED / "train")), CLASSES)
    of_pool, of_val = (matrix(predictor, open_store(PREPARED / each)) for each in ("unlabelled", "val"))
    scales = class_scales(scored(predictor, open_store(PREPARED / "unlabelled")).total, ROWS, wanted)
    assert scales == pytest.approx(wanted / of_pool.mean(axis=0), rel=1e-4)
    write_reference(Path("theirs"), scaled(of_pool, scales), scaled(of_val, scales), config)
    assert found.items() >= files(Path("theirs")).items()


def test_nothing_is_kept_without_alignment(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "written", partial(pytest.fail, "writes probabilities"))
    label(config_of("threshold", 0.3, None))


@pytest.mark.parametrize("rows", [0, BATCH - 1])
def test_a_pool_without_a_full_batch_is_aligned(workspace: Path, rows: int) -> None:
    write_rows_of_table(PREPARED / "unlabelled", rows)
    label(config_of("threshold", 0.0, None, "uniform"))
    assert read_labels(Path("ours")).num_rows == rows


def test_a_killed_round_leaves_nothing_that_the_next_one_keeps(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of("threshold", 0.3, None, "uniform")
    expected = label(config)

    def interrupted(kept: Path, scales: Array) -> Scores:
        assert len([*SCRATCH.rglob("0*")]) == 7  # six ranges of the pool, and val
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "align_range", interrupted)
        with pytest.raises(KeyboardInterrupt):
            label(config, "interrupted")
    assert not SCRATCH.exists()
    (SCRATCH / "unlabelled").mkdir(parents=True)  # as a round leaves it that was killed
    (SCRATCH / "unlabelled/000000999999").write_bytes(bytes(4 * CLASSES))
    assert label(config, "again") == expected
    assert not SCRATCH.exists()


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_memory_holds_no_probabilities_of_the_pool(tmp_path: Path, traced: None) -> None:
    """They would take 80 MB; a batch of them, with what softmax makes of it, takes less than 40."""
    wide = model("classify", (FEATURES,), classes=[f"c{i}" for i in range(1000)])
    store = write_rows_of_table(tmp_path / "store", 20_000)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    found = scored(wide, store, tmp_path / "kept")
    scales = class_scales(found.total, len(store), np.full(1000, 1 / 1000))
    align(tmp_path / "kept", scales, "align")
    assert sum(path.stat().st_size for path in (tmp_path / "kept").iterdir()) == 80_000_000
    assert tracemalloc.get_traced_memory()[1] - before < 40e6
