"""Secrets in texts, and settings that environment variables give."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from sprout.config.compose import compose_config, compose_open
from sprout.config.environment import call_arguments, with_environment
from sprout.config.literal_secrets import refuse_literal_secrets
from sprout.config.train import read_training
from sprout.config.workspace import Build
from sprout.runtime import secrets
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.secrets import hidden, is_secret_name, redacted, remember
from sprout.tracking.lineage import without_secrets

CONF = Path("conf")


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "VALUES", {})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:pw@host/f.zip", "https://***@host/f.zip"),
        ("https://me:p@w@host/f", "https://***@host/f"),
        ("https://me:p/w@host/f", "https://***@host/f"),
        ("https://TOKEN@host/f and http://TOKEN:@host", "https://***@host/f and http://***@host"),
        ("['s3://id:key@bucket/x','ssh://me:pw@host/x']", "['s3://***@bucket/x','ssh://***@host/x']"),
        ("https:/me:pw@host/f.zip: not found", "https:/***@host/f.zip: not found"),
        ("Max retries exceeded with url: /f?token=a%2Fb&page=2", "Max retries exceeded with url: /f?token=***&page=2"),
        ("?X-Amz-Credential=A%2F1&X-Amz-Signature=0f", "?X-Amz-Credential=***&X-Amz-Signature=***"),
        ("?sv=2024&sig=a%3D&AWSAccessKeyId=A&apikey=b", "?sv=2024&sig=***&AWSAccessKeyId=***&apikey=***"),
        ("no access with hf_" + "a" * 30, "no access with ***"),
        ("a AKIA0123456789ABCDEF b", "a *** b"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- x", "*** x"),
        ("args.token=abc: is wrong; https://host?sig=ab.", "args.token=***: is wrong; https://host?sig=***."),
        ("{'password': 'a b', 'n': 1}", "{'password': '***', 'n': 1}"),
        ('{"headers": {"Authorization": "Bearer a.b"}}', '{"headers": {"Authorization": "Bearer ***"}}'),
        ("download.args={api_key: abc, n: 1}", "download.args={api_key: ***, n: 1}"),
    ],
)
def test_secrets_are_recognised(text: str, shown: str) -> None:
    assert hidden(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://host:8080/a@b?email=me@host&page=2&tokenize=1",
        "http://[::1]:9/a@b",
        "ssh://me@host/x git@github.com:a/b",
        "sqlite:////tmp/a@b.db sqlite:///a@b.db file:///a@b",
        "https://${oc.env:USER,ann}:${oc.env:PASSWORD}@host?token=${oc.env:TOKEN}",
        "https://{user}:{self.password}@host https://<user>:<password>@host",
        "token: is missing; the password is asked for, token='${oc.env:TOKEN}'",
        "tokenizer=abc num_tokens=3 key_points=1 pad_token=[PAD] token=anon password = getpass()",
    ],
)
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert hidden(text) == text


@pytest.mark.parametrize("text", ["a.b-", "token", "token='", "a:/", "?key;", "https://", "${oc.env:A}", "${oc.env:"])
def test_a_long_text_is_searched_at_once(text: str) -> None:
    begun = time.perf_counter()
    hidden(f"https://{text * 2000} @ {text * 2000}@")
    assert time.perf_counter() - begun < 5


def test_names_of_secrets() -> None:
    names = "token password dbPassword apiKey API_KEY hf_token HF_TOKEN accessToken client_secret Authorization cookie"
    assert [name for name in names.split() if not is_secret_name(name)] == []
    others = "tokenizer num_tokens tokens key_points key keys eos_token mask_token secret_dim auth monkey passing"
    assert [name for name in others.split() if is_secret_name(name)] == []


def test_a_value_of_the_environment_is_hidden_however_it_is_quoted() -> None:
    remember("p@ss w'rd/\\1", "${oc.env:PW}")
    for form in ("p@ss w'rd/\\1", "p%40ss%20w%27rd%2F%5C1", "p%40ss+w%27rd%2F%5C1", '"p@ss w\'rd/\\\\1"'):
        assert "w" not in hidden(f"<{form}>").replace("PW", "")
    remember("https://me:hunter2@host/long/path?sig=abcd&n=1", "${oc.env:URL}")
    assert hidden("hunter2, /long/path?sig=abcd&n=1, abcd") == "${oc.env:URL}, ${oc.env:URL}, ${oc.env:URL}"


def test_a_short_value_is_hidden_as_a_word_and_a_shorter_one_is_none() -> None:
    remember("auto", "${oc.env:DEVICE}")
    remember("2", "${oc.env:THREADS}")
    assert hidden("accelerator=auto, autoencoder, 2 threads") == "accelerator=${oc.env:DEVICE}, autoencoder, 2 threads"


def test_errors_and_output_of_a_process_have_no_secrets() -> None:
    """Tracebacks, and what a handler of logging prints that was made before."""
    code = (
        "import logging, sys, warnings; logging.basicConfig()\n"
        "from sprout.runtime.signals import exit_codes\n"
        "from sprout.runtime.secrets import remember\n"
        "with exit_codes():\n"
        "    remember('hunter22', '${oc.env:PW}')\n"
        "    print('hunter22', 'https://me:hunter3@host'); logging.warning('hunter22'); warnings.warn('hunter22')\n"
        "    raise ValueError('at https://me:hunter22@host/f?token=hunter4')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "${oc.env:PW} https://***@host\n")
    assert "hunter" not in done.stderr.replace("remember('hunter", "")
    assert "ValueError: at https://me:${oc.env:PW}@host/f?token=***" in done.stderr
    assert done.stderr.count("${oc.env:PW}") == 3


def test_an_errors_line_has_no_secrets() -> None:
    assert one_line(ValueError("no\nanswer from https://me:pw@host")) == "no answer from https://***@host"


def test_a_patch_keeps_its_lines_and_says_what_was_taken() -> None:
    patch = "diff --git a/x b/x\n-a = 'https://me:pw@host'\n+token = tokens[0]\n"
    taken = "redacted: secrets of the patch, which may not apply\n"
    assert without_secrets(patch) == taken + patch.replace("me:pw", "***")
    assert without_secrets("+password = 'see above'\n") == "+password = 'see above'\n"


# settings


def composed(*overrides: str, experiment: str = "digits"):
    return compose_config(CONF, experiment, overrides)


def test_a_variable_stays_in_the_text_and_is_read_by_the_stage(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPROUT_EPOCHS", "7")
    made = composed("train.epochs='${oc.decode:${oc.env:SPROUT_EPOCHS}}'", "retrain.epochs=${train.epochs}")
    text = "${oc.decode:${oc.env:SPROUT_EPOCHS}}"
    assert made.config["train"]["epochs"] == made.config["retrain"]["epochs"] == text
    build = Build(made.text, made.config)
    assert [read_training(build, name).epochs for name in ("train", "retrain")] == [7, 7]  # type: ignore[union-attr]
    monkeypatch.setenv("SPROUT_EPOCHS", "8")
    assert composed("train.epochs='${oc.decode:${oc.env:SPROUT_EPOCHS}}'", "retrain.epochs=${train.epochs}") == made
    assert read_training(build, "train").epochs == 8  # type: ignore[union-attr]
    assert OmegaConf.create({"x": "${oc.env:SPROUT_EPOCHS}"}).x == "8"


@pytest.mark.parametrize(
    "text",
    [
        "${oc.env:SPROUT_A}",
        "x-${oc.env:SPROUT_A}/y",
        "${oc.env:SPROUT_NOT_SET,plain}",
        "${oc.env:SPROUT_NOT_SET,'a b,c'}",
        "${oc.env:SPROUT_NOT_SET,'it\\'s'}",
        "${oc.env:SPROUT_NOT_SET,null}",
        "${oc.env:SPROUT_NOT_SET,${oc.env:SPROUT_A}}",
        "${oc.decode:${oc.env:SPROUT_NUMBER}}",
        "${oc.decode:'[${oc.env:SPROUT_NUMBER},2]'}",
    ],
)
def test_what_is_written_means_the_same(project: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SPROUT_A", "value a")
    monkeypatch.setenv("SPROUT_NUMBER", "3")
    own = {"source": "target", "target": "a.B", "args": {"x": text}}
    (CONF / "download/own.yaml").write_text(yaml.safe_dump(own))
    kept = composed("download=own").config["download"]["args"]["x"]
    assert "${oc." in kept
    expected = OmegaConf.to_container(OmegaConf.create({"x": text}), resolve=True)
    assert call_arguments("download.args", {"x": kept}) == expected


def test_arguments_of_own_classes_are_read_when_they_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a model card holds no value."""
    monkeypatch.setenv("SPROUT_A", "value")
    values = {"name": "${oc.env:SPROUT_A}", "args": {"key": ["${oc.env:SPROUT_A}"]}}
    assert with_environment("model", values) == values | {"name": "value"}
    assert with_environment("model", values, arguments=True) == {"name": "value", "args": {"key": ["value"]}}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("download.name=${oc.env:SPROUT_A}", 'download.name="${oc.env:SPROUT_A}": should be'),
        ("train.epochs=${oc.env:SPROUT_A}", 'train.epochs="${oc.env:SPROUT_A}": should be a valid integer'),
        ("train.method.kind=${oc.env:SPROUT_A}", 'train.method.kind="${oc.env:SPROUT_A}": unknown'),
        ("train.optimizer={name: x, y: '${oc.env:SPROUT_A}'}", 'train.optimizer.y="${oc.env:SPROUT_A}": no such key'),
        ("download.name=${oc.env:SPROUT_B}", "the environment variable SPROUT_B is not set"),
        ("train.optimizer.args.x=${oc.env:SPROUT_B}", "the environment variable SPROUT_B is not set"),
        ("train.epochs='${oc.decode:${oc.env:SPROUT_C}}'", 'train.epochs="${oc.decode:${oc.env:SPROUT_C}}": '),
    ],
)
def test_a_value_of_the_environment_is_checked_and_not_shown(
    project: Path, monkeypatch: pytest.MonkeyPatch, override: str, said: str
) -> None:
    monkeypatch.setenv("SPROUT_A", "hunter2")
    monkeypatch.setenv("SPROUT_C", "[hunter2")
    with pytest.raises(UserError) as refused:
        composed(override)
    assert said in str(refused.value)
    assert override.partition("=")[0] in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_the_list_of_experiments_needs_no_variable(project: Path) -> None:
    (CONF / "download/own.yaml").write_text("source: sklearn\nname: ${oc.env:SPROUT_NOT_SET}\n")
    file = CONF / "experiment/digits.yaml"
    file.write_text(file.read_text().replace("defaults:\n", "defaults:\n  - override /download: own\n", 1))
    assert compose_open(CONF, "digits")["download"]["name"] == "${oc.env:SPROUT_NOT_SET}"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"urls": ["https://me:hunter2@host/file.zip"]},
            'download.urls="https://***@host/file.zip": .* write "https://${oc.env:USER}:${oc.env:PASSWORD}@host/file.zip"',
        ),
        ({"urls": ["https://hunter2@host/f"]}, 'write "https://${oc.env:TOKEN}@host/f"'),
        ({"mirror": "https://me:${oc.env:PW,hunter2}@host"}, 'download.mirror="https://***@host"'),
        (
            {"urls": ["https://host/f?v=1&X-Amz-Signature=hunter2"]},
            'f?v=1&X-Amz-Signature=***": .* write "https://host/f?v=1&X-Amz-Signature=${oc.env:X_AMZ_SIGNATURE}"',
        ),
        ({"args": {"api_key": "hunter2"}}, 'download.args.api_key="***": .* write "${oc.env:API_KEY}"'),
        ({"args": {"headers": {"Authorization": "Bearer hunter2"}}}, 'download.args.headers.Authorization="***"'),
        ({"args": {"x": [{"hubToken": "hunter2"}]}}, "download.args.x.hubToken"),
        ({"args": {"https://me:hunter2@host": 1}}, 'download.args="https://***@host"'),
        ({"args": {"header": "hf_" + "hunter2" * 5}}, 'download.args.header="***"'),
    ],
)
def test_a_secret_that_is_written_out_is_refused(values: object, said: str) -> None:
    with pytest.raises(UserError) as refused:
        refuse_literal_secrets("download", values)
    for part in said.split(" .* "):
        assert part in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_nothing_else_is_refused() -> None:
    arguments = {"tokenizer": "bert", "num_tokens": "3", "pad_token": "[PAD]", "token": "anon", "password": None}
    environment = {
        "token": "${oc.env:T}",
        "secret": "${oc.env:T,null}",
        "headers": {"Authorization": "Bearer ${oc.env:T}"},
    }
    urls = ["https://me:${oc.env:PW}@host", "s3://bucket/x", "ssh://me@host/x", "https://host/?page=2", "a@b.c"]
    refuse_literal_secrets("download", {"urls": urls, "args": arguments | environment})


@pytest.mark.parametrize("given", ["x.token=hunter2,b", "x.token=hunter2 'b", "x=https://me:hunter2@host,b", "x={"])
def test_an_override_that_cannot_be_parsed_is_shown_without_its_secret(project: Path, given: str) -> None:
    with pytest.raises(UserError, match=r"^override \"x") as refused:
        composed(given)
    assert "hunter2" not in str(refused.value)


def test_redacting_by_itself_needs_no_memory() -> None:
    """The name of a store on disk is the same in every process."""
    remember("host", "${oc.env:HOST}")
    assert redacted("http://host/x?api_key=abc&timeout=5") == "http://host/x?api_key=***&timeout=5"
