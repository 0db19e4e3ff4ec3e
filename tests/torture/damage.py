"""Damaged and hostile files: nothing may crash, hang, or give other pixels without an error.

``python -m torture.damage "KIND:FILE:NUMBER"`` repeats one case by the name that a failure has.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from testing.forked import Ended, each
from torture import judge
from torture.hostile_headers import header_case
from torture.hostile_metadata import metadata_case, through_the_command_line
from torture.hostile_payloads import payload_case
from torture.mutations import cut, flip, several, tile_of_bit
from torture.shortcuts import shortcuts
from torture.subjects import (
    Subject,
    harmed_subjects,
    large_subject,
    narrow_subjects,
    small_subjects,
)
from torture.tally import Tally

SECONDS = 10.0
"""Time for one case."""
MEMORY = 512 * 2**20
"""Bytes of memory for one case, above what the process has before."""
BATCH = 400
"""Cases that one child goes through."""
SEVERAL, HEADERS, PAYLOADS, METADATA = 3000, 3200, 3200, 200
LARGE_BITS, LARGE_STEP = 2000, 97
"""Of the default model's file: bits, and the step of the cuts in its tile records."""
WIDE_STEP = 5
"""Step of the bits in files of many pixels; the other small ones have every bit flipped."""

Report = Callable[[str], None]
Make = Callable[[Subject, int], bytes]


@dataclass(frozen=True)
class Case:
    """One file to be used."""

    kind: str
    subject: Subject
    number: int

    @property
    def name(self) -> str:
        """How to repeat it."""
        return f"{self.kind}:{self.subject.name}:{self.number}"

    def data(self) -> bytes:
        """The file."""
        return MAKERS[self.kind](self.subject, self.number)

    def use(self) -> str:
        """Use the file: the outcome, with what was wrong behind a line break where it is bad."""
        data, subject = self.data(), self.subject
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                if self.kind == METADATA_KIND:
                    return through_the_command_line(subject, data)
                if self.kind in (HEADER, PAYLOAD):
                    return judge.hostile(subject, data)
                tile = tile_of_bit(subject, self.number) if self.kind == BIT else None
                return judge.damaged(subject, data, tile)
        except judge.HarmError as harm:
            return f"{harm.outcome}\n{harm.detail}"


CUT, BIT, SEVERAL_KIND = "cut short", "bit flipped", "many bytes damaged"
HEADER, PAYLOAD, METADATA_KIND = "hostile header", "hostile payload", "hostile metadata"
MAKERS: dict[str, Make] = {
    CUT: cut,
    BIT: flip,
    SEVERAL_KIND: several,
    HEADER: header_case,
    PAYLOAD: payload_case,
    METADATA_KIND: metadata_case,
}


def cuts(subject: Subject) -> list[Case]:
    """The file cut behind every byte."""
    return [Case(CUT, subject, size) for size in range(len(subject.data))]


def flips(subject: Subject, step: int = 1) -> list[Case]:
    """Every bit of the file flipped, or some of them."""
    return [Case(BIT, subject, bit) for bit in range(0, 8 * len(subject.data), step)]


def large_cases(subject: Subject) -> list[Case]:
    """Every cut and every bit of header and index, and some between."""
    start, end = subject.spans[0][0], subject.spans[-1][1]
    outside = [at for at in range(len(subject.data)) if not start <= at < end]
    some = list(range(start, end, LARGE_STEP))
    bits = [8 * at + k for at in outside for k in range(8)]
    stride = max(1, 8 * (end - start) // LARGE_BITS)
    bits += range(8 * start, 8 * end, stride)
    return [Case(CUT, subject, at) for at in outside + some] + [Case(BIT, subject, bit) for bit in bits]


def numbered(kind: str, subjects: Sequence[Subject], count: int, first: int = 0) -> list[Case]:
    """`count` cases of a kind, the subjects taking turns."""
    return [Case(kind, subjects[k % len(subjects)], k // len(subjects)) for k in range(first, first + count)]


def use_all(cases: Sequence[Case], tally: Tally) -> int:
    """Use every case in forked children; returns the most memory that one took, in bytes."""
    most = 0
    for start in range(0, len(cases), BATCH):
        batch = cases[start : start + BATCH]
        for ended in each([case.use for case in batch], seconds=SECONDS, address_space=8 * MEMORY):
            case = batch[ended.job]
            outcome, detail = _outcome(ended)
            tally.add(case.kind, outcome, f"{case.name}: {detail}")
            most = max(most, ended.memory)
    return most


def _outcome(ended: Ended) -> tuple[str, str]:
    if ended.fault.startswith("still running"):
        return "hang", ended.fault
    if ended.fault.startswith(("died", "exit")):
        return "crash", ended.fault
    if ended.fault:
        return "other", ended.fault
    if ended.memory > MEMORY:
        return "other", f"{ended.memory / 2**20:.0f} MiB of memory"
    outcome, _, detail = ended.said.partition("\n")
    return outcome, detail


def _stages() -> Iterator[tuple[str, list[Case]]]:
    small, large, narrow = small_subjects(), large_subject(), narrow_subjects()
    harmed = harmed_subjects()
    everything, wide = (*small, large), [subject for subject in small if subject not in narrow]
    yield "every cut", [case for subject in small for case in cuts(subject)]
    yield "every bit", [case for subject in narrow for case in flips(subject)]
    yield "some bits", [case for subject in wide for case in flips(subject, WIDE_STEP)]
    yield "the default model's file", large_cases(large)
    yield "many bytes", numbered(SEVERAL_KIND, everything, SEVERAL)
    yield "hostile headers", numbered(HEADER, harmed, HEADERS)
    yield "hostile payloads", numbered(PAYLOAD, harmed, PAYLOADS)
    yield "hostile metadata", numbered(METADATA_KIND, harmed, METADATA)


def run(seconds: float, report: Report) -> Tally:
    """Use every case of the fixed list, then further random ones until `seconds` are over."""
    began, tally = time.monotonic(), Tally("damage cases")
    most = 0
    with shortcuts():
        for title, cases in _stages():
            most = max(most, use_all(cases, tally))
            took = time.monotonic() - began
            report(f"damage: {title}: {len(cases)} cases, {tally.bad} bad, {took:.0f} s")
        harmed, first = harmed_subjects(), max(SEVERAL, HEADERS, PAYLOADS, METADATA)
        while time.monotonic() - began < seconds:
            for kind in (SEVERAL_KIND, HEADER, PAYLOAD):
                most = max(most, use_all(numbered(kind, harmed, BATCH, first), tally))
            first += BATCH
    tally.seconds = time.monotonic() - began
    tally.notes.append(f"The most memory that a case took: {most / 2**20:.0f} MiB.")
    return tally


def repeat(name: str) -> str:
    """Use the case of this name again, in this process."""
    kind, file, number = name.split(":")[:3]
    subjects = {subject.name: subject for subject in (*small_subjects(), large_subject())}
    with shortcuts():
        return Case(kind, subjects[file], int(number)).use()


if __name__ == "__main__":
    sys.stdout.write(repeat(sys.argv[1]) + "\n")
