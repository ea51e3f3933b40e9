"""What two sides may want of permessage-deflate, and what they agree on."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any, NamedTuple

from geventws.core.deflate import Agreed, Deflate
from geventws.options import DEFLATE
from tests.interop.scenes import PARAMETERS, PLAIN


class Wishes(NamedTuple):
    """What each side is told to want of permessage-deflate; None is not to know of it."""

    ours: Deflate | None
    theirs: Deflate | None

    def __str__(self) -> str:
        ours, theirs = (each and described(each) for each in self)
        return f"we want {ours or 'none'}, they want {theirs or 'none'}"


@dataclass(frozen=True, kw_only=True)
class Noting(Deflate):
    """A Deflate that notes what it agrees on."""

    agreed: list[Agreed] = field(default_factory=list, compare=False)

    def accept(self, offers: Any) -> tuple[str, Agreed] | None:
        answer = super().accept(offers)
        if answer is not None:
            self.agreed.append(answer[1])
        return answer

    def confirm(self, params: Any) -> Agreed:
        agreed = super().confirm(params)
        self.agreed.append(agreed)
        return agreed


def noting(wish: Deflate | None) -> Noting | None:
    """Return *wish* with a note-book."""
    return None if wish is None else Noting(**asdict(wish))


def described(compression: Deflate | Agreed) -> str:
    """Return the parameters as a header has them, the windows always."""
    bits = [f"{name}={getattr(compression, name)}" for name in PARAMETERS[:2]]
    return "; ".join([*bits, *(name for name in PARAMETERS[2:] if getattr(compression, name))])


def tight(asks: Iterable[str]) -> Deflate:
    """Return PLAIN with all in *asks* that saves memory: small windows, and no context."""
    return Deflate(
        **{**asdict(PLAIN), **{name: 9 if name in PARAMETERS[:2] else True for name in asks}}
    )


def combinations(asks: Iterable[str], windows: tuple[int, ...]) -> Iterator[Deflate]:
    """Yield PLAIN with every combination of values of the parameters in *asks*."""
    names = [name for name in PARAMETERS if name in asks]
    values: list[Any] = [windows if name in PARAMETERS[:2] else (False, True) for name in names]
    for chosen in product(*values):
        yield Deflate(**{**asdict(PLAIN), **dict(zip(names, chosen, strict=True))})


def all_wishes(can_compress: bool, asks: tuple[str, ...], fails: Container[str]) -> list[Wishes]:
    """Return what to try with a peer.

    Args:
        can_compress: whether it knows permessage-deflate.
        asks: the parameters that it can be told to want.
        fails: the parameters that it gets wrong where we want them.
    """
    if not can_compress:
        return [Wishes(None, None), Wishes(DEFLATE, None)]
    grants = [name for name in PARAMETERS if name not in fails]
    windows = (9, 15) if asks else (9, 12, 15)  # nobody else would ask for others
    several = [Wishes(None, PLAIN), Wishes(DEFLATE, PLAIN)]
    several += [Wishes(PLAIN, theirs) for theirs in combinations(asks, (9, 15))]
    several += [Wishes(ours, PLAIN) for ours in combinations(grants, windows)]
    return list(dict.fromkeys(several))
