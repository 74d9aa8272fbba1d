"""The two config files of an experiment on a person's own data, as text."""

from typing import Any

import yaml

from sprout.data.importing.choices import Choices

COMMENTS = {
    ("prepare", "size"): "Height and width in pixels.",
    ("prepare", "resize"): "fit shows the whole image on black, crop fills the frame, none refuses other sizes.",
    ("prepare", "channels"): "1 is grey, 3 is colour.",
    ("prepare", "test"): "A share or a number to draw; null means the data's own part.",
    ("prepare", "labels"): "How many keep their label, to see what the others are good for; null means all.",
    (
        "train",
        "transforms",
    ): "The share of images to mirror: 0.0 where left and right make a difference, as in writing.",
}
"""What is said above a setting."""


class Dumper(yaml.SafeDumper):
    """Writes YAML that Hydra reads as it was meant."""


def represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Anything but plain words stands in quotes; `${` begins no reference."""
    plain = text.replace("_", "").replace("/", "").isalpha() and text.isascii()
    escaped = text.replace("${", "\\${")
    return dumper.represent_scalar("tag:yaml.org,2002:str", escaped, style=None if plain else '"')


Dumper.add_representer(str, represent_text)


def download_text(name: str, form: dict[str, Any], described: str) -> str:
    """`conf/download/NAME.yaml`."""
    lines = [
        f"# Your own data in data/source/{name}: {described}.",
        "source: local",
        f"name: {in_yaml(name)}",
        "form:",
        *(f"  {key}: {in_yaml(value)}" for key, value in form.items()),
    ]
    return "\n".join(lines) + "\n"


def experiment_text(name: str, chosen: Choices, described: str, command: str) -> str:
    """`conf/experiment/NAME.yaml`; see `settings.catalogue.read_head` for its head."""
    lines = [
        "# @package _global_",
        f"# Your own data in data/source/{name}: {described}.",
        f"# command: {command}",
        "# result: not measured yet",
        "# time: not measured yet",
        "defaults:",
        *(f"  - override {group}: {file}" for group, file in {"/download": name, **chosen.files}.items()),
    ]
    for section in ("prepare", "model", "train"):
        lines += section_lines(section, getattr(chosen, section))
    return "\n".join(lines) + "\n"


def section_lines(section: str, settings: dict[str, Any]) -> list[str]:
    """One section, each setting with what is said above it."""
    if not settings:
        return []
    lines = ["", f"{section}:"]
    for key, value in settings.items():
        if comment := COMMENTS.get((section, key)):
            lines.append(f"  # {comment}")
        if isinstance(value, dict):
            lines += [f"  {key}:", *(f"    {inner}: {in_yaml(given)}" for inner, given in value.items())]
        else:
            lines.append(f"  {key}: {in_yaml(value)}")
    return lines


def in_yaml(value: Any) -> str:
    """A value as YAML in one line, however long."""
    text: str = yaml.dump(value, Dumper=Dumper, allow_unicode=True, width=10**9, default_flow_style=True)
    return text.removesuffix("...\n").strip()
