"""The answers that a client received, to be compared with what the product stores.

The state is a set of facts, such as ``("face", "ann-1")`` or ``("member", "user-2", "ann-1")``. An
acknowledged write changes the state. A write whose answer was lost makes a second state possible:
with the whole write, or without it. An observation decides between them.
"""

from __future__ import annotations

from collections.abc import Callable

Fact = tuple[str, ...]
State = frozenset[Fact]
Change = Callable[[State], State]


class Oracle:
    """The states that are possible after the answers that one client received.

    Attributes:
        possible: the possible states; more than one only after a lost answer.
    """

    def __init__(self) -> None:
        self.possible: set[State] = {frozenset()}

    def acknowledge(self, change: Change) -> None:
        """Record a write that the product acknowledged."""
        self.possible = {change(state) for state in self.possible}

    def doubt(self, change: Change) -> None:
        """Record a write whose answer was lost."""
        self.possible |= {change(state) for state in self.possible}

    def observe(self, seen: State) -> tuple[State, State]:
        """Compare the product's state with the possible ones.

        Returns:
            The missing facts and the facts that must not be there, both empty if the state is
            possible. In each case the observed state is the only possible one from now on.
        """
        nearest = min(self.possible, key=lambda state: len(state ^ seen))
        self.possible = {seen}
        return nearest - seen, seen - nearest

    @property
    def state(self) -> State:
        """The only possible state.

        Raises:
            ValueError: if a lost answer has left several.
        """
        (state,) = self.possible
        return state


def adding(*facts: Fact) -> Change:
    """Return a change that adds facts."""
    return lambda state: state | frozenset(facts)


def removing(*facts: Fact) -> Change:
    """Return a change that removes facts."""
    return lambda state: state - frozenset(facts)
