"""Trainers as processes of their own: started by test_cycle_faults.py, one command a run.

Forked from here, so that torch is imported once; nothing is computed before the fork.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from core.corpora import CorpusBook
from core.training.run import new_run_id
from core.training.runs import TrainingRuns, pin_run
from matteforge.schemas.training import STAGES, Stage, TrainingSpec
from workers.app import context
from workers.cycle import job, run_cycle, stylemattegan
from workers.cycle.corpora import add_corpus

job.PUSH_S = job.TELL_S = stylemattegan.SAVE_S = (
    0.0  # everything is told, saved and pushed at every step
)


LAPSED_S = 1.5  # after which a lease has lapsed


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def child(work: Callable[[], None]) -> int:
    """Run `work` in a fork; returns its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def fate(pid: int) -> tuple[int, int]:
    """(how often it was paused, 0 or the negative signal that ended it). It goes on after each
    pause, when its lease has lapsed."""
    pauses = 0
    while os.WIFSTOPPED(status := os.waitpid(pid, os.WUNTRACED)[1]):
        pauses += 1
        time.sleep(LAPSED_S)
        os.kill(pid, signal.SIGCONT)
    return pauses, os.waitstatus_to_exitcode(status)


def run_and_die(run_id: str, fatal: Stage) -> None:
    """Go on with the run, be paused in a stage, and die by SIGKILL half-way through it, or at its
    end if it has no middle."""
    tick, function = job.Job.tick, run_cycle.FUNCTIONS[fatal]
    paused = False

    def pause() -> None:
        nonlocal paused
        if not paused:
            paused = True
            os.kill(os.getpid(), signal.SIGSTOP)

    def deadly_tick(self: job.Job, fraction: float) -> None:
        if self._progress.stage is fatal:
            pause()
        tick(self, fraction)
        if self._progress.stage is fatal and fraction >= 0.5:
            kill_self()

    def deadly_end(held: job.Job, context: object) -> dict[str, object]:
        pause()
        function(held, context)
        kill_self()

    job.Job.tick = deadly_tick
    run_cycle.FUNCTIONS[fatal] = deadly_end
    run_cycle.run_cycle(context(), run_id)


def run_and_tell(run_id: str) -> None:
    """Go on with the run and print the stages that this process did."""
    for stage, function in list(run_cycle.FUNCTIONS.items()):

        def told(
            held: job.Job, context: object, stage: Stage = stage, function: Callable = function
        ) -> dict[str, object]:
            print(f"{os.getpid()} {stage}", flush=True)
            return function(held, context)

        run_cycle.FUNCTIONS[stage] = told
    run_cycle.run_cycle(context(), run_id)


def order(domain: str) -> str:
    store = context().catalog.store
    spec = TrainingSpec(domain=domain, preset="tiny", labelled=["people"], unlabelled=["people"])
    record = pin_run(store, spec, run_id=new_run_id("o", None), owner="o")
    assert TrainingRuns(store).claim(record)
    return record.id


def main(command: str, *arguments: str) -> None:
    if command == "prepare":
        context().catalog.store.probe()
        add_corpus(
            CorpusBook(context().catalog.store), "people", Path(arguments[0]), licence="CC0-1.0"
        )
        print(order("calm"), order("troubled"))
    elif command == "kill-in-each-stage":
        for stage in STAGES:
            pauses, end = fate(child(lambda stage=stage: run_and_die(arguments[0], stage)))
            print(stage, pauses, end, flush=True)
            time.sleep(LAPSED_S)
        pauses, end = fate(child(lambda: run_cycle.run_cycle(context(), arguments[0])))
        print("last", pauses, end, flush=True)
    elif command == "two-at-once":
        trainers = [child(lambda: run_and_tell(arguments[0])) for _ in range(2)]
        assert [fate(pid) for pid in trainers] == [(0, 0), (0, 0)]


if __name__ == "__main__":
    main(*sys.argv[1:])
