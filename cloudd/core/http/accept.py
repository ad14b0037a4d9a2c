"""What form of an error a caller asks for, where a service's upstream lets him choose: HTML before JSON, else plain text."""

import html
import re
from typing import Any

HTML, JSON, TEXT = "text/html", "application/json", "text/plain"
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_RANGE = re.compile(rf'({_TOKEN})/({_TOKEN})((?:[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|"[^"]*"))*)')
_WEIGHT = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
_PAGE = "<html>\n <head>\n  <title>{status}</title>\n </head>\n <body>\n  <h1>{status}</h1>\n  {words}<br /><br />\n\n\n\n </body>\n</html>"


def chosen(accept: str, offers: tuple[str, ...] = (HTML, JSON)) -> str:
    """The offer that an `Accept` header (RFC 9110, 12.5.1) likes best, the earlier of equals; TEXT when it takes none of them.

    As upstream's WebOb has it: a header that cannot be read takes anything, an empty or missing one nothing.
    """
    ranges = _ranges(accept)
    if ranges is None:
        return offers[0]
    weights = {offer: weight for offer in offers if (weight := _weight(ranges, offer)) > 0}
    return max(weights, key=lambda offer: weights[offer]) if weights else TEXT


def takes(accept: str, offer: str) -> bool:
    """Whether an `Accept` header takes this, by whatever range."""
    ranges = _ranges(accept)
    return ranges is None or _weight(ranges, offer) > 0


def _ranges(accept: str) -> dict[str, float] | None:
    """Media ranges and their weights, without those that have parameters of their own: nothing that is offered has any."""
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in accept.split(","))):
        match = _RANGE.fullmatch(part)
        if match is None or (match[1] == "*" and match[2] != "*"):
            return None
        parameters = [one.strip().partition("=") for one in match[3].split(";") if one.strip()]
        weight = next((value for name, _, value in parameters if name.lower() == "q"), "1")
        if not _WEIGHT.fullmatch(weight):
            return None
        if all(name.lower() == "q" for name, _, _ in parameters[:1]):
            found.setdefault(f"{match[1]}/{match[2]}".lower(), float(weight))
    return found


def _weight(ranges: dict[str, float], offer: str) -> float:
    """How much an offer is liked: what the narrowest range that holds it says."""
    return next((ranges[one] for one in (offer, f"{offer.partition('/')[0]}/*", "*/*") if one in ranges), 0.0)


def written(form: str, status: str, message: str, document: Any) -> tuple[Any, dict[str, str]]:
    """An error in the form that was chosen: its body and headers. `status` is its line, `document` what JSON has of it."""
    if form == HTML:
        page = _PAGE.format(status=status, words=html.escape(message, quote=False))
        return page.encode(errors="replace"), {"Content-Type": "text/html; charset=UTF-8"}
    if form == TEXT:
        return f"{status}\n\n{message}\n\n".encode(errors="replace"), {"Content-Type": "text/plain; charset=UTF-8"}
    return document, {"Content-Type": JSON}
