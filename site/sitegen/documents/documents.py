"""The pages as a whole: their numbers, names and outcomes are read once, checked, and turned into tables.

docs/*.md ─► pages ─┬─► checks: typed numbers, outcomes, entries, log, tasks, posts; a problem ends the build
                    ├─► tables: roadmap, open tasks, numbers
                    └─► the Q&A log's overview, the task reference
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from invoke import Collection

from sitegen.documents.number_rows import QuotedNumber, numbers_table, quoted_numbers
from sitegen.documents.outcome_links import OutcomeTargets, check_outcomes
from sitegen.documents.pages import Page
from sitegen.documents.posts import Pin, check_posts
from sitegen.documents.qa_log import PAGE as QA_PAGE
from sitegen.documents.qa_log import Entry, check_entries, qa_overview, read_entries
from sitegen.documents.roadmap import PAGE as ROADMAP_PAGE
from sitegen.documents.roadmap import RoadmapTask, check_tasks, read_tasks, roadmap_table
from sitegen.documents.seed import PAGE as SEED_PAGE
from sitegen.documents.seed import SeedEntry, check_seed, read_seed
from sitegen.documents.task_reference import check_task_page, task_names
from sitegen.documents.typed_numbers import check_typed_numbers
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.text.errors import SiteError, summarize_problems
from sitegen.text.site_folders import GENERATED_URL


@dataclass(frozen=True)
class Documents:
    """The contents of the pages, and everything that they may refer to.

    Attributes:
        root: the checkout.
        pages: every page.
        quoted_rows: the rows that numbers come from, by pin; the empty pin means the newest rows.
        collection: the Invoke tasks; None where they cannot be imported, and then there is no task reference.
        repository: its address, or empty.
    """

    root: Path
    pages: tuple[Page, ...]
    quoted_rows: dict[Pin, QuotedRows]
    collection: Collection | None
    repository: str = ""

    @cached_property
    def tasks(self) -> tuple[RoadmapTask, ...]:
        """The tasks of the roadmap."""
        return tuple(task for page in self._pages(ROADMAP_PAGE) for task in read_tasks(page))

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The entries of the Q&A log."""
        return tuple(entry for page in self._pages(QA_PAGE) for entry in read_entries(page))

    @cached_property
    def seed(self) -> tuple[SeedEntry, ...]:
        """The entries of the original's log."""
        return tuple(entry for page in self._pages(SEED_PAGE) for entry in read_seed(page.text))

    @cached_property
    def quoted_numbers(self) -> tuple[QuotedNumber, ...]:
        """Every number that a page quotes."""
        return quoted_numbers(self.pages)

    @cached_property
    def anchors(self) -> frozenset[str]:
        """Anchors in the table of numbers."""
        return frozenset(number.anchor for number in self.quoted_numbers)

    @cached_property
    def targets(self) -> OutcomeTargets:
        """Everything that outcomes may name."""
        commands = task_names(self.collection) if self.collection else frozenset[str]()
        numbers = frozenset(task.number for task in self.tasks)
        return OutcomeTargets(self.root, self.pages, numbers, commands, self.repository)

    def _pages(self, uri: str) -> list[Page]:
        return [page for page in self.pages if page.uri == uri]


def check_documents(documents: Documents) -> None:
    """Check everything that people wrote.

    Raises:
        SiteError: a measured number is typed by hand, a name leads nowhere, or a page has the wrong form; each problem
            names page and line.
    """
    problems = [
        *check_typed_numbers(documents.pages),
        *check_outcomes(documents.targets),
        *check_entries(documents.entries),
        *check_seed(documents.seed, documents.pages),
        *check_tasks(documents.tasks),
        *check_posts(documents.pages, documents.quoted_rows[()].results),
        *check_task_page(documents.pages, documents.targets.commands),
    ]
    if problems:
        raise SiteError(summarize_problems(problems))


DOCUMENT_TABLES: MappingProxyType[str, Callable[[Documents], str]] = MappingProxyType(
    {
        "roadmap": lambda documents: roadmap_table(documents.tasks, ""),
        "open_tasks": lambda documents: roadmap_table(
            [task for task in documents.tasks if task.is_open], f"../{ROADMAP_PAGE.removesuffix('.md')}/"
        ),
        "numbers": lambda documents: numbers_table(
            documents.quoted_numbers, documents.quoted_rows, f"../{GENERATED_URL}"
        ),
        "qa_overview": lambda documents: qa_overview(documents.entries),
    }
)
