"""`sprout serve`: predictions over HTTP."""

import base64
import io
import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import uvicorn
from PIL import Image

from commands import Ended
from handmade import MLP, model, save
from sprout.data.description import Column
from sprout.data.prepare.decode import ImageFormat
from sprout.data.store import Array
from sprout.models.predictor import Predictor
from sprout.predict.examples import Limits
from sprout.predict.model import Model
from sprout.serve.app import make_app
from sprout.serve.batching import Batcher
from warm_python import commands

SHAPE = (6, 8, 3)
CLASSES = ["cat", "dog", "日本"]
FORMAT = ImageFormat((6, 8), 3, "fit", 10_000)
LIMITS = Limits(bytes=200_000, examples=5, pixels=10_000, seconds=20)


@contextmanager
def served(made: Predictor, image_format: ImageFormat | None, limits: Limits = LIMITS) -> Iterator[str]:
    """The address of a server in this process."""
    bound = socket.create_server(("127.0.0.1", 0))
    app = make_app(Model("models/student", made, image_format), limits)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def images() -> Predictor:
    return model("classify", SHAPE, classes=CLASSES)


@pytest.fixture(scope="module")
def rows() -> Predictor:
    return model("regress", (2,), features=["age", "sex = f"])


@pytest.fixture(scope="module")
def address(images: Predictor) -> Iterator[str]:
    with served(images, FORMAT) as found:
        yield found


@pytest.fixture(scope="module")
def row_address(rows: Predictor) -> Iterator[str]:
    with served(rows, None) as found:
        yield found


