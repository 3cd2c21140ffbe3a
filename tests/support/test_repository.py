"""Files for the repository's host: they parse, use the repository's commands, and pin dependencies."""

import re
import subprocess
import tomllib
from typing import Any

import pytest
import yaml
from support.tree import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(file for file in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if file.name != "config.yml")
FIELDS = {"markdown", "input", "textarea", "dropdown", "checkboxes"}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


def jobs(workflow):
    return yaml.safe_load(workflow.read_text())["jobs"]


def steps(workflow):
    return [step for job in jobs(workflow).values() for step in job["steps"]]


def commands(workflow) -> list[str]:
    found = []
    for job in jobs(workflow).values():
        values = job.get("strategy", {}).get("matrix", {}).get("command", [""])
        for step in job["steps"]:
            text = step.get("run", "")
            found += [text.replace("${{ matrix.command }}", value) for value in (values if "matrix.command" in text else [""])]
    return found


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_workflow_runs_commands_of_the_makefile_with_pinned_actions_and_few_rights(workflow):
    whole = yaml.safe_load(workflow.read_text())
    assert whole["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 180 for job in whole["jobs"].values())
    made = {word for text in commands(workflow) for word in re.findall(r"\bmake ([a-z-]+)", text)}
    assert made and made <= targets(), made - targets()
    for text in commands(workflow):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    # Pinned by commit with a version comment, because tags can move.
    uses = re.findall(r"uses: (.*)", workflow.read_text())
    assert len(uses) == sum("uses" in step for step in steps(workflow))
    assert [line for line in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_hosted_and_own_integration_run_the_same_commands():
    own = re.search(r"for command in (.*); do", (ROOT / ".ci/run").read_text())[1].split()
    hosted = jobs(GITHUB / "workflows/ci.yml")["command"]["strategy"]["matrix"]["command"]
    assert sorted(own) == sorted(hosted)


def test_workflow_of_releases_compares_builds_tests_and_attests():
    workflow = GITHUB / "workflows/release.yml"
    order = [step.get("run") or step.get("uses", "").split("@")[0] for step in steps(workflow)]
    wanted = ["make semver", "make dist", "make dist-test", "actions/attest-build-provenance"]
    assert [one for one in order if one in wanted] == wanted
    [checkout] = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"]["fetch-depth"] == 0, "the tag before has to be there"


@pytest.mark.parametrize("form", FORMS, ids=lambda file: file.name)
def test_form_of_issues_has_what_the_host_requires(form):
    whole = yaml.safe_load(form.read_text())
    assert whole["name"] and whole["description"] and whole["body"]
    asked = [field for field in whole["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in whole["body"]} <= FIELDS and asked
    assert all(re.fullmatch(r"[\w-]+", field["id"]) and field["attributes"]["label"] for field in asked)
    assert len({field["id"] for field in asked}) == len(asked)
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", form.read_text()):
        assert (form.parent / link).exists(), link


def test_forms_are_all_that_the_host_finds():
    assert yaml.safe_load((GITHUB / "ISSUE_TEMPLATE/config.yml").read_text()) == {"blank_issues_enabled": False}
    assert len(FORMS) == 2


def test_page_says_of_each_part_what_to_run_and_for_how_many_seconds():
    page = (ROOT / "CONTRIBUTING.md").read_text().partition("| you change |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in page.splitlines()[2:]]
    assert rows and all(len(row) == 4 and re.fullmatch(r"\d+( min)?((,| \+|, then) \d+( min)?)*", row[3]) for row in rows), rows
    edited = [f"{place.rstrip('/')}/" for row in rows for place in re.findall(r"`([^`]+)`", row[1])]
    # Only product parts have rows: no examples, benchmarks or test programs.
    parts = [*tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["members"], "clients/js", "clients/python-remote", "packaging", "docs"]
    for part in set(parts) - {"benches", "examples", "tests/programs"}:
        assert any(place.startswith(f"{part}/") or f"{part}/".startswith(place) for place in edited), part
    for row in rows:
        named = set(re.findall(r"-p (linkspan[\w-]*)", row[2]))
        made = {tomllib.loads((ROOT / part / "Cargo.toml").read_text())["package"]["name"] for part in parts if (ROOT / part / "Cargo.toml").exists()}
        assert named <= made, named - made


def test_reports_go_to_the_host_and_the_placeholder_of_the_packages_is_named_as_one():
    """Nobody reads mail to a placeholder address."""
    page = (ROOT / "SECURITY.md").read_text()
    assert "*Report a vulnerability*" in page and not re.search(r"\S@\S|maintainers", page)
    [placeholder] = re.findall(r'^PLACEHOLDER = "(.*)"$', (ROOT / "packaging/debian.py").read_text(), re.M)
    assert re.search(r"@example\.(org|com|net)>$", placeholder) and f"`{placeholder}`, a placeholder" in (ROOT / "packaging/README.md").read_text()
    for file in ("packaging/debian.py", "packaging/build", "packaging/redhat.py", "packaging/contents.py", "python/pyproject.toml", "clients/js/package.json"):
        text = (ROOT / file).read_text().replace(placeholder, "")
        assert not re.search(r"[\w.]+@[\w-]+\.[a-z]{2,}\b", text), file


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "docs/versions.md", "packaging/README.md"])
def test_page_names_commands_of_the_makefile(page):
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / page).read_text()))
    assert named <= targets(), named - targets()


