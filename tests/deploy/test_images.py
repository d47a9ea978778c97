"""The Dockerfile: lint-clean, locked, non-root, and usable by everything that starts a container from it."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.manifests import BRIDGE_PORT, KUBERAY
from tests.support.paths import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-model.lock", "cluster/requirements.lock")


def _hadolint(path: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("hadolint")
    return subprocess.run([tool, "--no-color", path], capture_output=True, text=True, timeout=60, check=False)


def _stages() -> dict[str, tuple[str, list[str]]]:
    """Name of each stage, with the image it stands on and its instructions."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)
    text = text.replace("\\\n", " ")
    found: dict[str, tuple[str, list[str]]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        stage = re.fullmatch(r"FROM (\S+) AS (\S+)", line)
        if stage:
            current: list[str] = []
            found[stage.group(2)] = (stage.group(1), current)
        else:
            current.append(line)
    return found


def _instructions(stage: str) -> list[str]:
    """The instructions that make a stage's image, those of its own stages first."""
    stages = _stages()
    below, own = stages[stage]
    return [*(_instructions(below) if below in stages else []), *own]


def _pins(lock: str) -> list[tuple[str, str]]:
    """Name and version of every locked requirement; one that differs by platform is there twice."""
    return re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", (ROOT / lock).read_text(), flags=re.MULTILINE)


def test_hadolint_has_nothing_to_say() -> None:
    done = _hadolint(ROOT / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_sees_a_careless_dockerfile(tmp_path: Path) -> None:
    careless = tmp_path / "Dockerfile"
    careless.write_text(DOCKERFILE.replace("FROM python:3.11-slim-bookworm", "FROM python:latest"))
    assert "DL3007" in _hadolint(careless).stdout


def test_every_image_stands_on_a_pinned_tag_or_a_stage() -> None:
    stages = _stages()
    outside = {image for image, _ in stages.values() if image not in stages}
    assert all(re.fullmatch(r"[\w./-]+:\d[\w.-]*", image) for image in outside), outside


@pytest.mark.parametrize("stage", ["prod", "dev", "vm"])
def test_the_image_runs_as_the_fixed_user(stage: str) -> None:
    users = [line for line in _instructions(stage) if line.startswith("USER ")]
    assert users == ["USER 1000:1000"]
    assert any("useradd --uid 1000" in line for line in _instructions(stage))
    assert _instructions(stage)[-1] == users[0], "nothing after USER may need root"


@pytest.mark.parametrize("stage", ["prod", "dev", "vm"])
def test_the_image_takes_a_command_from_whoever_starts_it(stage: str) -> None:
    # `ray up` runs `docker run IMAGE bash`, KubeRay replaces entrypoint and command, compose takes both as they are.
    assert 'ENTRYPOINT ["tini", "--"]' in _instructions(stage)
    assert 'CMD ["ganggpt", "up"]' in _instructions(stage)
    assert f"EXPOSE {BRIDGE_PORT}" in _instructions(stage)


def test_the_image_has_what_its_probes_and_ray_up_run() -> None:
    def installed(stage: str) -> set[str]:
        text = " ".join(line for line in _instructions(stage) if "apt-get install" in line)
        return set(re.findall(r"[a-z][a-z-]+", text))

    assert {"tini", "wget"} <= installed("prod")
    assert {"rsync", "openssh-client"} <= installed("vm")


def test_the_health_check_asks_whether_it_is_ready_so_that_no_outage_of_a_model_restarts_it() -> None:
    (check,) = (line for line in _instructions("prod") if line.startswith("HEALTHCHECK"))
    assert re.search(r"/health/ready\b", check)
    assert re.search(r'CMD \["python", "-c", ', check), "the exec form needs no shell"


def test_only_hashed_packages_are_installed() -> None:
    installs = [line for stage in _stages() for line in _instructions(stage) if "pip install" in line]
    assert installs
    for line in installs:
        assert "--require-hashes" in line or "--no-index --no-deps --no-build-isolation" in line, line


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_requirement_has_a_hash(lock: str) -> None:
    text = (ROOT / lock).read_text()
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(blocks) == len(_pins(lock)) > 0
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_vm_image_changes_no_version_of_the_runtime() -> None:
    runtime, vm = _pins("requirements.lock"), _pins("cluster/requirements.lock")
    known = {name for name, _ in runtime}
    assert {pin for pin in vm if pin[0] in known} <= set(runtime)
    assert "google-api-python-client" in dict(vm)


def _ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out of the build: the last line that matches decides."""
    parts = path.split("/")
    prefixes = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    verdict = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        wanted = pattern.lstrip("!").removeprefix("**/")
        loose = pattern.lstrip("!").startswith("**/")
        candidates = [*prefixes, *parts] if loose else prefixes
        if any(fnmatch.fnmatch(candidate, wanted) for candidate in candidates):
            verdict = not pattern.startswith("!")
    return verdict


def test_everything_that_is_copied_exists_and_reaches_the_build() -> None:
    copies = [line.split() for stage in _stages() for line in _stages()[stage][1] if line.startswith("COPY")]
    sources = {word for copy in copies if not copy[1].startswith("--from") for word in copy[1:-1]} - {"."}
    assert {"requirements.lock", "ganggpt", "worlds"} <= sources
    assert {source for source in sources if not (ROOT / source).exists()} == set()
    assert {source for source in sources if _ignored(source)} == set()


@pytest.mark.parametrize(
    "path", [".env", ".git/config", ".venv/bin/python", ".ganggpt/token", "k8s/kuberay/secret.yaml"]
)
def test_no_secret_and_no_local_state_reaches_the_build(path: str) -> None:
    assert _ignored(path)


def test_the_image_carries_the_serve_document_of_kubernetes() -> None:
    source = KUBERAY.relative_to(ROOT) / "serve-config.yaml"
    assert f"COPY {source} ./serve-config.yaml" in _instructions("prod")
