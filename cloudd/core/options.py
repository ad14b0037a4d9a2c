"""What an option of the settings is: its type, what it may be, what it is for, and how a value is read from text and shown."""

import dataclasses
import ipaddress
import re
import types
from collections.abc import Callable
from dataclasses import field
from typing import Any, Literal, get_args, get_origin

from cloudd.core.errors import StartError
from cloudd.core.work.deadlines import SECONDS

MASK = "***"
WORDS = {bool: "on or off", int: "a whole number", float: "a number", str: "text"}
TRUTH = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}
BACKENDS = ("sqlite", "postgresql", "postgres")


class SettingsError(StartError):
    """The configuration cannot be used; the message names file, line, option and what would be right."""


def option(default: Any, help: str, *, secret: bool = False, least: float | None = None, most: float | None = None,
           form: Callable[[str], object] | None = None) -> Any:
    """Declare an option of a section. `form` takes a text (each one of a list) and raises ValueError; its docstring says what is
    right. An empty text is always right where the default is empty."""
    facts = {"help": help, "secret": secret, "least": least, "most": most, "form": form}
    return field(default=default, metadata=types.MappingProxyType(facts))


def read(item: dataclasses.Field[Any], text: str, where: str) -> Any:
    """The value that `text` stands for. Raises SettingsError."""
    kind, text = item.type, text.strip()
    try:
        value = _typed(kind, text)
        _fits(item, value)
    except (KeyError, ValueError):
        raise SettingsError(f"{where} = {MASK if item.metadata['secret'] else repr(text)}: it must be {right(item)}") from None
    return value


def _typed(kind: Any, text: str) -> Any:
    if kind is bool:
        return TRUTH[text.lower()]
    if get_origin(kind) is Literal:
        return {value: value for value in get_args(kind)}[text]
    if get_origin(kind) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return kind(text)


def _fits(item: dataclasses.Field[Any], value: Any) -> None:
    least, most, form = (item.metadata[name] for name in ("least", "most", "form"))
    if (least is not None and not value >= least) or (most is not None and not value <= most):
        raise ValueError(value)
    if form is not None and (value or item.default):
        for one in value if isinstance(value, tuple) else (value,):
            form(one)


def type_name(item: dataclasses.Field[Any]) -> str:
    """What kind of value an option takes, in words."""
    if get_origin(item.type) is Literal:
        return " or ".join(get_args(item.type))
    return "a list with commas" if get_origin(item.type) is tuple else WORDS[item.type]


def right(item: dataclasses.Field[Any]) -> str:
    """What an option must be, in words."""
    least, most, form = (item.metadata[name] for name in ("least", "most", "form"))
    words = type_name(item)
    if form is not None:
        words = f"{words}, each {form.__doc__}" if get_origin(item.type) is tuple else form.__doc__ or words
    if least is not None:
        words += f" from {least} to {most}" if most is not None else f", at least {least}"
    return words


def shown(value: Any) -> str:
    """A value as the file writes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


# -- forms ------------------------------------------------------------------------------------------------------------


def door(text: str) -> tuple[str, int]:
    """HOST:PORT, as 127.0.0.1:5000 or [::]:5000"""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(text)
    return host.strip("[]"), int(port)


def doors(text: str) -> list[tuple[str, int]]:
    """HOST:PORT, as 127.0.0.1:5000 or [::]:5000; several with commas"""
    return [door(part.strip()) for part in text.split(",")]


def web_address(text: str) -> None:
    """http:// or https:// with a host, as https://cloud.example.org"""
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
        raise ValueError(text)


def origin(text: str) -> None:
    """a web origin, as https://cloud.example.org"""
    if text != "*" and not re.fullmatch(r"https?://[^\s/]+", text):
        raise ValueError(text)


def address_or_network(text: str) -> None:
    """an IP address, or a network, as 10.0.0.0/8"""
    ipaddress.ip_network(text)


def network_range(text: str) -> None:
    """a range of addresses, as 172.24.4.0/24"""
    ipaddress.ip_network(text)


def resolver(text: str) -> None:
    """an IP address, or ADDRESS#PORT"""
    host, hash_mark, port = text.partition("#")
    ipaddress.ip_address(host)
    if hash_mark and not 0 < int(port) < 65536:
        raise ValueError(text)


def database_address(text: str) -> None:
    """sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"""
    scheme, slashes, rest = text.partition("://")
    if not slashes or not rest or scheme.split("+")[0] not in BACKENDS:
        raise ValueError(text)


def store(text: str) -> tuple[str, str, str]:
    """a store, as NAME=DRIVER:ADDRESS"""
    found = re.fullmatch(r"([\w-]{1,32})=(\w+):(.*)", text)
    if not found:
        raise ValueError(text)
    return found[1], found[2], found[3]


def backend(text: str) -> tuple[str, str, str]:
    """a back end, as NAME=DRIVER:ADDRESS"""
    return store(text)


def pair(text: str) -> tuple[str, str]:
    """NAME=VALUE"""
    name, mark, value = text.partition("=")
    if not mark or not 0 < len(name.strip()) <= 255:
        raise ValueError(text)
    return name.strip(), value.strip()


def import_plugin(text: str) -> None:
    """image_decompression, image_conversion or inject_image_metadata"""
    if text not in ("image_decompression", "image_conversion", "inject_image_metadata"):
        raise ValueError(text)


def mac_base(text: str) -> None:
    """six octets of a unicast address, as fa:16:3e:00:00:00"""
    if not re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", text) or int(text[:2], 16) & 1:
        raise ValueError(text)


def namespace(text: str) -> None:
    """a name as `ip netns` takes it"""
    if not re.fullmatch(r"[\w.-]{1,200}", text) or text in (".", ".."):
        raise ValueError(text)


def domain(text: str) -> None:
    """a domain, as cloud.example.org"""
    label = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
    if len(text) > 200 or not re.fullmatch(rf"{label}(\.{label})*\.?", text):
        raise ValueError(text)


def numbered(text: str) -> None:
    """text with one number in it, as instance-%08x"""
    try:
        one, two = text % 1, text % 2
    except TypeError:
        raise ValueError(text) from None
    if one == two or not re.fullmatch(r"[\w.-]+", one):
        raise ValueError(text)


def regular_expression(text: str) -> None:
    """a regular expression"""
    try:
        re.compile(text)
    except re.error:
        raise ValueError(text) from None


def kind_limit(text: str) -> tuple[str, int]:
    """KIND=N"""
    kind, _, number = text.partition("=")
    if not kind.strip() or int(number) < 1:
        raise ValueError(text)
    return kind.strip(), int(number)


def deadline(text: str) -> tuple[str, float]:
    """NAME=SECONDS with a name that docs/jobs.md lists, as step.disks=3600"""
    name, _, seconds = text.partition("=")
    if name.strip() not in SECONDS or not 0 < float(seconds) < 10**9:
        raise ValueError(text)
    return name.strip(), float(seconds)
