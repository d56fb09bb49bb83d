"""The repository: who may import whom, locks without addresses, no machine's paths, no keys that matter."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tracked() -> list[Path]:
    """Return every file of the project, tracked or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    return [path for name in listed if name and (path := ROOT / name).is_file()]


def test_each_room_imports_only_the_rooms_below_it():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_lock_files_hold_hashes_and_no_address():
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        pins = re.findall(r"^[a-z0-9][a-z0-9._-]*==\S+ \\$", text, flags=re.MULTILINE)
        assert len(pins) > 30
        assert text.count("--hash=sha256:") >= len(pins)


def test_the_runtime_lock_is_part_of_the_development_lock():
    def pins(name):
        return set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(), flags=re.MULTILINE))

    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_no_file_holds_a_path_of_a_machine_or_a_registry_host():
    wrong = re.compile(r"/(?:home|root|work)/[a-z]|py" + r"pi\.org|python" + r"hosted|npm" + r"js\.|crates" + r"\.io")
    for path in tracked():
        if path == Path(__file__) or path.suffix in {".der", ".bin"}:
            continue
        assert not wrong.search(path.read_text(encoding="utf-8", errors="replace")), path


def test_private_keys_are_never_committed():
    mark = re.compile("-----BEGIN (?:[A-Z]+ )?PRIV" + r"ATE KEY-----\s+[A-Za-z0-9+/=]{40}")
    for path in tracked():
        assert not mark.search(path.read_text(encoding="utf-8", errors="replace")), path
