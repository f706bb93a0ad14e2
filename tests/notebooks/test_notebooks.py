import jupytext
import nbclient
import pytest

from tests.conftest import ROOT

SHORT = "tour"
NOTEBOOKS = [
    pytest.param(path, id=path.stem, marks=() if path.stem == SHORT else pytest.mark.slow)
    for path in sorted((ROOT / "notebooks").glob("*.py"))
]


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_every_notebook_runs_from_first_cell_to_last(path, monkeypatch):
    for name in ("KILTER_STUDY", "KILTER_DATA_ROOT"):
        monkeypatch.delenv(name, raising=False)
    notebook = jupytext.read(path)
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(ROOT)}}).execute()
    images = [out for cell in notebook.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    assert images, "a notebook shows figures"
