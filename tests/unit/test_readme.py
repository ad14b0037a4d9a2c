"""README.ko.md says what README.md says: the same commands, files and links, in the same sections."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, KOREAN = ((ROOT / name).read_text() for name in ("README.md", "README.ko.md"))


def commands(text: str) -> list[str]:
    """The indented lines, without the words behind them."""
    return [line.split("  #")[0].rstrip() for line in text.splitlines() if line.startswith("    ")]


def named(text: str) -> list[str]:
    """All that stands between backquotes, whatever its order: sentences differ."""
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    return sorted(" ".join(part.split()) for part in re.findall(r"`([^`]+)`", prose))


def test_both_readmes_have_the_same_commands():
    assert commands(KOREAN) == commands(ENGLISH)


def test_both_readmes_name_the_same_things():
    assert named(KOREAN) == named(ENGLISH)


def test_both_readmes_have_the_same_sections():
    levels = [[line.partition(" ")[0] for line in text.splitlines() if line.startswith("#")] for text in (ENGLISH, KOREAN)]
    assert levels[0] == levels[1]


def test_every_page_that_the_readme_names_is_there():
    for page in re.findall(r"`(docs/[^`]+)`", ENGLISH):
        assert (ROOT / page).exists(), page
