"""Secrets in all the places where users put them: none is found in what the commands write and print."""

import base64
import contextlib
import gzip
import hashlib
import sqlite3
import subprocess
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
import yaml

from servers import refuse, site
from test_archive import zipped
from workspaces import commit_all, copy_workspace, warm_surroundings


def planted(name: str, kind: str = "") -> str:
    """A secret, which no file of the project holds."""
    return f"{name.lower()}-{kind}{hashlib.sha256(name.encode()).hexdigest()[:8]}"


ENVIRONMENT = {
    "SITE_USER": planted("user"),
    "SITE_PASSWORD": quote(planted("site", "p@ss/"), safe=""),
    "SITE_TOKEN": planted("token", "+"),
    **{name: planted(name) for name in ("SOURCE_TOKEN", "SOURCE_HEADER", "SOURCE_LIST", "SOURCE_URL")},
    **{name: planted(name) for name in ("MODEL_KEY", "OPTIMIZER")},
}
"""Variables that settings name."""
OTHERS = {name: planted(name) for name in ("failing", "broken", "store", "mirror", "portal", "folder", "signed")}
"""Other values of these, the parts of a variable with a whole URL, and the password in `MLFLOW_TRACKING_URI`."""
LITERAL = {name: planted(name) for name in ("password", "username", "access", "presigned", "key", "misspelt")}
"""Written out in overrides, all of which are refused."""
FILES = {name: planted(name) for name in ("conf", "argument", "code")}
"""Written out in a config file and an argument, which are refused, and in code that is not committed."""
LOGIN = base64.b64encode(f"{ENVIRONMENT['SITE_USER']}:{unquote(ENVIRONMENT['SITE_PASSWORD'])}".encode()).decode()
SECRETS = [LOGIN, *ENVIRONMENT.values(), *OTHERS.values(), *LITERAL.values(), *FILES.values()]
SOURCE = """
import logging, subprocess, sys, warnings
import numpy as np
import pyarrow as pa
import requests
import torch
from sprout.data.listing import Listing
from sprout.data.sources.target import DataSource


class Vault(DataSource):
    def __init__(self, token, headers, more, address):
        self.known = (token, headers["Authorization"], *more, address)
        assert not [each for each in self.known if "$" in each]

    def fetch(self, folder):
        token, header, element, address = self.known
        print("token", token, f"in a list: {element}")
        print({"Authorization": header}, file=sys.stderr)
        logging.warning("asking %s with %s", address, header)
        warnings.warn(f"weak: {token}")
        for attempt in (lambda: requests.get(address), lambda: subprocess.run(["false", *self.known], check=True)):
            try:
                attempt()
            except Exception as error:
                print(type(error), error)
        if "broken" in header:
            raise RuntimeError(f"{self.known}")

    def read(self, folder, scratch):
        images = np.random.default_rng(0).integers(0, 99, (200, 8, 8), np.uint8)
        images[::2, :, :4] += 120
        return Listing(images, pa.array([f"{n}" for n in range(200)]), label=pa.array(["a", "b"] * 100))


class Net(torch.nn.Module):
    def __init__(self, input_shape, outputs, key):
        super().__init__()
        assert "$" not in key
        self.key, self.head, self.calls = key, torch.nn.Linear(64, outputs), 0

    def forward(self, images):
        self.calls += 1
        if "failing" in self.key and self.calls > 50:  # in training, not in its dry run
            raise ValueError(f"no access with {self.key}")
        return self.head(images.flatten(1))


class Sgd(torch.optim.SGD):
    def __init__(self, groups, lr, key):
        assert "$" not in key
        super().__init__(groups, lr=lr)
"""
ARCHIVE = zipped(("a/1.png", b""), ("b/1.png", b""))
URLS = [
    "download=archive",
    "download.urls=['${oc.env:MIRROR}', 'http://${oc.env:SITE_USER}:${oc.env:SITE_PASSWORD}@SITE/f?token=${oc.env:SITE_TOKEN}']",
    "download.file=f.zip",
]
BUILD = [
    "download=target",
    "download.target=vault.Vault",
    "download.args.token='${oc.env:SOURCE_TOKEN}'",
    "download.args.headers={Authorization: 'Bearer ${oc.env:SOURCE_HEADER}'}",
    "download.args.more=['${oc.env:SOURCE_LIST}']",
    "download.args.address='http://127.0.0.1:9/f?token=${oc.env:SOURCE_URL}'",
    "prepare={labels: null, test: 40, val: 40}",
    "model=vault",
    "train/optimizer=vault",
    "train.epochs='${oc.decode:${oc.env:EPOCHS}}'",
    "train.batch_size=20",
    "pseudo_label=none",
    "retrain=default",
    "~retrain.steps_per_epoch",
    "control.train=false",
]
CONFIGS = {
    "model/vault.yaml": "name: target\ntarget: vault.Net\nargs: {key: '${oc.env:MODEL_KEY}'}\n",
    "train/optimizer/vault.yaml": "name: vault.Sgd\nweight_decay: 0\ndecay: all\nargs: {key: '${oc.env:OPTIMIZER}'}\n",
}
pytestmark = pytest.mark.slow


