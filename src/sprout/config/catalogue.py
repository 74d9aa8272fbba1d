"""The experiments that there are, each with what its file's head says of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sprout.config.compose import compose_open, experiments


@dataclass(frozen=True)
class Entry:
    """One experiment, as a person chooses it."""

    name: str
    data: str
    labels: str
    model: str
    result: str
    time: str


def catalogue(conf: Path) -> Iterator[Entry]:
    """Every experiment, as it stands."""
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
    """The network in a few words."""
    if model["name"] == "target":
        return str(model["target"])
    layers = [*model.get("channels", model.get("widths", [])), *model.get("hidden", [])]
    return f"{model['name']} {'-'.join(map(str, layers))}".rstrip()


def read_head(path: Path) -> dict[str, str]:
    """The lines `# key: text` before the first line that is no comment; a deeper line goes on."""
    found: dict[str, str] = {}
    key = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        text = line.removeprefix("#")
        word, colon, rest = text.partition(":")
        if colon and word.strip().isalpha() and not text.startswith("   "):
            key = word.strip()
            found[key] = rest.strip()
        elif key and text.startswith("   "):
            found[key] += " " + text.strip()
        else:
            key = ""
    return found
