"""The wheel includes the programs `linkspan` and `linkspan-schema`."""

import importlib.util
import pathlib
import subprocess
import sys
import venv
import zipfile

import pytest

BACKEND = pathlib.Path(__file__).resolve().parents[1] / "build_backend.py"
PROGRAM = "#!/bin/sh\necho the program\n"


@pytest.fixture
def backend():
    spec = importlib.util.spec_from_file_location("build_backend", BACKEND)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_wheel(path):
    """Writes a wheel like maturin's, with one module."""
    info = "sample-1.0.dist-info"
    files = {
        "sample.py": "x = 1\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(name, text)


def test_pip_puts_the_programs_of_the_wheel_on_the_path(backend, tmp_path, monkeypatch):
    programs = [tmp_path / "linkspan", tmp_path / "linkspan-schema"]
    for program in programs:
        program.write_text(PROGRAM)
    monkeypatch.setattr(backend, "build_programs", lambda: programs)

    def build_wheel(directory, config_settings, metadata_directory):
        write_wheel(pathlib.Path(directory) / "sample-1.0-py3-none-any.whl")
        return "sample-1.0-py3-none-any.whl"

    monkeypatch.setattr(backend.maturin, "build_wheel", build_wheel)
    name = backend.build_wheel(str(tmp_path))
    wheel = tmp_path / name
    with zipfile.ZipFile(wheel) as made:
        assert made.testzip() is None and "sample-1.0.data/scripts/linkspan" in made.namelist()

    venv.create(tmp_path / "fresh", with_pip=False)
    python = tmp_path / "fresh/bin/python"
    # pip checks RECORD's sizes and hashes.
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*command, "--disable-pip-version-check"], check=True)
    for program in programs:
        finished = subprocess.run([tmp_path / "fresh/bin" / program.name], capture_output=True, text=True, check=True)
        assert finished.stdout == "the program\n"


def test_source_tree_without_the_program_builds_the_module_alone(backend, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(backend, "WORKSPACE", tmp_path)
    monkeypatch.setattr(backend.maturin, "build_wheel", lambda *_: "sample.whl")
    assert backend.build_wheel(str(tmp_path)) == "sample.whl"
    assert "the module alone" in capsys.readouterr().err


def test_project_is_built_by_this_backend():
    text = (BACKEND.parent / "pyproject.toml").read_text()
    assert 'build-backend = "build_backend"' in text and 'backend-path = ["."]' in text
