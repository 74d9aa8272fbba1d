"""Loss and learning rate of some steps, logged as soon as all parts of a step are known."""

from collections.abc import Callable

from sprout.engine.plan import Log


class StepLog:
    """Takes what is known of steps, part by part and in their order."""

    def __init__(self, log: Log, every: int, parts: int, rate: Callable[[int], float]) -> None:
        """Take what is logged, and where to.

        Args:
            log: takes (metrics, step).
            every: log every so many steps; 0 for never.
            parts: in how many parts a step comes.
            rate: the learning rate of a step.
        """
        self.log, self.every, self.parts, self.rate = log, every, parts, rate
        self.known: list[tuple[float, int]] = []

    def part(self, step: int, loss: float, count: int) -> None:
        """The loss of a part, summed over so many examples."""
        if not self.every or step % self.every:
            return
        self.known.append((loss, count))
        if len(self.known) == self.parts:
            loss, count = (sum(column) for column in zip(*self.known, strict=True))
            self.log({"step_loss": loss / max(1, count), "step_lr": self.rate(step)}, step)
            self.known.clear()
