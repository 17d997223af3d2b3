"""An import takes the whole of a sound archive, and of a forged, foreign or half one nothing."""

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import msgspec
import pytest

from tests.kept import files
from tests.test_transfer import ROW
from workbench.archive import Entry, Head
from workbench.errors import WorkbenchError
from workbench.importing import import_workspace
from workbench.workspace import Workbench


def forge(path: Path, content: dict[str, bytes], *more: tarfile.TarInfo, listed=True, **head) -> Path:
    """An archive with a right list of wrong content."""
    told = Head(**({"exported_at": "", "model": "trips", "records": True} | head))
    entries = [
        Entry(path=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), mtime_ns=0)
        for name, data in content.items()
    ]
    with tarfile.open(path, "w:gz") as tar:
        for name, data in {"archive.json": msgspec.json.encode(told), **content}.items():
            tar.addfile(plain(name, data), io.BytesIO(data))
        for member in more:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
        if listed:
            data = msgspec.json.encode(entries)
            tar.addfile(plain("files.json", data), io.BytesIO(data))
    return path


def plain(name: str, data: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    return member


TOML = {"workbench.toml": b"x"}


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("content", "more"),
    [
        ({"/etc/cron.d/x": b"x"}, ()),
        ({"../outside": b"x"}, ()),
        ({"versions/../../outside": b"x"}, ()),
        ({"versions/./x": b"x"}, ()),
        ({"versions//x": b"x"}, ()),
        ({".workbench-token": b"x"}, ()),
        ({"versions/.hidden/x": b"x"}, ()),
        ({"elsewhere/x": b"x"}, ()),
        ({".": b""}, ()),
        ({"versions\\x": b"x"}, ()),
        ({}, (special("versions/x", tarfile.SYMTYPE, "/etc/passwd"),)),
        ({}, (special("versions/x", tarfile.LNKTYPE, "workbench.toml"),)),
        ({}, (special("versions/x", tarfile.CHRTYPE),)),
        ({}, (special("versions/x", tarfile.FIFOTYPE),)),
        ({}, (special("versions", tarfile.DIRTYPE),)),
        ({}, (special("workbench.toml", tarfile.REGTYPE),)),
        ({"versions": b"x", "versions/x": b"x"}, ()),
        ({}, (special("versions/unlisted", tarfile.REGTYPE),)),
    ],
)
def test_a_forged_archive_writes_nothing_anywhere(tmp_path, content, more):
    forge(tmp_path / "bad.tar.gz", TOML | content, *more)
    (tmp_path / "in").mkdir()
    with pytest.raises(WorkbenchError, match="nothing was imported"):
        import_workspace(tmp_path / "bad.tar.gz", tmp_path / "in" / "new")
    assert sorted(files(tmp_path)) == ["bad.tar.gz"]


def test_base_data_go_only_where_the_archive_says_and_not_into_hidden_places(tmp_path):
    forge(tmp_path / "bad.tar.gz", TOML | {".bashrc": b"x"}, data=(".bashrc",))
    with pytest.raises(WorkbenchError, match="no plain file"):
        import_workspace(tmp_path / "bad.tar.gz", tmp_path / "new")
    forge(tmp_path / "good.tar.gz", TOML | {"rows/a.csv": b"x"}, data=("rows/a.csv",))
    done = import_workspace(tmp_path / "good.tar.gz", tmp_path / "new")
    assert "cannot be loaded here" in done.notes[0]
    assert (tmp_path / "new" / "rows" / "a.csv").read_bytes() == b"x"


def test_a_foreign_file_is_told_from_an_export(tmp_path):
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(plain("photo.jpg", b"x"), io.BytesIO(b"x"))
    foreign = [path.read_bytes(), b"", b"text", gzip.compress(b"text"), gzip.compress(b"")]
    for data in foreign:
        path.write_bytes(data)
        with pytest.raises(WorkbenchError, match=r"is no export of a workspace|damaged"):
            import_workspace(path, tmp_path / "new")
    with pytest.raises(WorkbenchError, match="No such file"):
        import_workspace(tmp_path / "nowhere.tar.gz", tmp_path / "new")
    forge(path, TOML, format=2)
    with pytest.raises(WorkbenchError, match="is of format 2, this release reads 1"):
        import_workspace(path, tmp_path / "new")
    forge(path, TOML, listed=False)
    with pytest.raises(WorkbenchError, match="its list of files is missing"):
        import_workspace(path, tmp_path / "new")
    forge(path, {"versions/x": b"x"})
    with pytest.raises(WorkbenchError, match=r"holds no workbench\.toml"):
        import_workspace(path, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_an_import_killed_anywhere_leaves_the_whole_workspace_or_none_and_can_be_done_again(settings, tmp_path):
    wb = Workbench(settings)
    wb.monitor.record(ROW, 30.0, version="first", response_s=0.01)
    wb.metrics.close()
    settings.versions_dir.mkdir()
    (settings.versions_dir / "promotions.jsonl").write_text("{}\n")
    room = tmp_path / "room"
    room.mkdir()
    wb.export(room / "ws.tar.gz")
    settings.root.rename(room / "expected")
    (room / "workbench.toml").write_text((room / "expected" / "workbench.toml").read_text())
    command = [sys.executable, "-m", "tests.kill_points", str(room), "import"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) > 15
    assert not found[-1]["killed"]
    assert [r["there"] for r in found] == sorted(r["there"] for r in found)
    assert {r["there"] for r in found} == {False, True}
