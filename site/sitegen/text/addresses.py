"""The addresses of the site and of its code: one setting, the git remote that a deployment would go to.

    origin  ──►  https://github.com/OWNER/NAME  ──►  https://OWNER.github.io/NAME/

``REPO_URL`` overrides the first address and ``SITE_URL`` the second. An address that is not set stays empty, and pages
leave out what needs it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from bench.records.git import ask_git
from sitegen.text.errors import SiteError

UNKNOWN_SITE, UNKNOWN_REPOSITORY = "https://HOST/PATH/", "ADDRESS"  # in texts to copy, where an address is not known
SITE_VARIABLE, REPOSITORY_VARIABLE = "SITE_URL", "REPO_URL"
BRANCH = "main"  # that readers edit; CI publishes no other

_WEB = re.compile(r"(?P<scheme>https?)://(?:[^@/]*@)?(?P<host>[\w.-]+(?::\d+)?)/(?P<path>[\w.~/-]+)")
_SSH = re.compile(r"(?:ssh://)?(?:[\w.-]+@)?(?P<host>[\w.-]+)(?::\d+)?[:/](?P<path>[\w.~/-]+)")
_SITE = re.compile(r"https?://[\w.-]+(?::\d+)?(?:/[\w.~%/-]*)?")
_PUBLIC_HOST = re.compile(r"(?:[\w-]+\.)+[a-z]{2,}", re.IGNORECASE)
_GITHUB = re.compile(r"https?://github\.com/(?P<owner>[^/]+)/(?P<name>[^/]+)")


@dataclass(frozen=True)
class Addresses:
    """The places where readers find the site and its code; each is empty if it is not known.

    Attributes:
        site: complete, with a slash at the end.
        repository: of the page that shows the code, and to clone from; without a slash at the end.
    """

    site: str = ""
    repository: str = ""

    @property
    def edit_folder(self) -> str:
        """The part of an address under which GitHub edits a page's source; empty for another host."""
        return f"edit/{BRANCH}/docs/" if _GITHUB.fullmatch(self.repository) else ""

    def site_warning(self) -> str:
        """The consequences of a site whose address is not known, and the way to name it; empty if it is."""
        if self.site:
            return ""
        return (
            f"warning: the site's address is not known: snippets say {UNKNOWN_SITE}, and the site has no feeds, oEmbed"
            f" records, canonical links or preview pictures; run: {SITE_VARIABLE}={UNKNOWN_SITE} invoke site"
        )

    def repository_warning(self) -> str:
        """The same for a repository."""
        if self.repository:
            return ""
        return (
            "warning: the repository's address is not known: no page links to the code;"
            f" run: git remote add origin URL, or set {REPOSITORY_VARIABLE}"
        )


def find_addresses(root: Path, remote: str = "", site: str = "") -> Addresses:
    """Read the addresses from the environment, and derive the others from a git remote.

    Args:
        root: the checkout.
        remote: address of a remote; ``origin``, or else the only one, when empty.
        site: the site's address as an option has it; the environment's when empty.

    Raises:
        SiteError: an address in the environment or in the option is none.
    """
    given_site, given_repository = (os.environ.get(name, "") for name in (SITE_VARIABLE, REPOSITORY_VARIABLE))
    named, given_site = ("the address", site) if site else (SITE_VARIABLE, given_site)
    if given_site and not _SITE.fullmatch(given_site):
        raise SiteError(f"{named} is {given_site!r}", f"a complete address, such as {UNKNOWN_SITE}")
    repository = web_address(given_repository or remote or _remote_of(root))
    if given_repository and not repository:
        raise SiteError(
            f"{REPOSITORY_VARIABLE} is {given_repository!r}", "the address of a page or a remote on a public host"
        )
    return Addresses(given_site.rstrip("/") + "/" if given_site else pages_address(repository), repository)


def _remote_of(root: Path) -> str:
    names = (ask_git(root, "remote") or "").split()
    name = "origin" if "origin" in names else names[0] if len(names) == 1 else ""
    return (ask_git(root, "remote", "get-url", name) or "") if name else ""


def web_address(remote: str) -> str:
    """The address of the page that shows a remote's code, without names and passwords.

    Empty for a folder, and for a host that has no public name.
    """
    found = _WEB.fullmatch(remote) or _SSH.fullmatch(remote)
    if found is None or not _PUBLIC_HOST.fullmatch(found["host"].partition(":")[0]):
        return ""
    scheme = found.groupdict().get("scheme", "https")
    return f"{scheme}://{found['host'].lower()}/{found['path'].strip('/').removesuffix('.git')}"


def pages_address(repository: str) -> str:
    """The address at which GitHub serves a repository's pages; empty for a repository elsewhere."""
    found = _GITHUB.fullmatch(repository)
    if found is None:
        return ""
    owner, name = found["owner"].lower(), found["name"]
    return f"https://{owner}.github.io/" + ("" if name.lower() == f"{owner}.github.io" else f"{name}/")
