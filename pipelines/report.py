"""Stage `report`: writes the report page from the outputs of the other stages."""

from pathlib import Path

from sprout.config.results import Report
from sprout.config.workspace import read_build, section
from sprout.report import write_report
from sprout.runtime.stage import run_stage


def main() -> None:
    build = read_build()
    headline = write_report(
        Path("reports/index.html"),
        config=build.config,
        build=build.name,
        prepared=Path("data/prepared"),
        pseudo_labels=Path("data/pseudo_labels"),
        models=Path("models"),
        evaluation=Path("reports/evaluation"),
        examples=section(build, "report", Report).examples,
    )
    print(f"{headline}; reports/index.html")


if __name__ == "__main__":
    run_stage(main)
