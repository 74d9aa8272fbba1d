"""`sprout label`: a person labels the images of the pool that would teach most."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sprout.commands.terminal import CONF

if TYPE_CHECKING:
    from sprout.config.label import Label
    from sprout.label.standing import Standing

Settings = Annotated[list[str] | None, typer.Argument(metavar="[OVERRIDE...]", help="such as label=margin")]
Format = Literal["csv", "label-studio"]
EXPORTED = 100
"""Images, unless the user says otherwise."""


def label(
    overrides: Settings = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="of the page; 0 takes a free one")] = 8001,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write images to label for another tool, and show no page")
    ] = None,
    take: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="take the answers of another tool, and show no page")
    ] = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="of FILE; default: by its suffix, .csv or .json (Label Studio)")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="images to export, at most; default: 100", show_default=False)
    ] = None,
) -> None:
    """Show images of the pool and write what a person says of them. The next `dvc repro` trains with the answers."""
    from sprout.runtime.errors import UserError
    from sprout.runtime.workspace import enter_workspace

    here = enter_workspace()
    if export and take:
        raise UserError("--export, --import: one at a time; give either")
    if count is not None and not export:
        raise UserError(f"--count {count}: says how many images to export; add --export FILE, or leave it out")
    if format_ is not None and not export and not take:
        raise UserError(f"--format {format_}: is that of a file; add --export FILE or --import FILE, or leave it out")
    standing, strategy = open_standing(overrides or [])
    if export:
        from sprout.label.exchange import format_of, write_tasks

        print(write_tasks(here / export, format_of(export, format_), standing, strategy, count or EXPORTED))
    elif take:
        from sprout.label.exchange import format_of, read_tasks

        print(read_tasks(here / take, format_of(take, format_), standing))
    else:
        from sprout.label.server import run

        run(standing, strategy, port)


def open_standing(overrides: list[str]) -> "tuple[Standing, Label]":
    """Open the images of the last build and their answers, and how to choose among them.

    Raises:
        UserError: there is no build, or one of other settings; or the answers are damaged.
    """
    from sprout.config.compose import compose_config
    from sprout.config.download import DOWNLOADS
    from sprout.config.label import LABELS
    from sprout.config.made_with import made_with, refuse_other_data, refuse_without_effect
    from sprout.config.prepare import Prepare
    from sprout.config.validate import choice, section
    from sprout.config.workspace import read_params
    from sprout.data.prepare.answers import answers_file
    from sprout.label.answers import AnswerFile, user_name
    from sprout.label.images import open_images
    from sprout.label.standing import Standing

    params = read_params()
    composed = compose_config(CONF, params.experiment, [*params.overrides, *overrides])
    refuse_without_effect(composed, len(params.overrides), "sprout label", ("label",))
    refuse_other_data(composed, {"prepare": made_with()["prepare"]}, params)
    download = choice("download", composed.whole["download"], "source", DOWNLOADS)
    images = open_images(download, section("prepare", composed.whole["prepare"], Prepare))
    standing = Standing(images, AnswerFile(answers_file(download)), user_name())
    return standing, choice("label", composed.whole["label"], "strategy", LABELS)
