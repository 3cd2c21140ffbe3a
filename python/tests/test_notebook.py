"""Runs the cells of docs/how-to/notebooks.md twice in a Jupyter kernel."""

import os
import re
import threading
from pathlib import Path

import linkspan
import nbclient
import nbformat
import pytest

PAGE = Path(__file__).parents[2] / "docs/how-to/notebooks.md"
CELLS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
#: Optional packages, whose cells stand next to the tested one.
OTHERS = ("ipywidgets", "matplotlib", "FloatText", "show=draw", "values[-1]")


@pytest.fixture
def run(tmp_path, monkeypatch):
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))

    def run(*cells):
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python", "language": "python"}
        nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
        shown = []
        for cell in book.cells:
            parts = [part.get("text") or part.get("data", {}).get("text/plain", "") for part in cell.outputs]
            shown.append("".join(parts).strip())
        return shown

    return run


def test_cells_of_the_page_run_twice_and_the_plot_follows(run):
    followed = "await asyncio.sleep(0)\nwhile len(celsius) < {}:\n    await asyncio.sleep(0.01)\ncelsius"
    publish, latest, follow, table = (cell for cell in CELLS if not any(other in cell for other in OTHERS))
    shown = run(publish, publish, latest, latest, follow, follow, followed.format(1), publish, followed.format(2), table, table)
    assert shown[2:4] == ["20.0", "20.0"]
    assert (shown[6], shown[8]) == ("[20.0]", "[20.0, 20.0]")
    for text in shown[9:]:
        assert re.search(r"celsius\s+where", text) and "hall" in text, text


def test_subscriber_in_another_process_notices_no_second_run(run, tmp_path):
    name = f"shm:notebook/{os.getpid()}"
    received = []
    with linkspan.subscribe(name) as subscriber:
        reader = threading.Thread(target=lambda: received.extend(subscriber.recv(timeout=100).value for _ in range(9)))
        reader.start()
        cell = f"import linkspan\nout = linkspan.publisher({name!r}, replace=True)\nout.wait_for_subscribers(timeout=60)\nfor n in range(3): out.send(n)"
        run(cell, cell, cell)
        reader.join(100)
        assert received == [0, 1, 2] * 3
        assert [event.kind for event in subscriber.events()] in (["connected"], ["connected", "disconnected"])


def test_second_run_without_replace_says_that_this_process_has_the_name(run):
    cell = "import linkspan\ntry:\n    out = linkspan.publisher('shm:notebook/twice')\nexcept linkspan.AddressInUse as error:\n    print(error)"
    assert re.search("this process listens at .*replace", run(cell, cell)[1])
