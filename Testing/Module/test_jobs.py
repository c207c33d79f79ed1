"""Jobs that are asked for again and again are done once, as they were asked for last."""

from __future__ import annotations

from DosePredictionScene.pieces import WAITING, Pieces
from panel_session import Session


def test_a_job_takes_the_place_of_the_one_of_its_name_that_waits(session: Session) -> None:
    jobs = session.panel.jobs
    begun: list[int] = []
    results: list[int] = []
    asked_for = 3

    def work(number: int) -> Pieces[int]:
        begun.append(number)
        while asked_for < 50:
            yield WAITING
        return number

    for number in (1, 2):
        jobs.add(work(number), results.append, name="looking")
    jobs.add(work(3), results.append)
    session.standin.process_events(until=lambda: begun)
    for asked_for in range(4, 51):  # noqa: B007 (the work under way looks at it)
        jobs.add(work(asked_for), results.append, name="looking")
    session.settle()
    assert begun == results == [2, 3, 50], "the second was under way, and the third has no name"
