"""Stage `compose`: composes build/config.yaml from params.yaml and conf/, and beside it where tasks run."""

import sys
from pathlib import Path

import yaml

from sprout.config.cluster import CLUSTER
from sprout.config.compose import compose_config
from sprout.config.workspace import BUILD, read_params
from sprout.runtime.files import atomic_write
from sprout.runtime.stage import run_stage


def main() -> None:
    params = read_params()
    composed = compose_config(Path("conf"), params.experiment, params.overrides)
    with atomic_write(BUILD) as path:
        path.write_text(composed.text, encoding="utf-8")
    with atomic_write(CLUSTER) as path:
        path.write_text(yaml.safe_dump(composed.outside["cluster"], sort_keys=False), encoding="utf-8")
    if params.overrides:
        print(f"compose: {params.experiment} with {', '.join(params.overrides)} (params.yaml)", file=sys.stderr)


if __name__ == "__main__":
    run_stage(main)