def pixels(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Array:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def png(levels: Array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    return file.getvalue()


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def top(made: Predictor, levels: Array) -> list[tuple[str, float]]:
    probabilities = made.predict(levels[None])[0]
    return sorted(zip(made.classes, map(float, probabilities), strict=True), key=lambda each: -each[1])


def found(answer: requests.Response) -> list[list[tuple[str, float]]]:
    assert answer.status_code == 200, answer.text
    return [
        [(t["class"], pytest.approx(t["probability"], abs=1e-6)) for t in p["top"]]
        for p in answer.json()["predictions"]
    ]


def test_files_and_base64_give_what_the_model_predicts(images: Predictor, address: str) -> None:
    several = [pixels(seed) for seed in range(3)]
    expected = [top(images, each) for each in several]
    files = [("files", (f"{place}.png", png(each))) for place, each in enumerate(several)]
    assert found(requests.post(f"{address}/predict", files=files, timeout=20)) == expected
    encoded = {"images": [text(png(several[0])), f"data:image/png;base64,{text(png(several[1]))}"]}
    answer = requests.post(f"{address}/predict?top=1", json=encoded, timeout=20)
    assert found(answer) == [expected[0][:1], expected[1][:1]]


def test_images_of_another_size_are_resized_as_the_data_was(images: Predictor, address: str) -> None:
    large = np.repeat(np.repeat(pixels(), 4, axis=0), 4, axis=1)
    answer = requests.post(f"{address}/predict", files={"files": png(large)}, timeout=20)
    assert found(answer)[0][0][0] == top(images, pixels())[0][0]


def test_rows_by_place_and_by_name(rows: Predictor, row_address: str) -> None:
    given = [[40.0, 1], {"sex = f": 0, "age": 2}]
    answer = requests.post(f"{row_address}/predict", json={"rows": given}, timeout=20)
    expected = rows.predict(np.array([[40, 1], [2, 0]], np.float32))
    assert [each["value"] for each in answer.json()["predictions"]] == pytest.approx(list(expected))


def test_rows_as_the_table_of_the_training_had_them() -> None:
    columns = [Column("age", empty=True, median=40.0), Column("town", values=["Bonn", "Köln"]), Column("old")]
    names = ["age", "age is empty", "town=Bonn", "town=Köln", "old"]
    made = model("regress", (5,), features=names, columns=columns)
    given = [[3, "Köln", True], {"town": "Bonn", "age": None, "old": "false"}, ["7", "Bonn", 1]]
    nothing = {"rows": [["7", None, 1]]}
    with served(made, None) as address:
        answer = requests.post(f"{address}/predict", json={"rows": given}, timeout=20)
        wrong = requests.post(f"{address}/predict", json={"rows": [[3, "Rom", 1]]}, timeout=20)
        empty = requests.post(f"{address}/predict", json=nothing, timeout=20)
    assert (empty.status_code, empty.json()["error"]) == (400, "rows[0]: column 'town' is empty")
    rows = np.array([[3, 0, 0, 1, 1], [40, 1, 1, 0, 0], [7, 0, 1, 0, 1]], np.float32)
    assert [each["value"] for each in answer.json()["predictions"]] == pytest.approx(list(made.predict(rows)))
    assert (wrong.status_code, wrong.json()["error"]) == (
        400,
        "rows[0]: column 'town' is 'Rom', not one of 'Bonn', 'Köln'",
    )


def test_health_and_documentation(address: str, row_address: str) -> None:
    said = requests.get(f"{address}/health", timeout=20).json()
    assert said == {"model": "models/student", "task": "classify", "input_shape": [6, 8, 3], "classes": CLASSES}
    assert requests.get(f"{row_address}/docs", timeout=20).status_code == 200
    described = requests.get(f"{address}/openapi.json", timeout=20).json()["paths"]["/predict"]["post"]
    assert set(described["requestBody"]["content"]) == {"multipart/form-data", "application/json"}


BOMB = png(np.zeros((400, 400), np.uint8))
Sent = dict[str, Any]
MALFORMED: dict[str, tuple[Sent, int, str]] = {
    "nothing": ({}, 415, "content type missing; accepted: multipart/form-data with `files`, or application/json"),
    "text": ({"data": "hello", "headers": {"Content-Type": "text/plain"}}, 415, "content type text/plain"),
    "no JSON": ({"data": "{", "headers": {"Content-Type": "application/json"}}, 400, "the body is not JSON"),
    "deep": ({"data": "[" * 100_000, "headers": {"Content-Type": "application/json"}}, 400, "the body is not JSON"),
    "a list": ({"json": [1]}, 400, "the body should be an object with `images` or `rows`"),
    "both": ({"json": {"images": [], "rows": []}}, 400, "the body should be an object with `images` or `rows`"),
    "no list": ({"json": {"images": "x"}}, 400, "`images` should be a list"),
    "empty": ({"json": {"images": []}}, 400, "0 examples; accepted: 1 to 5 in a request"),
    "many": ({"json": {"images": [text(png(pixels()))] * 6}}, 400, "6 examples; accepted: 1 to 5 in a request"),
    "number": ({"json": {"images": [7]}}, 400, "images[0]: should be an image in base64"),
    "address": (
        {"json": {"images": ["http://localhost/a.png"]}},
        400,
        "images[0]: addresses are not fetched; send the image itself in base64",
    ),
    "no base64": ({"json": {"images": ["%%%"]}}, 400, "images[0]: is not base64"),
    "no image": ({"json": {"images": [text(b"hello")]}}, 400, "images[0]: not an image in a known format"),
    "truncated": ({"files": {"files": ("a.png", png(pixels())[:60])}}, 400, "a.png: "),
    "no bytes": ({"files": {"files": ("a.png", b"")}}, 400, "a.png: zero bytes"),
    "pixels": ({"files": {"files": ("b.png", BOMB)}}, 400, "b.png: 400×400 pixels, more than"),
    "field": ({"files": {"image": png(pixels())}}, 400, "the form should have image files in the field `files`"),
    "form": (
        {"data": b"xx", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
        400,
        "the form cannot be read: ",
    ),
    "no boundary": (
        {"data": b"xx", "headers": {"Content-Type": "multipart/form-data"}},
        400,
        "the form cannot be read",
    ),
    "bytes": (
        {"data": b"x" * 200_001, "headers": {"Content-Type": "application/json"}},
        413,
        "more than 200,000 bytes",
    ),
    "large form": ({"files": {"files": b"x" * 200_001}}, 413, "more than 200,000 bytes"),
    "top": ({"files": {"files": png(pixels())}, "params": {"top": "x"}}, 422, "top: "),
    "rows": ({"json": {"rows": [[1]]}}, 400, "the model takes images; send files, or JSON with `images`"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_requests_are_answered_in_one_line(
    address: str, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    sent, status, reason = MALFORMED[name]
    answer = requests.post(f"{address}/predict", **sent, timeout=20)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"].startswith(reason)
    assert "\n" not in answer.json()["error"]
    assert capfd.readouterr().err == ""


MALFORMED_ROWS: dict[str, tuple[Any, str]] = {
    "images": ({"images": ["x"]}, "the model takes rows of 2 columns; send JSON with `rows`"),
    "short": ({"rows": [[1]]}, "rows[0]: should be 2 entries, as a list or by name"),
    "text": ({"rows": [[1, "x"]]}, "rows[0]: column 'sex = f' is 'x', not a finite number"),
    "second": ({"rows": [[1, 2], [None, 1]]}, "rows[1]: column 'age' is empty"),
    "list": ({"rows": [[1, [2]]]}, "rows[0]: 'sex = f' is not a number, text, true, false or null"),
    "NaN": ({"rows": [[float("nan"), 1]]}, "rows[0]: 'age' is not a number, text, true, false or null"),
    "large": ({"rows": [[1e39, 1]]}, "rows[0]: 'age' is not a number, text, true, false or null"),
    "huge": ({"rows": [[10**400, 1]]}, "rows[0]: 'age' is not a number, text, true, false or null"),
    "missing": ({"rows": [{"age": 1}]}, "rows[0]: 'sex = f' is missing"),
    "unknown": ({"rows": [{"age": 1, "sex = f": 0, "x": 1}]}, "rows[0]: 'x' is not a column of the model"),
}


@pytest.mark.parametrize("name", MALFORMED_ROWS)
def test_malformed_rows_are_named(row_address: str, name: str) -> None:
    body, reason = MALFORMED_ROWS[name]
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{row_address}/predict", json.dumps(body), headers=headers, timeout=20)
    assert (answer.status_code, answer.json()["error"]) == (400, reason)


def test_many_clients_at_once(images: Predictor, address: str) -> None:
    several = [pixels(seed) for seed in range(20)]

    def ask(place: int) -> bool:
        answer = requests.post(f"{address}/predict", files={"files": png(several[place % 20])}, timeout=20)
        return found(answer) == [top(images, several[place % 20])]

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(ask, range(200)))


def test_requests_that_wait_are_predicted_together() -> None:
    release, sizes = threading.Event(), []

    def predict(examples: Array) -> Array:
        release.wait(20)
        sizes.append(len(examples))
        return examples * 2

    batcher = Batcher(predict, most=4)
    first = batcher.submit(np.array([1]))
    while not first.running():
        time.sleep(0.001)
    others = [batcher.submit(np.array([number, number])) for number in range(3)]
    others[0].cancel()
    release.set()
    assert first.result(20).tolist() == [2]
    assert [each.result(20).tolist() for each in others[1:]] == [[2, 2], [4, 4]]
    batcher.close()
    assert Counter(sizes) in (Counter({1: 1, 2: 2}), Counter({1: 1, 4: 1}))


def test_a_model_that_fails_answers_500_and_goes_on(
    images: Predictor, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    failing = Predictor(images.network, images.card)

    def fail(examples: Array) -> Array:
        raise RuntimeError("no memory\nat all")

    monkeypatch.setattr(failing, "predict", fail)
    with served(failing, FORMAT) as address:
        for _ in range(2):
            answer = requests.post(f"{address}/predict", files={"files": png(pixels())}, timeout=20)
            assert (answer.status_code, answer.json()) == (
                500,
                {"error": "the model has failed; see the output of the server"},
            )
    assert "/predict: RuntimeError: no memory at all" in capfd.readouterr().err


def test_a_request_that_takes_too_long_is_ended(images: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Predictor(images.network, images.card)
    release = threading.Event()
    monkeypatch.setattr(slow, "predict", lambda examples: release.wait(20) and images.predict(examples))
    with served(slow, FORMAT, Limits(seconds=0.2)) as address:
        answer = requests.post(f"{address}/predict", files={"files": png(pixels())}, timeout=20)
        release.set()
    assert (answer.status_code, answer.json()["error"]) == (503, "no prediction within 0.2 s; try again later")


@pytest.mark.slow
def test_the_command_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    save(tmp_path / "m", model("classify", (4,), architecture=MLP))
    command = [commands() / "sprout", "serve", "--model", "m", "--port", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert address is not None, line + process.communicate()[1]
    answer = requests.post(f"{address[0]}/predict", json={"rows": [[1, 2, 3, 4]]}, timeout=20)
    assert answer.status_code == 200
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_what_cannot_be_served_is_refused(project: Path, sprout: Callable[..., Ended]) -> None:
    save(project / "m", model("reconstruct", SHAPE))
    done = sprout("serve", "--model", "m")
    assert (done.code, "m: the task reconstruct has no prediction" in done.err) == (2, True)
    save(project / "m", model("classify", (4,), architecture=MLP))
    assert sprout("serve", "--model", "m", "--resize", "fit").code == 2
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken.listen()
        done = sprout("serve", "--model", "m", "--port", taken.getsockname()[1])
    assert (done.code, "cannot be listened on (Address already in use" in done.err) == (2, True)
