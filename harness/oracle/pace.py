"""How fast each side uses up its data: the epoch and the examples of every record, and what that says of a step."""

from array import array
from collections.abc import Sequence

from harness.contract.problem import Problem
from harness.running.start import Step
from harness.verdict import Moment


class Pace:
    """Of every record of the two judged runs the epoch of torch's last batch, and the examples that each side used up."""

    def __init__(self) -> None:
        self.epochs, self.torch, self.tensorflow = array("q"), array("q"), array("q")

    def add(self, torch: Step, tensorflow: Step) -> None:
        """One more step."""
        self.epochs.append(torch.epoch)
        self.torch.append(torch.examples)
        self.tensorflow.append(tensorflow.examples)

    def moment(self, step: int, problem: Problem) -> Moment | None:
        """Where a step stands; None for one that was not recorded."""
        if step >= len(self.epochs):
            return None
        used, epochs = (self.torch[step], self.tensorflow[step]), self.told(problem)
        torch, tensorflow = (-(-examples // problem.batch_size) for examples in used)
        return Moment(
            step,
            epochs[step],
            opens=step > 0 and epochs[step] > epochs[step - 1],
            batches=(torch, tensorflow),
            examples=used[0] if 0 < used[0] < problem.batch_size else 0,
        )

    def told(self, problem: Problem) -> Sequence[int]:
        """Every record's epoch. A function whose batches are not the scenario's examples, such as windows of a text, makes more
        records than these would; then its epochs are of equal length if they can be.
        """
        if not self.epochs or self.epochs[-1] < problem.passes:
            return self.epochs
        length, rest = divmod(len(self.epochs), problem.passes)
        return [0 if rest or problem.steps else record // length for record in range(len(self.epochs))]

    @property
    def apart(self) -> bool:
        """Whether each record of one side has used up more than the other's, as where it yields less often."""
        pairs = list(zip(self.torch, self.tensorflow, strict=True))
        return bool(pairs) and (all(0 < b < a for a, b in pairs) or all(0 < a < b for a, b in pairs))
