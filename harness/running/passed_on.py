"""A run that is another's but for what a subclass says: all that a comparison asks of it is passed on; see Running."""

from harness.contract.record import Record
from harness.running.start import Running, Watched


class PassedOn:
    """Passes on everything but its steps."""

    def __init__(self, run: Running) -> None:
        self.run = run

    @property
    def parameters(self) -> tuple[str, ...]:
        """See Running."""
        return self.run.parameters

    @property
    def captured(self) -> bool:
        """Whether it is a training function that is run as it is."""
        return getattr(self.run, "captured", False)

    @property
    def watched(self) -> Watched:
        """See Running."""
        return self.run.watched

    def release(self) -> None:
        """See Running."""
        self.run.release()

    def write(self, arrays: Record) -> None:
        """See Running."""
        self.run.write(arrays)

    def close(self) -> None:
        """See Running."""
        self.run.close()
