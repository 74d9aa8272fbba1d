"""Stage `compose`: params.yaml and conf/ become build/config.yaml."""

from pathlib import Path

from sprout.running.atomic import whole_file
from sprout.running.stage import run_stage
from sprout.settings.compose import compose_config
from sprout.settings.workspace import BUILD, read_params


def main() -> None:
    params = read_params()
    composed = compose_config(Path("conf"), params.experiment, params.overrides)
    with whole_file(BUILD) as path:
        path.write_text(composed.text, encoding="utf-8")


if __name__ == "__main__":
    run_stage(main)
