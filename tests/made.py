"""When and where the pages of tests are made."""

from sprout.report.made import Made, Recorded

RECORDED = Recorded(
    run="0123456789abcdef0123456789abcdef",
    address=None,
    machines=("Example CPU, 2 cores",),
    trainings=3,
    timed=3,
    seconds=83.0,
)
MADE = Made(
    "2026-01-02 03:04+00:00", "c0ffee0123456789", changed=False, machine="Another CPU, 1 core", recorded=RECORDED
)
