import pytest

from workbench.cli.show import print_table
from workbench.files import replace_whole


def test_a_table_breaks_lines_and_moves_no_cursor(capsys):
    """A category that traffic brought stands in tables of the command line."""
    print_table("segments", ["segment"], [["north\x1b]0;owned\x07\x1b[2J\u202e"], ["two\nlines"]])
    told = capsys.readouterr().out
    assert [c for c in told if not c.isprintable() and c != "\n"] == []
    assert "north\\x1b]0;owned\\x07" in told
    assert "two" in told


def test_a_file_is_not_replaced_through_a_link(tmp_path, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 7)
    (tmp_path / "other").write_text("precious")
    (tmp_path / ".token.7.tmp").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=r"(?i)link"):
        replace_whole(tmp_path / "token", b"new")
    assert (tmp_path / "other").read_text() == "precious"
