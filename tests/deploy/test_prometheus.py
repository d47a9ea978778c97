"""The configuration and alerts for Prometheus that we ship: valid, about metrics that exist, and going off when due."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganggpt.observability.metrics import TABLE
from tests.support.debian import needs
from tests.support.promtool import checked

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "prometheus"
ALERTS = SHIPPED / "alerts.yml"
RULES: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]


def test_the_shipped_configuration_is_valid() -> None:
    assert "1 rule files found" in checked("config", SHIPPED / "prometheus.yml")
    assert f"{len(RULES)} rules found" in checked("rules", ALERTS)


def test_alerts_go_off_in_a_bad_night_and_none_in_a_quiet_world(tmp_path: Path) -> None:
    scenes = (ROOT / "tests" / "data" / "alerts_test.yml").read_text(encoding="utf-8")
    file = tmp_path / "scenes.yml"
    file.write_text(scenes.replace("  - ALERTS\n", f"  - {ALERTS}\n", 1), encoding="utf-8")
    done = subprocess.run(
        [needs("promtool"), "test", "rules", str(file)], capture_output=True, check=False, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_is_about_a_metric_that_exists_and_names_its_section_of_the_runbook(rule: dict[str, Any]) -> None:
    names = set(re.findall(r"ganggpt_\w+", rule["expr"]))
    assert names <= set(TABLE)
    assert names or rule["expr"].startswith("up{")
    page, anchor = rule["annotations"]["runbook"].split("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_what_a_counter_is_asked_is_its_growth() -> None:
    for rule in RULES:
        for name in re.findall(r"ganggpt_\w+", rule["expr"]):
            if TABLE[name].type == "counter":
                assert re.search(rf"(rate|increase)\({name}", rule["expr"]), rule["alert"]


def test_the_shipped_configuration_asks_one_address() -> None:
    config = yaml.safe_load((SHIPPED / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = config["scrape_configs"]
    assert [target for group in job["static_configs"] for target in group["targets"]] == ["127.0.0.1:22005"]
