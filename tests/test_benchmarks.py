"""Each benchmark runs at toy size, and its arithmetic is right; whether it reaches its goal is not tested."""

import importlib
import json
import os
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from handmade import card
from sprout.data.store import label_table
from sprout.data.store_writer import write_store
from sprout.evaluate.significance import cross_validated_interval
from sprout.models.predictor import Predictor
from sprout.runtime.run_context import log_nothing
from warm_python import warm_python

PROJECT = Path(__file__).resolve().parent.parent
BUSY = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    """Import a module of `benchmarks/`, which is no installed package."""
    monkeypatch.syspath_prepend(PROJECT)
    return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.fixture
def warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure processes that cost little: their times mean nothing here."""
    monkeypatch.setattr(sys, "executable", warm_python())


@pytest.fixture
def paired(load) -> ModuleType:
    return load("paired")


def check(line: str, name: str, goal: float) -> None:
    figure = json.loads(line)
    assert (figure["name"], figure["goal"], figure["unit"]) == (name, goal, "s")
    for side in (figure, figure["cpu"]):
        low, high = side["interval"]
        assert 0 < low <= side["ratio"] <= high
        assert len(side["ours"]) == len(side["reference"]) == 1


def workspace_state() -> dict[str, float]:
    """Names and times of change of what a build would write into the project."""
    folders = ("build", "data", "models", "reports", "mlruns", ".dvc/cache")
    return {f: (PROJECT / f).stat().st_mtime for f in (*folders, "dvc.lock") if (PROJECT / f).exists()}


@pytest.mark.slow
def test_noop_runs_from_the_project_and_leaves_it_alone(warm):
    before = workspace_state()
    command = [sys.executable, "-m", "benchmarks.noop", "--pairs", "1", "compose"]
    done = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    check(done.stdout.splitlines()[-1], "noop", 1.6)
    assert "pair 1 of 1" in done.stderr
    assert workspace_state() == before


@pytest.mark.slow
def test_build_runs(load, capsys, warm):
    load("build").measure(pairs=1, stages=["compose"], imports="import json")
    check(capsys.readouterr().out.splitlines()[-1], "build", 6.0)


def test_the_cost_holds_the_time_of_processes_that_the_command_started(paired, tmp_path):
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}], check=True)"
    found = paired.cost([sys.executable, "-c", nested], tmp_path, os.environ)
    assert found.cpu >= 0.3
    assert found.wall >= 0.3


def test_a_command_that_fails_ends_the_benchmark_with_what_it_printed(paired, tmp_path):
    with pytest.raises(RuntimeError, match=r"exit code 3\nno such stage"):
        paired.cost(["sh", "-c", "echo no such stage >&2; exit 3"], tmp_path, os.environ)


def test_a_count_of_pairs_that_is_none_ends_with_one_line(paired, capsys):
    with pytest.raises(SystemExit):
        paired.parser("toy", None, pairs=3).parse_args(["--pairs", "0"])
    assert "argument --pairs: invalid positive value: '0'" in capsys.readouterr().err


def test_the_two_sides_take_turns(paired):
    order: list[str] = []

    def side(name: str):
        return lambda: order.append(name) or paired.Cost(1.0, 1.0)

    ours, reference = paired.alternate(side("a"), side("b"), pairs=3)
    assert order == ["a", "b"] * 3
    assert len(ours) == len(reference) == 3


def test_the_ratio_is_the_median_over_pairs_so_that_a_slow_moment_counts_once(paired, capsys):
    walls = [(2.0, 1.0), (20.0, 10.0), (4.0, 2.0), (90.0, 1.0), (6.0, 3.0)]
    ours, reference = ([paired.Cost(wall, 1.0) for wall in side] for side in zip(*walls, strict=True))
    paired.print_ratio("toy", 1.0, ours, reference)
    printed = capsys.readouterr()
    figure = json.loads(printed.out)
    assert figure["ratio"] == 2.0
    assert figure["cpu"]["ratio"] == 1.0
    assert figure["interval"] == [2.0, 90.0]
    assert "not a 95% interval" in printed.err


def test_the_interval_is_that_of_the_order_statistics(paired):
    # Binomial(10, ½): second smallest to second largest holds the median in 97.9% of cases, third to third in 89.1%.
    assert paired.interval([float(value) for value in range(10)]) == (1.0, 8.0)


def test_a_copy_holds_the_project_and_none_of_its_products(load, tmp_path):
    workspace = load("workspace")
    env = workspace.environment(tmp_path / "dvc")
    workspace.copy_project(tmp_path / "copy", env)
    assert (tmp_path / "copy/dvc.yaml").read_text() == (PROJECT / "dvc.yaml").read_text()
    assert not (tmp_path / "copy/build").exists()
    assert not list((tmp_path / "copy/mlruns").glob("*.db"))
    log = subprocess.run(
        ["git", "status", "--short"], cwd=tmp_path / "copy", capture_output=True, text=True, check=True
    )
    assert log.stdout == ""


def test_settings_of_the_user_do_not_reach_a_benchmark(load, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example")
    monkeypatch.setenv("DVC_ROOT", "/somewhere")
    env = load("workspace").environment(tmp_path)
    assert not {"MLFLOW_TRACKING_URI", "DVC_ROOT"} & set(env)
    assert env["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


@pytest.mark.slow
@pytest.mark.parametrize(("near", "goal"), [("", 1.2), ("_near_duplicates", 3.0)])
def test_decode_runs(tmp_path, near, goal, warm):
    generator = np.random.default_rng(0)
    for row in range(60):
        path = tmp_path / "images" / "abc"[row % 3] / f"{row}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    command = [sys.executable, "-m", "benchmarks.decode", "--pairs", "1", str(tmp_path / "images")]
    command += ["--near-duplicates"] if near else []
    done = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    check(done.stdout.splitlines()[-1], f"decode{near}", goal)


@pytest.mark.slow
def test_ray_prepare_runs(tmp_path):
    pytest.importorskip("ray")
    for row in range(30):
        path = tmp_path / "images" / "abc"[row % 3] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 8 * row, np.uint8)).save(path)
    environment = os.environ | {"PYTHONPATH": f"{PROJECT / 'src'}{os.pathsep}{PROJECT}"}
    command = [sys.executable, "-m", "benchmarks.ray_prepare", "--pairs", "1", str(tmp_path / "images")]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check(done.stdout.splitlines()[-1], "ray_prepare", 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folders", "paths"])
def test_prepare_rows_runs(load, capsys, kind):
    load("prepare_rows").measure(pairs=1, rows=20_000, kinds=[kind])
    figure = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figure["name"], figure["goal"], figure["unit"]) == (f"prepare_rows_{kind}", 8.0, "GiB")
    assert 0.05 < figure["ratio"] < 1


@pytest.mark.parametrize("labelled", [True, False])
def test_made_up_folders_hold_the_images_of_the_made_up_table(load, tmp_path, labelled):
    images = load("prepare_rows").Images(5000)
    images.write_table(tmp_path / "images.csv")
    rows = [line.split(",") for line in (tmp_path / "images.csv").read_text().splitlines()[1:]]
    with images.scan("/data") as entries:
        folders = [entry.path for entry in entries if entry.is_dir()]
    found = set()
    for folder in folders:
        with images.scan(folder) as entries:
            found |= {entry.path.removeprefix("/data/") for entry in entries}
    assert found == {path for path, _, _ in rows}
    assert {path for path, label, _ in rows if bool(label) == labelled} == {
        path for path in found if path.startswith("n0") == labelled
    }


def test_image_costs_are_measured(load, capsys):
    load("image_costs").measure(images=4, rows=5000)
    costs = json.loads(capsys.readouterr().out)
    assert all(value >= 0 for value in costs.values())
    assert costs["224 from 500x375: decode, µs"] > costs["32: decode, µs"] > 0
    assert costs["224 from 500x375: bytes of a file"] > costs["224 from 256x256: bytes of a file"]
    assert costs["label table in memory, bytes"] > 60


def test_open_store_runs(load, capsys):
    load("open_store").measure(pairs=1, images=2000)
    check(capsys.readouterr().out.splitlines()[-1], "open_store", 1.2)


@pytest.mark.slow
def test_dvc_files_runs(load, capsys, warm):
    load("dvc_files").measure(pairs=1, images=20)
    check(capsys.readouterr().out.splitlines()[-1], "dvc_files", 0.2)


@pytest.fixture
def training(load, monkeypatch) -> Iterator[ModuleType]:
    """Trainings with one thread; torch has as many as before at the end."""
    before = torch.get_num_threads()
    module = load("training")
    monkeypatch.setattr(module, "THREADS", 1)
    yield module
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "name", "goal"), [(100, "epoch", 1.05), (32, "epoch_32", 1.15)])
def test_epoch_runs(load, training, capsys, monkeypatch, batch, name, goal):
    monkeypatch.setattr(load("epoch"), "TRIALS", 1)
    load("epoch").measure(pairs=1, images=200, batch=batch, fused=None)
    printed = capsys.readouterr()
    check(printed.out.splitlines()[-1], name, goal)
    assert printed.err.count("fused=True") == printed.err.count("fused=False") == 2


def test_the_bare_loop_takes_the_same_images_and_learns(load, training, tmp_path):
    data = training.random_data(tmp_path, 40, 20)
    bare = load("bare").BareLoop(data, 10, torch.channels_last, fused=True)
    loop = training.make_training(data, training.compose("model=cnn_3x12"), tmp_path / "c", log_nothing)
    (batch,) = next(loop.val.steps(0))
    theirs = loop.module.normalise(loop.module.normalise.scale(batch.inputs))
    assert torch.allclose(bare.val_images, theirs, atol=1e-6)
    assert torch.equal(bare.val_labels, batch.targets)
    assert sum(p.numel() for p in bare.network.parameters()) == sum(p.numel() for p in loop.module.parameters())
    before, _ = bare.validate()
    bare.val_images, bare.val_labels = bare.images, bare.labels
    for _ in range(20):
        bare.train(40)
    assert bare.validate()[0] < 0.9 * before


@pytest.mark.slow
def test_tracking_runs_and_all_steps_reach_the_store(load, training, capsys):
    load("tracking").measure(pairs=1, images=200)
    check(capsys.readouterr().out.splitlines()[-1], "tracking", 1.02)
    with training.own_store(training.compose()) as run:
        for step in range(7):
            run.log_metrics({"loss": 1.0}, step)
        training.drain()
        (store,) = Path(os.environ["DVC_ROOT"]).glob("mlruns/mlflow.db")
        with closing(sqlite3.connect(store)) as rows:
            assert rows.execute("select count(*) from metrics where key = 'loss'").fetchone() == (7,)
    assert not store.exists()


@pytest.mark.slow
def test_builds_are_compared(load, capsys):
    load("compare").measure(pairs=1, builds=2, examples=100, html=True)
    figure = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figure["name"], figure["goal"], figure["unit"]) == ("compare --html", 5.0, "s")
    assert figure["cpu"][0] > 0
    assert figure["ratio"] > 0


def test_tracking_runs_without_its_server(load, training, capsys, monkeypatch):
    monkeypatch.setattr("sprout.tracking.outbox.sender.PATIENCE", 0.1)
    load("tracking").measure(pairs=1, images=200, store="absent")
    printed = capsys.readouterr()
    check(printed.out.splitlines()[-1], "tracking_absent", 1.05)
    assert "cannot be used now" in printed.err


def test_augmented_epoch_runs(load, training, capsys):
    load("augmented_epoch").measure(pairs=1, images=200)
    check(capsys.readouterr().out.splitlines()[-1], "augmented_epoch", 1.15)


@pytest.mark.slow
def test_launch_runs_to_the_first_step(load, capsys, prepared_project, warm):
    load("launch").measure(pairs=1, prepared=prepared_project)
    check(capsys.readouterr().out.splitlines()[-1], "launch", 1.5)


@pytest.mark.slow
def test_memory_runs(load, capsys, warm):
    load("memory").measure(pairs=1, large=8 << 20, small=1 << 20)
    figure = json.loads(capsys.readouterr().out)
    assert (figure["name"], figure["goal"], figure["unit"]) == ("memory", 150, "MiB")
    assert figure["ratio"] == pytest.approx(figure["ours"][0] - figure["reference"][0], abs=2)
    assert figure["reference"][0] > 50


def test_memory_is_watched_while_it_is_held(load):
    peak = load("peak")
    with peak.record_memory() as seen:
        block = np.ones(100 << 20, np.uint8)
        time.sleep(10 * peak.SECONDS)
        del block
    assert max(seen) - seen[0] > 80


def test_a_disk_without_room_is_said_in_one_line(load, tmp_path):
    with pytest.raises(SystemExit, match=r"GiB are free, 1048577\.0 are needed; .*TMPDIR.*--gib"):
        load("memory").refuse_small_disk(tmp_path, 1 << 50)


@pytest.mark.slow
def test_ddp_runs(load, capsys, warm):
    load("ddp").measure(epochs=1)
    figure = json.loads(capsys.readouterr().out)
    assert (figure["name"], figure["goal"], figure["unit"]) == ("ddp", 1e-6, "")
    assert 0 <= figure["ratio"] < 1e-6
    assert figure["interval"] == [figure["ratio"]] * 2


def test_the_largest_difference_is_that_of_single_weights(load):
    ours = {"a": torch.tensor([0.0, 1.0]), "b": torch.tensor([100.0, 0.011])}
    reference = {"a": torch.tensor([0.0, 1.0]), "b": torch.tensor([101.0, 0.01])}
    assert load("ddp").largest_difference(ours, reference) == pytest.approx(0.1, rel=1e-4)


def test_seeds_tell_both_splits_and_how_sure_the_difference_is(load, tmp_path: Path):
    seeds = load("seeds")
    for role, wrong in (("teacher", 0.2), ("student", 0.1)):
        (tmp_path / "models" / role).mkdir(parents=True)
        (tmp_path / "models" / role / "metrics.json").write_text(
            json.dumps({"val": {"error_rate": wrong, "loss": None}})
        )
    (tmp_path / "reports/evaluation").mkdir(parents=True)
    test = {"test": {"teacher": {"error_rate": 0.25}, "student": {"error_rate": 0.15}}}
    (tmp_path / "reports/evaluation/metrics.json").write_text(json.dumps(test))
    assert seeds.read_metrics(tmp_path, "student", "val") == {"val_error_rate": 0.1}
    assert seeds.read_metrics(tmp_path, "teacher", "test") == {"val_error_rate": 0.2, "test_error_rate": 0.25}

    of = {"teacher": [0.10, 0.12, 0.11], "student": [0.08, 0.09, 0.10]}
    summary = seeds.summary({role: [{"test_error_rate": each} for each in runs] for role, runs in of.items()}, "test")
    assert summary["teacher"]["test_error_rate"] == {
        "mean": pytest.approx(0.11),
        "stdev": pytest.approx(0.01),
        "each": of["teacher"],
    }
    assert summary["difference"] == pytest.approx(0.02)
    # Student's t with 2 degrees of freedom: 4.303 · 0.01 / √3 to both sides.
    assert summary["interval"] == pytest.approx([0.02 - 0.02484, 0.02 + 0.02484], abs=1e-4)


def test_few_labels_compare_student_and_control(load):
    few, seeds = load("few_labels"), load("seeds")
    errors = {"teacher": [0.1, 0.2], "control": [0.1, 0.1], "student": [0.05, 0.1]}
    results = {role: [{"test_error_rate": each} for each in runs] for role, runs in errors.items()}
    found = few.summary(few.DIGITS[0], results)
    assert (found["name"], found["ratio"], found["interval"]) == ("few_labels_digits_50", 0.75, [0.5, 1.0])
    assert "equal_time" not in found
    longer = {few.EQUAL_TIME: [{"test_error_rate": each, "times": 5.0} for each in (0.05, 0.15)]}
    assert few.summary(few.DIGITS[0], results | longer)["equal_time"]["ratio"] == 0.75
    described = seeds.summary(results, "test")
    assert (described["rival"], described["difference"]) == ("control", pytest.approx(0.025))


@pytest.mark.parametrize("foreign", [False, True])
def test_a_small_set_holds_images_back(load, tmp_path, foreign):
    small, generator = load("small_sets"), np.random.default_rng(0)
    images, labels = generator.integers(0, 256, (900, 4, 4, 1), dtype=np.uint8), np.arange(900) % 5
    held, known = small.write_draw(tmp_path, (images, labels), 3, foreign=foreign)
    assert len(held) == len(known) == ((540 - 64 - 150) if foreign else (900 - 364))
    written = {path.name: [*map(decoded, sorted(path.iterdir()))] for path in tmp_path.iterdir()}
    pool = written.pop("unlabelled")
    assert set(written) == {f"class {i}" for i in range(3 if foreign else 5)}
    assert (len(pool), sum(map(len, written.values()))) == (300, 64)
    classes = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    assert sum(classes[image] >= 3 for image in pool) == (150 if foreign else sum(classes[i] >= 3 for i in pool))
    assert all(classes[image] == int(name[-1]) for name, each in written.items() for image in each)
    seen = {image.tobytes() for image in held}
    assert seen.isdisjoint([*pool, *(image for each in written.values() for image in each)])


def decoded(path: Path) -> bytes:
    """The pixels of an image file."""
    with Image.open(path) as image:
        return image.tobytes()


def test_a_small_set_is_summed_up(load):
    small = load("small_sets")
    true = [dict(zip(small.ROLES, each, strict=True)) for each in ((0.3, 0.2, 0.1), (0.4, 0.4, 0.3))]
    interval, kept = [0.05, 0.2], "student"
    same = {"stated": 0.1, "interval": interval, "kept": kept, "left_out": 7}
    found = small.summary("digits", [same | {"true": one} for one in true])
    assert (found["covered"], found["draws"], found["ratio"]) == (1, 2, 0.667)
    assert (found["ours"], found["reference"], found["teacher"]) == ([0.1, 0.3], [0.2, 0.4], [0.3, 0.4])


def test_label_selection_trains_in_rounds(load, capsys, monkeypatch):
    selection, small = load("label_selection"), load("small_sets")
    images, labels = small.digits()
    monkeypatch.setitem(selection.HELD, "digits", 100)
    short = ["train.epochs=1", "train.steps_per_epoch=2", "retrain.epochs=1", "retrain.steps_per_epoch=2"]
    coverage = selection.settings_of(["label=coverage"])
    selection.measure("digits", (images[:400], labels[:400]), coverage, range(1), "val", (10, 20), short)
    figure = json.loads(capsys.readouterr().out)
    assert (figure["name"], figure["strategy"], figure["goal"]) == ("label_selection_digits", "coverage", 0.6)
    assert all(0 < error < 1 for side in ("ours", "reference") for error in figure[side].values())


def test_labels_needed_lie_between_rounds(load):
    selection = load("label_selection")
    found = {20: 0.5, 50: 0.3, 100: 0.1}
    assert [selection.labels_needed(found, wanted) for wanted in (0.6, 0.4, 0.3, 0.15)] == [20, 35, 50, 87.5]
    assert selection.labels_needed(found, 0.05) == float("inf")
    ours, random = [{50: 0.3, 100: 0.1}, {50: 0.1, 100: 0.1}], [{50: 0.4, 100: 0.2}, {50: 0.3, 100: 0.2}]
    described = selection.summary("digits", ours, random)
    assert (described["ratio"], described["interval"]) == (0.5, [0.5, 0.75])
    assert (described["ours"], described["reference"]) == ({50: 0.2, 100: 0.1}, {50: 0.35, 100: 0.2})


def test_calibration_compares_the_errors_of_a_teacher(load, tmp_path):
    """A network that doubles the logits of calibrated predictions; its temperature undoes that."""
    calibration, generator = load("calibration"), np.random.default_rng(0)
    logits = generator.normal(0, 2, (4000, 3)).astype(np.float32)
    labels = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
    rows = np.arange(len(labels))
    table = label_table(rows, labels, source="given", group=rows, origin=[""] * len(rows))
    write_store(tmp_path / "data/prepared/test", logits, table)
    described = card("classify", (3,), temperature=2.0, mean=[0.0] * 3, std=[1.0] * 3)
    network = torch.nn.Linear(3, 3, bias=False)
    network.weight.data = 2 * torch.eye(3)
    before, after = calibration.errors(tmp_path, Predictor(network, described))
    assert before > 0.1
    assert after < 0.02
    found = calibration.summary([(0.10, 0.02), (0.06, 0.04)])
    assert (found["ratio"], found["interval"]) == (0.375, [0.2, 0.667])


def test_scoring_runs(load, capsys):
    load("score").measure(pairs=1, images=2000)
    check(capsys.readouterr().out.splitlines()[-1], "score", 1.1)


def test_a_fifth_of_few_labels_tells_less_than_all_of_them(load):
    found = load("validation_size").row(100)
    assert found["val_worse_kept"] > 0.5 > 0.35 > found["folds_worse_kept"] > 0.2
    assert found["val_interval"] == pytest.approx(0.273, abs=1e-3)
    low, high = cross_validated_interval(10, 100)
    assert found["folds_interval"] == pytest.approx(high - low, abs=1e-3)


def test_the_interval_of_a_cross_validated_error_holds_it_more_often_than_wilsons(load):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load("validation_size").covered(draws=12)
    assert 0.5 < found["wilson"] <= found["cross_validated"] <= 1


def test_consistency_runs(load, training, capsys):
    load("consistency").measure(pairs=1, steps=2)
    check(capsys.readouterr().out.splitlines()[-1], "consistency", 1.1)


@pytest.mark.slow
def test_sweep_overhead_runs(load, capsys, prepared_project, warm):
    load("sweep_overhead").measure(1, 2, "digits", ["train.epochs=1"], prepared_project)
    figure = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figure["name"], figure["goal"]) == ("sweep_overhead", 1.05)
    assert figure["ratio"] == pytest.approx(figure["ours"][0] / figure["reference"][0], rel=0.02)


@pytest.mark.slow
def test_sweep_pruning_runs(load, capsys, prepared_project, monkeypatch, warm):
    monkeypatch.setattr(load("sweep_pruning"), "WORKERS", 1)
    load("sweep_pruning").measure(["median"], 1, 2, 2, "digits", [], prepared_project)
    figures = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [figure["pruner"] for figure in figures] == ["median", "top 1", "top 2"]
    assert [figure["ratio"] for figure in figures[1:]] == [0.75, 1.0]
    assert figures[2]["best_value_lost"] == [0.0]


def test_a_share_of_the_labels_is_flipped_and_found_again(load):
    module, labels = load("label_issues"), np.arange(200) % 10
    given, wrong = module.flipped(labels, np.random.default_rng(0))
    assert wrong.sum() == 10
    assert ((given != labels) == wrong).all()
    assert set(given) <= set(range(10))
    assert module.found_share(np.where(wrong, 0.1, 0.9), wrong) == 1.0
    assert module.found_share(np.where(wrong, 0.9, 0.1), wrong) == 0.0
