"""Badges: how many times faster an engine is than another one, as endpoints for shields.io.

    api/badges/ENGINE/BASELINE/PRESET.json      {"schemaVersion": 1, "label": …, "message": "2.9× numpy at xl", …}

The ratio is that of the machine which prose quotes, of published rows. A noisy ratio shows its interval, and one
that is not resolved says so: a badge makes no other claim than the pages do.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

from bench.arms.variants import kind_of
from sitegen.api.measurements import FOLDER, write_json
from sitegen.rows.cells import primary_cells
from sitegen.rows.ratios import ratio_frame
from sitegen.rows.results import TRAINING_KINDS, Results, load_results, row_dicts
from sitegen.text.addresses import UNKNOWN_SITE
from sitegen.text.errors import SiteError
from tinygpt.errors import ConfigError
from tinygpt.terminal import quantities

BADGES = f"{FOLDER}badges/"
_SHIELDS = "https://img.shields.io/endpoint?url="
_COLORS: Mapping[str, str] = MappingProxyType({"stable": "blue", "noisy": "yellow", "unresolved": "lightgrey"})


@dataclass(frozen=True)
class Badge:
    """A badge.

    Attributes:
        name: ENGINE/BASELINE/PRESET.
        label: its left side.
        message: its right side.
        color: one of shields.io's names.
    """

    name: str
    label: str
    message: str
    color: str

    @property
    def file(self) -> str:
        """Its address from the site's root."""
        return f"{BADGES}{self.name}.json"

    @property
    def record(self) -> dict[str, object]:
        """The endpoint's JSON, in the form that shields.io defines."""
        return {"schemaVersion": 1, "label": self.label, "message": self.message, "color": self.color}


def badges(published: Results) -> dict[str, Badge]:
    """Every badge by its name: engines of this project without options, beside whatever they were measured with."""
    frame = ratio_frame(published, TRAINING_KINDS).assign(state="measured")
    found = {}
    for row in row_dicts(primary_cells(frame)):
        engine, baseline, preset = row["variant"], row["baseline"], row["preset"]
        if (
            kind_of(engine) == "bench"
            and kind_of(baseline) != "roofline"
            and all(map(_is_plain, (engine, baseline, preset)))
        ):
            name = f"{engine}/{baseline}/{preset}"
            found[name] = Badge(name, f"TinyGPT {engine}", _message(row, baseline, preset), _COLORS[row["verdict"]])
    return found


def _is_plain(name: str) -> bool:
    """True of names that are parts of an address as they are: without options, modules or paths."""
    return all(letter.isalnum() or letter in "-_" for letter in name)


def _message(row: Mapping[str, float | str], baseline: str, preset: str) -> str:
    if row["verdict"] == "unresolved":
        return f"unresolved against {baseline} at {preset}"
    value = quantities.ratio(float(row["speedup"]))
    if row["verdict"] == "noisy":
        value = quantities.between(float(row["speedup_low"]), float(row["speedup_high"]), quantities.ratio)
    return f"{value} {baseline} at {preset}"


def write_badges(published: Results, site: Path) -> None:
    """Write the endpoint of every badge into a built site."""
    for badge in badges(published).values():
        write_json(site / badge.file, badge.record)


def badge_snippets(results: Path, name: str, site_url: str) -> str:
    """The lines that show a badge elsewhere, as Markdown and HTML; all names for ``list``.

    Args:
        results: the results folder.
        name: of the badge.
        site_url: the site's address, or empty.

    Raises:
        ConfigError: there is no such badge.
        SiteError: there is none at all.
    """
    found = badges(load_results(results).published)
    if not found:
        raise SiteError("no published ratio for a badge", "rows in results/published", "invoke results publish")
    if name == "list":
        return "\n".join(f"{badge.name}  {badge.message}" for badge in found.values())
    if name not in found:
        closest = difflib.get_close_matches(name, found, 1, 0) or [*found]
        raise ConfigError(
            f"unknown badge {name!r} (did you mean {closest[0]!r}?)",
            f"ENGINE/BASELINE/PRESET, {len(found)} in all",
            "invoke embed list --badge",
        )
    badge = found[name]
    site_url = site_url or UNKNOWN_SITE
    endpoint = site_url + badge.file
    picture, alt = _SHIELDS + quote(endpoint, safe=""), f"{badge.label}: {badge.message}"
    return "\n\n".join(
        [
            f"{alt}, as the published rows are now: {endpoint}",
            f"# Markdown\n[![{alt}]({picture})]({site_url}speedup/)",
            f'# HTML\n<a href="{site_url}speedup/"><img src="{picture}" alt="{alt}"></a>',
        ]
    )
