"""The CPU kernels of a process: what the settings choose, and how those of other machines are refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sprout.runtime import cpu_kernels as module
from sprout.runtime.cpu_kernels import FLAGS, VARIABLES, Kernels, check_supported, cpu_flags, own_kernels
from sprout.runtime.errors import UserError
from sprout.runtime.ray_compute import refuse_others

MINE = Kernels("head", "AVX512", "a")
SCRIPT = """
import sys
from sprout.config.cluster import Ray
Ray("ray", "auto", None, None, "default").with_kernels()
from sprout.runtime.cpu_kernels import own_kernels
print(own_kernels().capability, own_kernels().probe, *sys.argv[1:])
"""


def test_machines_of_the_same_kernels_are_taken() -> None:
    refuse_others([MINE, Kernels("other", "AVX512", "a")], MINE)
    refuse_others([], MINE)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (
            [Kernels("b", "AVX2", "b"), Kernels("c", "DEFAULT", "c"), MINE],
            r"b \(AVX2\), c \(DEFAULT\) would .*=default,",
        ),
        ([Kernels("b", "AVX2", "b"), Kernels("b", "AVX2", "b")], r"b \(AVX2\) would .*head \(AVX512\).*=avx2, or"),
        ([Kernels("b", "AVX512", "b")], r"b \(AVX512\) would .*head \(AVX512\)"),
    ],
)
def test_machines_of_other_kernels_are_named_with_what_all_have(others: list[Kernels], message: str) -> None:
    with pytest.raises(UserError, match=rf"^cluster\.engine=ray: {message}"):
        refuse_others(others, MINE)


def test_a_cpu_without_what_is_set_is_refused_before_it_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx512")
    (tmp_path / "cpuinfo").write_text("processor: 0\nflags\t\t: fpu avx2 fma avx512f avx512bw\n")
    monkeypatch.setattr(module, "CPU_INFO", tmp_path / "cpuinfo")
    message = rf"^cluster\.cpu_capability=avx512: the CPU of {os.uname().nodename} has no avx512dq, avx512vl; accepted"
    with pytest.raises(UserError, match=message):
        check_supported()
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    check_supported()


def test_each_capability_sets_the_same_variables() -> None:
    assert {frozenset(variables) for variables in VARIABLES.values()} == {frozenset(VARIABLES["default"])}
    assert list(VARIABLES) == list(FLAGS)


@pytest.mark.slow
def test_a_process_starts_anew_with_the_kernels_that_are_set(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES["default"]}
    found = subprocess.run(
        [sys.executable, "script.py", "word"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    capability, probe, word = found.stdout.split()
    assert (capability, word) == ("DEFAULT", "word")
    if "avx2" in cpu_flags():
        assert probe != own_kernels().probe, "without AVX2 other bits come out"
