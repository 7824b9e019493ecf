"""CPU seconds of several works that take turns."""

import time
from collections.abc import Callable


def seconds(rounds: int, *works: Callable[[], object]) -> list[float]:
    """CPU seconds of each, in turns, the least of several rounds: noise only adds, and what runs beside it is not counted."""
    least = [float("inf")] * len(works)
    for _ in range(rounds):
        for number, work in enumerate(works):
            began = time.process_time()
            work()
            least[number] = min(least[number], time.process_time() - began)
    return least
