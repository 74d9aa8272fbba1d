"""Stage `report`: writes the report page from the outputs of the other stages."""

from pathlib import Path

from sprout.config.results import Report
from sprout.config.workspace import read_build, section
from sprout.report import write_report
from sprout.report.made import made_now
from sprout.report.record import record_models, track_build
from sprout.runtime.stage import run_stage


def main() -> None:
    build = read_build()
    page, evaluation = Path("reports/index.html"), Path("reports/evaluation")
    record_models(build)
    headline = write_report(
        page,
        made=made_now(build),
        config=build.config,
        build=build.name,
        prepared=Path("data/prepared"),
        augmented=Path("data/augmented"),
        pseudo_labels=Path("data/pseudo_labels"),
        models=Path("models"),
        evaluation=evaluation,
        examples=section(build, "report", Report).examples,
    )
    track_build(build, evaluation, page, headline)
    print(f"{headline}; {page}")


if __name__ == "__main__":
    run_stage(main)
