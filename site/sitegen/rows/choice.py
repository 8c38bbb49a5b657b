"""The rows that a user wants drawn: those of one run, of some variants, or all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from sitegen.rows.results import Results
from tinygpt.errors import ConfigError, did_you_mean, unknown_name


@dataclass(frozen=True)
class Choice:
    """A choice of rows; ratios keep their baselines.

    Attributes:
        run: its ``run_id``, published or local; every run when empty.
        variants: every variant when empty.
        public: without local rows.
    """

    run: str = ""
    variants: tuple[str, ...] = ()
    public: bool = False

    def __bool__(self) -> bool:
        return bool(self.run or self.variants)

    @property
    def words(self) -> str:
        """The rows in an error."""
        which = f"of run {self.run}" if self.run else "published"
        return f"{which}, of {' and '.join(self.variants)}" if self.variants else which

    def check(self, results: Results) -> None:
        """Make sure that there are such rows.

        Raises:
            ConfigError: there is no such run, or none of its rows is of a variant.
        """
        if self.run and not self.run_ids(results):
            known = did_you_mean(self.run, set(results.runs["run_id"]))
            raise ConfigError(f"unknown run {self.run!r}{known}", "a run_id of the table", "invoke results show")
        measured = sorted(set(self._of_run(results).runs["variant"]))
        for variant in self.variants:
            if variant not in measured:
                raise unknown_name("variant", variant, measured, "invoke results show")

    def run_ids(self, results: Results) -> list[str]:
        """The runs that are drawn."""
        return sorted(set(self._of_run(results).runs["run_id"]))

    def to_embed(self, results: Results) -> Results:
        """The results that pictures for other sites are drawn from: published rows, unless a run was asked for."""
        return results if self.run else results.published

    def rows(self, read: Callable[[Results], pd.DataFrame], results: Results) -> pd.DataFrame:
        """The rows that ``read`` makes of the results; those that were asked for are in the view that opens."""
        rows = read(self._of_run(results))
        if self.variants and "variant" in rows:
            rows = rows[rows["variant"].isin(self.variants)].reset_index(drop=True)
        return rows.assign(tier=0) if self and "tier" in rows else rows

    def _of_run(self, results: Results) -> Results:
        return results.only("run_id", [self.run]) if self.run else results


EVERYTHING = Choice()
PUBLIC = Choice(public=True)