class Workspace:
    """A workspace, and all that its commands have printed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.printed = folder, ""

    def run(self, *words: str, code: int = 0, **environment: str) -> str:
        """Run a command; what it printed."""
        env = warm_surroundings(self.folder) | ENVIRONMENT | {"EPOCHS": "1", "PYTHONPATH": "src"} | environment
        done = subprocess.run(words, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        self.printed += f"{done.stdout}{done.stderr}"
        assert done.returncode == code, f"{words} {done.stdout}{done.stderr}"
        return f"{done.stdout}{done.stderr}"

    def configure(self, *overrides: str) -> None:
        params = {"experiment": "digits", "overrides": list(overrides)}
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture(scope="module")
def workspace(prepared_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """With the user's own source, network and optimizer, which are committed."""
    folder = copy_workspace(prepared_project, tmp_path_factory.mktemp("secret") / "sprout")
    (folder / "src/vault.py").write_text(SOURCE)
    for name, text in CONFIGS.items():
        (folder / "conf" / name).write_text(text)
    commit_all(folder)
    return Workspace(folder)


def found_in(folder: Path) -> dict[str, list[str]]:
    """The secrets in the files of a folder, by file; in archives, databases and Git's objects too."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and (secrets := list(secrets_in(readings(path)))):
            found[str(path)] = secrets
    return found


def readings(path: Path) -> Iterator[bytes]:
    """The content of a file, as it is and unpacked."""
    data = path.read_bytes()
    yield data
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from map(archive.read, archive.namelist())
    elif data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    elif data[:6] == b"SQLite":
        with contextlib.closing(sqlite3.connect(path)) as database:
            yield "\n".join(database.iterdump()).encode()
    elif data[:1] == b"\x78":
        with contextlib.suppress(zlib.error):
            yield zlib.decompress(data)


def secrets_in(contents: Iterator[bytes]) -> Iterator[str]:
    """The secrets in these contents, however they are encoded."""
    whole = b"\n".join(contents)
    for secret in SECRETS:
        forms = {secret, unquote(secret), quote(secret), quote(secret, safe="")}
        encoded = [base64.b64encode(form.encode()).rstrip(b"=") for form in forms]
        if any(form in whole for form in [*(form.encode() for form in forms), *encoded]):
            yield secret


def test_a_download_behind_a_login(workspace: Workspace) -> None:
    with site(ARCHIVE) as it:
        host = it.address.removeprefix("http://")
        user, password, path, signature = (OTHERS[part] for part in ("mirror", "portal", "folder", "signed"))
        mirror = f"http://{user}:{password}@{host}/{path}/f?sig={signature}"
        workspace.configure(*(line.replace("SITE/", f"{host}/") for line in URLS))
        it.faults += [refuse(404), refuse(403)]
        refused = workspace.run("dvc", "repro", "download", code=255, MIRROR=mirror)
        assert "${oc.env:MIRROR}: HTTP 404" in refused
        assert "http://${oc.env:SITE_USER}:${oc.env:SITE_PASSWORD}@" in refused
        it.faults += [refuse(404)]
        workspace.run("dvc", "repro", "download", MIRROR=mirror)
    assert it.asked[-1]["Authorization"] == f"Basic {LOGIN}"
    assert (workspace.folder / "data/raw/f.zip").read_bytes() == ARCHIVE
    assert "${oc.env:SITE_TOKEN}" in (workspace.folder / "dvc.lock").read_text()


def test_a_build_of_classes_that_take_secrets(workspace: Workspace) -> None:
    workspace.configure(*BUILD)
    with (workspace.folder / "src/vault.py").open("a") as file:
        file.write(f"HOST = 'https://me:{FILES['code']}@host/x'\n")
    workspace.run("dvc", "repro", code=255, SOURCE_HEADER=OTHERS["broken"])
    workspace.run("dvc", "repro")
    workspace.run("sprout", "train", "train.seed=1", code=1, MODEL_KEY=OTHERS["failing"], EPOCHS="20")
    workspace.run("sprout", "sweep", "~sweep.space.model", "sweep.trials=1")
    assert "no access with ${oc.env:MODEL_KEY}" in workspace.printed
    for words in (["config"], ["summary"], ["show", "teacher"], ["result"]):
        workspace.run("sprout", *words)
    store = f"http://me:{OTHERS['store']}@127.0.0.1:9"
    workspace.run("sprout", "runs", code=2, MLFLOW_TRACKING_URI=store)
    model = (workspace.folder / "models/teacher/model.json").read_text()
    assert "${oc.env:MODEL_KEY}" in model
    runs = b"".join(readings(workspace.folder / "mlruns/mlflow.db"))
    assert b"no access with ${oc.env:MODEL_KEY}" in runs
    lock = (workspace.folder / "dvc.lock").read_text()
    workspace.run("dvc", "repro", **dict.fromkeys(ENVIRONMENT, "another"))
    assert (workspace.folder / "dvc.lock").read_text() == lock


REFUSED = [
    "download.urls=[https://me:{password}@host/f.zip]",
    "download.urls=[https://{username}@host/f.zip]",
    "download.urls=['https://host/f.zip?access_token={access}']",
    "download.urls=['https://host/f.zip?X-Amz-Date=1&X-Amz-Signature={presigned}']",
    "download.args.api_key={key}",
    "download.args.api_key={misspelt},",
]


def test_a_secret_that_is_written_out_is_refused(workspace: Workspace) -> None:
    """Also by DVC, which therefore records no such override; `params.yaml` is the user's to correct."""
    given = [override.format(**LITERAL) for override in REFUSED]
    for override in (given[0], given[-1]):
        workspace.configure("download=archive", override)
        workspace.run("dvc", "repro", "compose", code=255)
    workspace.configure()
    for override in given:
        workspace.run("sprout", "config", override, code=2)
    for command in ("train", "sweep"):
        workspace.run("sprout", command, given[0], code=2)


