"""A figure: what was measured, what it is held against, what is aimed at. Printed for people, kept as TSV for machines."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("figure", "value", "unit", "aim", "met", "peer", "peer_value", "ratio")


@dataclass(frozen=True)
class Figure:
    """`peers` are measured in the same run on the same machine, in the same unit: (name, value).

    `most` is an aim in the figure's unit, `times` one against the first peer; both are wishes, nothing fails by them.
    """

    name: str
    value: float
    unit: str
    peers: tuple[tuple[str, float], ...] = ()
    most: float | None = None
    times: float | None = None

    @property
    def aim(self) -> str:
        if self.most is not None:
            return f"< {number(self.most)} {self.unit}"
        return f"< {self.times} x" if self.times is not None else ""

    @property
    def met(self) -> str:
        if self.most is not None:
            return "yes" if self.value < self.most else "no"
        if self.times is not None and self.peers:
            return "yes" if self.value < self.times * self.peers[0][1] else "no"
        return ""

    def lines(self) -> list[str]:
        """The figure and its aim, then a line for each peer."""
        aim = f"  aim {self.aim}: {'met' if self.met == 'yes' else 'NOT MET'}" if self.aim else ""
        return [f"  {self.name:<58} {number(self.value):>9} {self.unit:<6}{aim}",
                *(f"      {_ratio(self.value, value):>10} of {name} ({number(value)} {self.unit})" for name, value in self.peers)]

    def rows(self) -> list[str]:
        head = (self.name, number(self.value), self.unit, self.aim, self.met)
        return ["\t".join((*head, name, number(value), _ratio(self.value, value))) for name, value in self.peers] \
            or ["\t".join((*head, "", "", ""))]


def number(value: float) -> str:
    """Three figures that mean something."""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _ratio(value: float, peer: float) -> str:
    return f"{value / peer:.3g} x" if peer else "-"


def show(subject: str, figures: Iterable[Figure], before: Mapping[str, float]) -> None:
    """Print them, each beside what the run before this one found (`kept`)."""
    print(f"\n{subject}", flush=True)
    for figure in figures:
        print("\n".join(figure.lines()), flush=True)
        if figure.name in before:
            print(f"      {_ratio(figure.value, before[figure.name]):>10} of the run before ({number(before[figure.name])} {figure.unit})")


def kept(path: Path) -> dict[str, float]:
    """The figures that `keep` wrote, by name."""
    if not path.is_file():
        return {}
    rows = (line.split("\t") for line in path.read_text().splitlines()[1:])
    return {row[0]: float(row[1]) for row in rows}


def keep(path: Path, figures: Iterable[Figure]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["\t".join(COLUMNS), *(row for figure in figures for row in figure.rows())]) + "\n")
