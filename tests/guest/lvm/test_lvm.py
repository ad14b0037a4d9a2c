"""The LVM driver on real LVM, in a Debian guest: the contract of volume drivers, a full pool, a hundred snapshots, and power cuts.

The guest lives three times. The power is cut while volumes are made, copied, lengthened, reverted and deleted; what was told before must
hold afterwards. Each part is a test of its own here, by the name that it has in inside.py or in the contract.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.guest.lvm import inside
from tests.guest.lvm.guest import Guest, Line
from tests.unit.drivers.volume import volume_contract

CONTRACT = [name for name in vars(volume_contract) if name.startswith("test_")]
MORE = [work.__name__ for work in inside.MORE]
AFTER = [inside.what_was_told_before_the_power_was_cut_holds.__name__, *inside.AGAIN]
CUTS = (23, 40)
"""After how many lines of what is done the power is cut, in the first two lives."""

pytestmark = pytest.mark.timeout(1800)


@dataclass
class Told:
    """What the guest told in each of its lives."""

    lives: list[dict[str, Line]] = field(default_factory=list)
    last_words: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> Told:
    guest, found, history = Guest(tmp_path_factory.mktemp("lvm")), Told(), []
    for cut in (*CUTS, 0):
        files = {inside.HISTORY.name: json.dumps(history)} if history else {}
        if cut == CUTS[1]:
            files[inside.ONLY.name] = AFTER[0]           # the contract holds in the last life again
        results, history = {}, []
        for line in until_cut(guest.lives(**files), cut):
            if line[0] in ("passed", "failed"):
                results[line[1]] = line
            elif line[0] != "figure":
                history.append(line)
        found.lives.append(results)
        found.last_words.append(guest.last_words())
    return found


def until_cut(lines: Iterator[Line], cut: int) -> Iterator[Line]:
    ready = done = 0
    for line in lines:
        yield line
        ready += line[0] == "ready"
        done += bool(ready)
        if ready and done > cut:
            return


def passed(told: Told, life: int, name: str) -> None:
    assert name in told.lives[life], f"the guest ended before: {told.last_words[life]}"
    assert told.lives[life][name][0] == "passed", told.lives[life][name][2]


@pytest.mark.parametrize("name", CONTRACT)
def test_contract(told, name):
    passed(told, 0, name)


@pytest.mark.parametrize("name", MORE)
def test_on_real_lvm(told, name):
    passed(told, 0, name)


@pytest.mark.parametrize(("life", "name"), [(1, AFTER[0]), *((2, name) for name in AFTER)])
def test_after_a_power_cut(told, life, name):
    passed(told, life, name)
