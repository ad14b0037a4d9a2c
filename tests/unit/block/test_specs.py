"""Extra specs against capabilities, in Cinder's operators; and the pool that is chosen, or why none is."""

import pytest

from cloudd.block.pools import Found, Wish, choose, pools
from cloudd.block.specs import met, unmet
from cloudd.core.errors import NoCapacity
from cloudd.drivers.volume.base import Capabilities, Statistics

GIB = 1 << 30


@pytest.mark.parametrize(("have", "want", "fits"), [
    ("fast", "fast", True), ("fast", "slow", False), (5, "= 4", True), (5, "= 6", False), (5, "== 5", True), (5, "!= 5", False),
    (5, ">= 5", True), (5, "<= 4", False), ("b", "s== b", True), ("b", "s!= b", False), ("b", "s>= a", True), ("b", "s> b", False),
    ("b", "s<= b", True), ("b", "s< c", True), (True, "<is> True", True), (False, "<is> True", False), ("true", "<is> True", True),
    ("ssd", "<or> hdd <or> ssd", True), ("tape", "<or> hdd <or> ssd", False), ("a fast one", "<in> fast", True),
    ("slow", "<in> fast", False), ("x", ">= 5", False), (5, "<is>", False), ("", "", True)])
def test_operators(have, want, fits):
    assert met(have, want) is fits


def test_specs_of_other_scopes_are_others_business():
    assert unmet({"multiattach": True}, {"volume:x": "y", "capabilities:multiattach": "<is> True", "quota:x": "1"}) == ""
    assert unmet({}, {"capabilities:deep:thing": "1"}) == "it has no deep:thing, asked was 1"


def found(name, total=100, free=100, provisioned=0, **caps):
    return Found(name, Capabilities("file", **caps), Statistics(total * GIB, free * GIB, provisioned * GIB, 0))


def test_the_pool_with_the_most_room_is_taken():
    made = pools([found("small", 50), found("large", 200), found("full", 1000, free=0)], {})
    assert choose(made, Wish(10)).backend == "large"
    assert choose(made, Wish(10, specs={"volume_backend_name": "small"})).backend == "small"


def test_a_refusal_names_each_pool_with_what_it_has_and_what_was_asked():
    made = pools([found("thick", 100, provisioned=95, thin=False), found("tape", 100)], {})
    with pytest.raises(NoCapacity) as refused:
        choose(made, Wish(10, specs={"volume_backend_name": "<or> thick"}))
    text = str(refused.value)
    assert "No pool can take a volume of 10 GiB." in text
    assert "@thick#thick: it has room for 5.0 GiB more (100.0 GiB, 100.0 GiB of it free, 95.0 GiB promised), asked was 10 GiB" in text
    assert "@tape#tape: its volume_backend_name is tape, asked was <or> thick" in text


def test_what_rows_promise_counts_before_it_is_made():
    from cloudd.block.backends import place
    made = pools([found("thick", 100, thin=False)], {place("thick"): 95})
    with pytest.raises(NoCapacity):
        choose(made, Wish(10))
    assert choose(made, Wish(5)).backend == "thick"


def test_a_pool_elsewhere_or_away_does_not_do():
    away = Found("away", Capabilities("file"), Statistics(0, 0, 0, 0), down="it does not answer")
    with pytest.raises(NoCapacity, match="does not answer"):
        choose(pools([away], {}), Wish(1))
    with pytest.raises(NoCapacity, match="it is in the zone nova, asked was moon"):
        choose(pools([found("here")], {}), Wish(1, zones=("moon",)))
    with pytest.raises(NoCapacity, match="a volume there has at most 65536 GiB"):
        choose(pools([found("here", 10**6, 10**6)], {}), Wish(70_000))
