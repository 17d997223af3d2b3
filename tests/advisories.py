"""Ask a database of advisories about what is locked: `python -m tests.advisories`; ends with 1 if one is known.

pip-audit runs in an environment of its own, made for this and bounded in time: it brings thirty packages that nothing
else here needs. Where no database answers, that is said in a line, and is no failure.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE_S = 120
WORDS = ("--requirement", str(ROOT / "requirements.lock"), "--no-deps", "--disable-pip", "--require-hashes")


def audit(folder: Path) -> str:
    """What pip-audit says of the lock, as JSON; empty if it could not be had, or found nobody to ask.

    Raises
    ------
    subprocess.TimeoutExpired
        If that takes too long.
    """
    python = folder / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pip-audit"],
    ):
        if subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False).returncode:
            return ""
    command = [str(python), "-m", "pip_audit", "--format=json", "--progress-spinner=off", *WORDS]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False).stdout


def verdict(told: str) -> tuple[int, list[str]]:
    """An exit code and what to say of pip-audit's answer.

    >>> verdict("")
    (0, ['advisories: skipped, pip-audit or a database cannot be reached'])
    >>> verdict('{"dependencies": [{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "?"}]}')
    (0, ['advisories: none is known of 1 locked packages, 1 could not be asked about'])
    >>> verdict('{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}]}')
    (1, ['advisories: a 1 has X-1, mended in 2', 'advisories: 1 known; `make lock` takes newer versions'])
    """
    try:
        packages = json.loads(told)["dependencies"]
    except json.JSONDecodeError:
        packages = []
    asked = [package for package in packages if "vulns" in package]
    if not asked:
        return 0, ["advisories: skipped, pip-audit or a database cannot be reached"]
    known = [
        f"advisories: {p['name']} {p['version']} has {v['id']}, mended in {', '.join(v['fix_versions']) or 'none yet'}"
        for p in asked
        for v in p["vulns"]
    ]
    if known:
        return 1, [*known, f"advisories: {len(known)} known; `make lock` takes newer versions"]
    left = f", {len(packages) - len(asked)} could not be asked about" if len(asked) < len(packages) else ""
    return 0, [f"advisories: none is known of {len(asked)} locked packages{left}"]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="advisories-") as folder:
        try:
            told = audit(Path(folder))
        except subprocess.TimeoutExpired:
            told = ""
    code, lines = verdict(told)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    raise SystemExit(main())
