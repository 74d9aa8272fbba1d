"""Optuna's dashboard on the database of a study."""

import json
import sys
import urllib.request
from pathlib import Path

from conftest import Member
from running import Service, answers
from servers import free_port


def test_the_dashboard_shows_a_study(first: Member, tmp_path: Path) -> None:
    database, port = first.folder / "mlruns/sweeps/digits-default/study.db", free_port()
    command = [str(Path(sys.executable).with_name("optuna-dashboard")), f"sqlite:///{database}", "--port", str(port)]
    dashboard, address = Service(command, tmp_path / "log"), f"http://127.0.0.1:{port}"
    dashboard.start()
    try:
        dashboard.wait(lambda: answers(f"{address}/dashboard"))
        assert "Optuna Dashboard" in fetch(f"{address}/dashboard")
        (study,) = json.loads(fetch(f"{address}/api/studies"))["study_summaries"]
        assert study["study_name"] == "digits-default"
        trials = json.loads(fetch(f"{address}/api/studies/{study['study_id']}?after=0"))["trials"]
        assert len(trials) == 2
        assert {"train.lr", "train.batch_size"} <= {param["name"] for param in trials[0]["params"]}
    finally:
        dashboard.end()


def fetch(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310
        return str(answer.read(), "utf-8")
