"""Stage `compose`: params.yaml and conf/ become build/config.yaml."""

import sys
from pathlib import Path

from sprout.core.atomic import whole_file
from sprout.core.stage import run_stage
from sprout.core.workspace import BUILD, read_params
from sprout.settings.compose import compose_config


def main() -> None:
    params = read_params()
    composed = compose_config(Path("conf"), params.experiment, params.overrides)
    with whole_file(BUILD) as path:
        path.write_text(composed.text, encoding="utf-8")
    if params.overrides:
        print(f"compose: {params.experiment} with {', '.join(params.overrides)} (params.yaml)", file=sys.stderr)


if __name__ == "__main__":
    run_stage(main)
