"""Verdict: what an attempt means for a job: who is served, who waits, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bindpost.config.model import Relay as RelaySettings

from ..durable.retry import pause_after
from ..message.job import Addressee, Job
from .delivery import Answer
from .sender import Result
from .trouble import Hop, Trouble

_SERVERS_WORDS: Final = "see what the reason says"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    What to note of an attempt.

    `changed` are the recipients with news, by their places in the job. `pause` is the time in
    seconds to the next attempt, None when the job is done. `hop`, `reason` and `hint` are empty
    when everybody was served.
    """

    changed: dict[int, Addressee]
    pause: float | None
    hop: Hop | None = None
    reason: str = ""
    hint: str = ""

    def due(self, now: datetime) -> datetime | None:
        """Give the moment of the next attempt, None when the job is done."""
        return None if self.pause is None else now + timedelta(seconds=self.pause)

    def count(self, state: str) -> int:
        """Give how many recipients have come to a state by this attempt."""
        return sum(one.state == state for one in self.changed.values())


def judge(job: Job, result: Result, settings: RelaySettings) -> Verdict:
    """Give the verdict on an attempt, whose result has a place for each recipient that waited."""
    is_last = job.attempts >= settings.attempts
    answers = dict(zip(job.waiting, map(_decided(result.trouble), result.answers), strict=True))
    changed = {
        place: Addressee(
            address=job.recipients[place].address,
            parameters=job.recipients[place].parameters,
            state="failed" if is_last and answer.state == "queued" else answer.state,
            code=answer.code,
            reply=answer.text,
        )
        for place, answer in answers.items()
    }
    waits = any(one.state == "queued" for one in changed.values())
    hop, reason, hint = _reason(job, answers, result.trouble)
    return Verdict(
        changed=changed,
        pause=pause_after(job.attempts, settings.first_pause) if waits else None,
        hop=hop,
        reason=reason,
        hint=hint,
    )


def _decided(trouble: Trouble | None) -> Callable[[Answer | None], Answer]:
    """Give what makes an answer where there is none: the attempt's trouble is the answer."""

    def decide(answer: Answer | None) -> Answer:
        if answer is not None:
            return answer
        assert trouble is not None  # or everybody would have an answer
        return Answer("failed" if trouble.permanent else "queued", trouble.code, trouble.detail)

    return decide


def _reason(
    job: Job, answers: Mapping[int, Answer], trouble: Trouble | None
) -> tuple[Hop | None, str, str]:
    """Give hop, reason and hint: those of the trouble, else of the first that was not served."""
    if trouble is not None:
        return trouble.hop, trouble.detail, trouble.hint
    for place, answer in answers.items():
        if answer.state != "sent":
            said = answer.text if answer.code is None else f"{answer.code} {answer.text}"
            reason = f"{job.recipients[place].address}: {said}"
            return ("message" if answer.code is None else "server"), reason, _SERVERS_WORDS
    return None, "", ""
