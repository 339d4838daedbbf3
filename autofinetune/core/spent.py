"""What early stopping saved, counted in reports. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from autofinetune.core.status import Status


@dataclass
class Spent:
    """The ended trials with a score and their reports; failed trials do not count."""

    completed: int = 0
    stopped: int = 0
    completed_reports: int = 0
    stopped_reports: int = 0

    def add(self, status: Status, reports: int) -> None:
        """Add trials that ended, by the reports of their last attempt."""
        if status is Status.COMPLETED:
            self.completed += 1
            self.completed_reports += reports
        elif status is Status.STOPPED:
            self.stopped += 1
            self.stopped_reports += reports

    @property
    def trainings(self) -> float | None:
        """How many complete trainings have as many reports; None if no trial was stopped."""
        if not (self.stopped and self.completed_reports):
            return None
        return self.completed * (1.0 + self.stopped_reports / self.completed_reports)

    def in_words(self) -> str:
        """Return for example "37 of 100 trainings' worth of epochs", or an empty string."""
        worth = self.trainings
        if worth is None:
            return ""
        text = f"{worth:.0f}" if worth >= 10.0 else f"{worth:.1f}"
        return f"{text} of {self.completed + self.stopped} trainings' worth of epochs"
