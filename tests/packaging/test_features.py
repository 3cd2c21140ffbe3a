"""The shell program with each single feature and without features: it builds, works, and names a missing feature."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from support.tree import ROOT
from support.tree import TARGET as SHARED

pytestmark = pytest.mark.features
#: A separate folder, because other tests need all features.
TARGET = SHARED / "features"
FEATURES = tomllib.loads((ROOT / "programs/cli/Cargo.toml").read_text())["features"]["default"]
#: Seconds; only a hang takes this long.
PATIENCE = 60


def cargo(command: str, *features: str, package: str = "linkspan-cli") -> None:
    """Runs cargo with only these features; warnings are errors."""
    chosen = ["--package", package, "--no-default-features", "--features", ",".join(features)]
    done = subprocess.run(
        ["cargo", command, "--quiet", "--locked", "--target-dir", str(TARGET), *chosen], cwd=ROOT, capture_output=True, text=True,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.parametrize("feature", FEATURES)
def test_program_builds_with_one_feature(feature: str) -> None:
    cargo("check", feature)


def test_core_converts_to_and_from_the_values_of_other_crates() -> None:
    features = "serde_json,ciborium,bson,ndarray,log"
    chosen = ["--package", "linkspan", "--features", features, "--lib", "--", "convert", "event_log"]
    done = subprocess.run(
        ["cargo", "test", "--locked", "--target-dir", str(TARGET), *chosen], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test result: ok. 5 passed" in done.stdout, done.stdout


@pytest.fixture(scope="module")
def small() -> Path:
    cargo("build")
    return TARGET / "debug/linkspan"


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "LINKSPAN_DIR": str(folder / "run"), "LINKSPAN_STATE_DIR": str(folder / "state")}


@pytest.mark.parametrize("endpoint", ["shm:lab/numbers", "tcp://127.83.1.7:21783"])
def test_program_without_features_sends_and_receives(small: Path, tmp_path: Path, endpoint: str) -> None:
    env = environment(tmp_path)
    (tmp_path / "run").mkdir(mode=0o700)
    with subprocess.Popen([small, "recv", endpoint, "--json"], env=env, stdout=subprocess.PIPE, text=True) as receiver:
        sent = subprocess.run([small, "send", endpoint, '{"n": 7}'], env=env, capture_output=True, text=True, timeout=PATIENCE)
        assert sent.returncode == 0, sent.stderr
        output, _ = receiver.communicate(timeout=PATIENCE)
    assert (receiver.returncode, output) == (0, '{"n":7}\n')


@pytest.mark.parametrize(
    ("command", "feature"),
    [
        (["controller", "--http", "127.0.0.1:0"], "web"),
        (["service", "page"], "web"),
        (["top"], "top"),
        (["keys", "show"], "tls"),
        (["keys", "trust", "lab2", "whatever is no key"], "tls"),
        (["send", "tcp://192.0.2.1:21783", "1"], "tls"),
        (["recv", "tcp://0.0.0.0:21783"], "tls"),
    ],
)
def test_program_without_features_names_the_missing_feature(small: Path, tmp_path: Path, command: list[str], feature: str) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    output = subprocess.run([small, *command], env=environment(tmp_path), capture_output=True, text=True, timeout=PATIENCE)
    assert output.returncode == 1, output
    assert "Unsupported" in output.stderr and re.search(rf"features? {feature}\b", output.stderr), output.stderr


@pytest.mark.parametrize(("engine", "other", "words"), [
    ("nats", "zenoh", ["--peer", "tcp/127.0.0.1:21784"]),
    ("zenoh", "nats", ["--engine", "nats", "--server", "nats://127.0.0.1:21784"]),
])
def test_bridge_with_one_engine_names_the_feature_of_the_other(tmp_path: Path, engine: str, other: str, words: list[str]) -> None:
    cargo("build", engine, package="linkspan-bridge")
    (tmp_path / "run").mkdir(mode=0o700)
    command = [TARGET / "debug/linkspan-bridge", "--import", "lab/*", *words]
    output = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, timeout=PATIENCE)
    assert output.returncode == 1, output
    assert "Unsupported" in output.stderr and f"--features {other}" in output.stderr, output.stderr
