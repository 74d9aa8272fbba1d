"""A workspace whose images can be labelled, and the page that asks for them."""

import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn

from handmade import model, save
from sprout.config.download import Download, Sklearn
from sprout.config.label import Label, Random
from sprout.data.prepare.answers import Answer, answers_file, read_answers
from sprout.data.prepare.prepare import prepare
from sprout.label.answers import AnswerFile
from sprout.label.app import make_app
from sprout.label.images import open_images
from sprout.label.knowledge import Learning
from sprout.label.queue import Queue
from sprout.label.standing import Standing
from sprout.runtime.engine import LocalProcesses
from test_prepare import CLASSES, LISTING, settings_with

SHAPE = (4, 3, 3)
STRATEGY = Random(5, "random")
DIGITS = Sklearn("sklearn", "digits")
SECONDS = 60
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")


@dataclass
class Page:
    """A page that is served."""

    standing: Standing
    address: str
    app: Any
    browser: str = "one"
    asked: dict[str, Any] = field(default_factory=dict)

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(f"{self.address}{path}", timeout=SECONDS, **more)

    def post(self, path: str, **body: Any) -> requests.Response:
        return requests.post(
            f"{self.address}{path}",
            json={"browser": self.browser, "build": self.standing.images.build} | body,
            timeout=SECONDS,
        )

    def said(self, path: str, **body: Any) -> dict[str, Any]:
        """What is answered to a request that is fine."""
        found = self.post(path, **body)
        assert found.status_code == 200, found.text
        answer: dict[str, Any] = found.json()
        return answer

    def next(self, section: str = "pool", *, afresh: bool = False) -> list[dict[str, Any]]:
        found = self.said("/next", section=section, afresh=afresh)
        while found["waiting"]:
            found = self.said("/next", section=section, afresh=afresh)
        questions: list[dict[str, Any]] = found["questions"]
        return questions

    def give(self, question: dict[str, Any], label: str = "") -> dict[str, Any]:
        """Answer; without a label none of the classes."""
        kind = "class" if label else "none"
        return self.said("/answer", split=question["split"], row=question["row"], answer=kind, label=label)

    def rows(self) -> list[Answer]:
        return read_answers(self.standing.file.path)


def build(*answers: Answer, listing: Any = LISTING, **settings: Any) -> None:
    """What `prepare` writes, in the working folder."""
    for folder in (Path("data/prepared"), Path("build/scratch")):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    prepare(listing, Path("data/prepared"), Path("build/scratch"), settings_with(**settings), LocalProcesses(), answers)


def save_model(**changes: Any) -> None:
    save(Path("models/student"), model("classify", SHAPE, classes=CLASSES, **changes))


def open_standing(source: Download = DIGITS, by: str = "ann", **settings: Any) -> Standing:
    images = open_images(source, settings_with(**settings))
    return Standing(images, AnswerFile(answers_file(source)), by)


@contextmanager
def serving(standing: Standing, strategy: Label = STRATEGY) -> Iterator[Page]:
    """A server in this process."""
    bound = socket.create_server(("127.0.0.1", 0))
    app = make_app(standing, Queue(standing, strategy), Learning(standing.images).start())
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    try:
        yield Page(standing, f"http://127.0.0.1:{bound.getsockname()[1]}", app)
    finally:
        server.should_exit = True
        thread.join()


def browse(address: str, *more: str, milliseconds: int = 8000) -> str:
    """What a real browser makes of a page, after so much of its time."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory() as profile:
        quiet = ("quic", "background-networking", "component-update", "sync", "gpu")
        command = [CHROMIUM, "--headless", "--no-sandbox", "--no-first-run", f"--user-data-dir={profile}"]
        command += [f"--disable-{name}" for name in quiet]
        command += [f"--virtual-time-budget={milliseconds}", *more, "--dump-dom", address]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
