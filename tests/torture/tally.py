"""What a run of harm amounts to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

BAD = ("crash", "hang", "silent error", "other")
"""What must not occur: a signal, no end in time, wrong pixels or latents without an error, anything else."""


@dataclass
class Tally:
    """Counts of one kind of harm.

    ``cases`` counts by what was done (``"every bit flipped"``), ``outcomes`` by how it ended
    (``"ChecksumError"``, or one of `BAD`), ``failures`` names each bad case so that it can be repeated.
    """

    title: str
    cases: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Sentences for the report, such as figures measured."""
    seconds: float = 0.0

    def add(self, case: str, outcome: str, name: str = "") -> None:
        """Count one case; `name` says how to repeat it where the outcome is bad."""
        self.cases[case] += 1
        self.outcomes[outcome] += 1
        if outcome in BAD:
            self.failures.append(f"{case}: {outcome}: {name}")

    @property
    def bad(self) -> int:
        """Cases that ended as none may."""
        return len(self.failures)
