"""What nbval cannot see: that the notebooks it compares have something to be compared with."""

import ast
from pathlib import Path

import nbformat
import pytest

from workbench.cli.pages import dashboard_notebook

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_cell_was_run_in_order_and_its_output_kept(path):
    cells = code(nbformat.read(path, 4))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_no_widget_state_and_no_error_is_kept(path):
    notebook = nbformat.read(path, 4)
    assert "widgets" not in notebook.metadata
    assert not [o for cell in code(notebook) for o in cell.outputs if o.output_type == "error"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_defines_nothing(path):
    for cell in code(nbformat.read(path, 4)):
        nodes = ast.walk(ast.parse(cell.source))
        assert not [n for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)]


def test_the_dashboard_that_voila_serves_is_the_one_in_the_folder():
    kept, served = nbformat.read(FOLDER / "dashboard.ipynb", 4), dashboard_notebook()
    assert [cell.source for cell in kept.cells] == [cell.source for cell in served.cells]
    assert kept.metadata == served.metadata
