"""Work is spread over processes where that pays, and comes back in order."""

import os
from collections.abc import Sequence

import pytest

from heed.errors import AudioError
from heed.spreading import FEWEST, spread


def summed(numbers: Sequence[int]) -> tuple[int, int]:
    if -1 in numbers:
        raise AudioError("a number below zero")
    return sum(numbers), os.getpid()


def test_many_items_are_worked_on_in_other_processes_and_come_back_in_order() -> None:
    results = list(spread(summed, range(FEWEST), 2, group=100))
    assert [total for total, _ in results] == [
        sum(range(FEWEST)[start : start + 100]) for start in range(0, FEWEST, 100)
    ]
    assert os.getpid() not in {process for _, process in results}
    with pytest.raises(AudioError, match="below zero"):
        list(spread(summed, [*range(FEWEST), -1], 2))


@pytest.mark.parametrize(("count", "workers"), [(0, 2), (10, 2), (FEWEST, 1)])
def test_few_items_or_one_worker_need_no_other_process(count: int, workers: int) -> None:
    results = list(spread(summed, range(count), workers, group=7))
    assert sum(total for total, _ in results) == sum(range(count))
    assert {process for _, process in results} <= {os.getpid()}
