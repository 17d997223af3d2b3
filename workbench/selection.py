"""One selection, whole: all candidates on *select*, the winner against the champion on *gate*."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workbench.candidates import Candidate, comparable, speed
from workbench.contest import Contest, Speed
from workbench.ensemble import Answers, answer_frame
from workbench.loaded_version import LoadedVersion
from workbench.records import Comparison, GateVerdict
from workbench.training_data import Blocks


@dataclass(frozen=True)
class Selection:
    """Who won, by which scores; what winner and champion said to the rows of *gate*; and the verdict."""

    winner: Candidate
    scores: dict[str, float | None]
    said: Answers
    theirs: Answers | None
    costs: Speed
    verdict: GateVerdict


def select(
    candidates: Sequence[Candidate],
    champion: LoadedVersion | None,
    blocks: Blocks,
    contest: Contest,
    until: str | None,
    *,
    segment: str | None = None,
    gating: Callable[[Candidate], None] = lambda winner: None,
) -> Selection:
    """Choose the winner and let it meet the champion.

    Parameters
    ----------
    until : ISO text
        Of the newest row that the champion has learnt or been chosen from.
    segment : str, optional
        The column whose worst segment limits the gate.
    gating : callable (winner)
        Told before winner and champion meet.
    """
    scores: dict[str, float | None] = dict.fromkeys(c.name for c in candidates)
    if len(blocks.select):
        scores = {c.name: contest.score(blocks.select.y, c.say(blocks.select.frame)) for c in candidates}
    winner = {c.name: c for c in candidates}[contest.best(scores)]
    if champion is not None:
        gating(winner)
    said = winner.say(blocks.gate.frame)
    costs = speed(winner.estimator, winner.schema, blocks.gate)
    theirs, verdict = _meet(contest, blocks, said, costs, champion, until, segment)
    return Selection(winner, scores, said, theirs, costs, verdict)


def _meet(
    contest: Contest,
    blocks: Blocks,
    said: Answers,
    costs: Speed,
    champion: LoadedVersion | None,
    until: str | None,
    segment: str | None,
) -> tuple[Answers | None, GateVerdict]:
    """What the champion says to the gate's rows, and the verdict."""

    def untold(verdict: Comparison, why: str, rows: int = 0) -> GateVerdict:
        return GateVerdict(verdict=verdict, metric=contest.metric, rows=rows, sentence=f"{verdict}: {why}")

    if champion is None or until is None:
        return None, untold("no champion", "no version was live", len(blocks.gate))
    if not comparable(champion.schema, blocks.gate):
        why = "the live version has another target or takes inputs that are no longer there"
        return None, untold("cannot tell", why)
    theirs = answer_frame(champion.estimator, champion.schema, blocks.gate.frame[champion.schema.names])
    if (blocks.gate.block().start or "") <= until:
        why = "no row is newer than what the live version has learnt or been chosen from"
        return theirs, untold("cannot tell", why)
    return theirs, contest.meet(
        blocks.gate.y,
        said,
        theirs,
        speeds=(costs, speed(champion.estimator, champion.schema, blocks.gate)),
        segments=[] if segment is None else blocks.gate.X[segment].tolist(),
    )