def test_page_on_versions_states_the_oldest_compiler_of_the_workspace():
    oldest = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    assert f"| Rust | {oldest}," in (ROOT / "docs/versions.md").read_text()


def required(manifest: dict[str, Any], workspace: dict[str, Any]) -> set[str]:
    """Returns the packages that a package always needs, by lock file name."""
    names = set()
    for name, how in manifest.get("dependencies", {}).items():
        given = {} if isinstance(how, str) else how
        if not given.get("optional"):
            shared = workspace.get(name, {}) if given.get("workspace") else given
            names.add(shared.get("package", name) if isinstance(shared, dict) else name)
    return names


@pytest.mark.parametrize("lock", ["Cargo.lock", "fuzz/Cargo.lock"])
def test_lock_files_have_what_the_manifests_of_our_packages_need(lock: str) -> None:
    """A manifest's new package breaks the build of the fuzzing targets if their lock file lacks it."""
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["dependencies"]
    manifests = {}
    for file in subprocess.run(["git", "ls-files", "*Cargo.toml"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split():
        manifest = tomllib.loads((ROOT / file).read_text())
        if "package" in manifest:
            manifests[manifest["package"]["name"]] = manifest
    packages = [package for package in tomllib.loads((ROOT / lock).read_text())["package"] if package["name"] in manifests and "source" not in package]
    assert packages
    for package in packages:
        locked = {name.split()[0] for name in package.get("dependencies", [])}
        missing = required(manifests[package["name"]], workspace) - locked
        assert not missing, f"{lock}: {package['name']} needs {sorted(missing)}: cargo metadata --manifest-path {lock.replace('lock', 'toml')} writes it"


def test_fuzzing_targets_have_every_module_that_their_sources_name() -> None:
    """`fuzz/` includes sources of other crates and is only built before a release, so it must declare their
    modules."""
    main = ROOT / "fuzz/src/main.rs"
    text = main.read_text()
    modules = set(re.findall(r"^mod (\w+);", text, re.MULTILINE))
    for path in re.findall(r'^#\[path = "(.+)"\]', text, re.MULTILINE):
        code = (main.parent / path).read_text().split("#[cfg(test)]")[0]
        named = set(re.findall(r"^use crate::(\w+)", code, re.MULTILINE))
        assert named <= modules, f"{path} names {named - modules}"