def test_none_is_found(workspace: Workspace) -> None:
    """After all of the above: in no file of the workspace and beside it, and in nothing that was printed."""
    conf = workspace.folder / "conf/download/own.yaml"
    conf.write_text(f"source: url\nurls: ['https://me:{FILES['conf']}@host/f']\n")
    workspace.configure("download=own")
    workspace.run("dvc", "repro", "compose", code=255)
    conf.unlink()
    workspace.run("sprout", "check", f"https://me:{FILES['argument']}@host/f.zip", code=2)
    vault = workspace.folder / "src/vault.py"
    vault.write_text(vault.read_text().replace(FILES["code"], ""))
    assert list(secrets_in(iter([workspace.printed.encode()]))) == []
    assert found_in(workspace.folder.parent) == {}


def test_the_search_finds_them(tmp_path: Path) -> None:
    """In each kind of file."""
    secret = ENVIRONMENT["SITE_USER"].encode()
    (tmp_path / "plain").write_bytes(b"x" + secret)
    (tmp_path / "gzip").write_bytes(gzip.compress(secret))
    (tmp_path / "git").write_bytes(zlib.compress(secret))
    with zipfile.ZipFile(tmp_path / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner", secret)
    with contextlib.closing(sqlite3.connect(tmp_path / "sqlite")) as database:
        database.execute("CREATE TABLE t AS SELECT ? AS x", [secret.decode()])
        database.commit()
    assert {Path(path).name for path in found_in(tmp_path)} == {"plain", "gzip", "git", "zip", "sqlite"}
