from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SKIPPED = """
import pytest

def test_skips():
    pytest.skip("not today")

@pytest.mark.xfail
def test_known_to_fail():
    assert False
"""


@pytest.mark.parametrize(("ci", "outcome"), [("true", "1 failed, 1 xfailed"), ("", "1 skipped")])
def test_a_skip_fails_in_ci_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: str
) -> None:
    test = tmp_path / "test_it.py"
    test.write_text(SKIPPED)
    monkeypatch.setenv("CI", ci)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", "pyproject.toml", str(test)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert outcome in done.stdout
