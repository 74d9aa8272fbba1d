"""The list of experiments, each with the description at the top of its file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sprout.config.compose import compose_open, experiments


@dataclass(frozen=True)
class Entry:
    """One experiment in the list."""

    name: str
    data: str
    labels: str
    model: str
    result: str
    time: str


def catalogue(conf: Path) -> Iterator[Entry]:
    """Yield an entry for each file of `conf/experiment/`."""
    for name in experiments(conf):
        config = compose_open(conf, name)
        head = read_head(conf / "experiment" / f"{name}.yaml")
        source, labels = config["download"], config["prepare"]["labels"]
        yield Entry(
            name,
            data=source.get("name", source["source"]),
            labels="all" if labels is None else str(labels),
            model=describe_model(config["model"]),
            result=head.get("result", "not measured"),
            time=head.get("time", "not measured"),
        )


def describe_model(model: dict[str, Any]) -> str:
    """Return the name of a network and the widths of its layers."""
    if model["name"] == "target":
        return str(model["target"])
    layers = [*model.get("channels", model.get("widths", [])), *model.get("hidden", [])]
    return f"{model['name']} {'-'.join(map(str, layers))}".rstrip()


def read_head(path: Path) -> dict[str, str]:
    """Return the `# key: text` comments at the top of a file; more deeply indented comments continue the text."""
    head: dict[str, str] = {}
    key = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        text = line.removeprefix("#")
        word, colon, rest = text.partition(":")
        if colon and word.strip().isalpha() and not text.startswith("   "):
            key = word.strip()
            head[key] = rest.strip()
        elif key and text.startswith("   "):
            head[key] += " " + text.strip()
        else:
            key = ""
    return head
