"""How many parts one image, or one namespace of definitions, may have: settings, so that no list grows with what one user adds."""

from collections.abc import Iterable
from typing import Any

from cloudd.core.errors import OverQuota

RESERVED = "os_glance_"


def require(what: str, attempted: int, most: int) -> None:
    """Raise OverQuota for more than there may be; -1 is no limit."""
    if 0 <= most < attempted:
        raise OverQuota(f"The limit has been exceeded on the number of allowed {what}. Attempted: {attempted}, Maximum: {most}",
                        type="LimitExceeded")


def properties(settings: Any, names: Iterable[str], before: set[str] | frozenset[str] = frozenset()) -> None:
    """Whether an image may have these properties. Who adds none may go on with more than that."""
    own = {name for name in names if not name.startswith(RESERVED)}
    if own - before:
        require("image properties", len(own), settings.image.image_property_quota)


def tags(settings: Any, wanted: list[str]) -> None:
    require("image tags", len(dict.fromkeys(wanted)), settings.image.image_tag_quota)


def members(settings: Any, attempted: int) -> None:
    require("image members for this image", attempted, settings.image.image_member_quota)


def locations(settings: Any, attempted: int) -> None:
    require("image locations", attempted, settings.image.image_location_quota)


def definitions(settings: Any, what: str, attempted: int) -> None:
    require(f"metadata definition {what}", attempted, settings.image.metadef_quota)
