"""The consoles' third-party parts: pinned, and from whatever registry npm is told to use."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_lock_pins_every_part_and_names_no_registry():
    lock = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]
    for name, package in lock.items():
        assert "resolved" not in package, "write the lock with `npm install --omit-lockfile-registry-resolved`"
        assert not name or package["integrity"].startswith("sha512-")
    assert {f"node_modules/{name}" for name in wanted} <= set(lock)


def test_pages_load_nothing_from_elsewhere():
    for path in (ROOT / "cloudd" / "console_pages").iterdir():
        if path.is_file():
            text = path.read_text()
            assert "http://" not in text and "https://" not in text and "//cdn" not in text, path.name
