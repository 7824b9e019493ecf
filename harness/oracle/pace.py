"""How fast each side uses up its data: the epoch and the examples of every record, and what that says of a step."""

from array import array

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
        used, epoch = (self.torch[step], self.tensorflow[step]), self.epochs[step]
        torch, tensorflow = (-(-examples // problem.batch_size) for examples in used)
        return Moment(
            step,
            epoch,
            opens=step > 0 and epoch > self.epochs[step - 1],
            batches=(torch, tensorflow),
            examples=used[0] if 0 < used[0] < problem.batch_size else 0,
        )

    @property
    def apart(self) -> bool:
        """Whether each record of one side has used up more than the other's, as where it yields less often."""
        pairs = list(zip(self.torch, self.tensorflow, strict=True))
        return bool(pairs) and (all(0 < b < a for a, b in pairs) or all(0 < a < b for a, b in pairs))
