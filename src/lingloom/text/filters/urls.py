"""The rule on places that documents must not come from."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import numpy as np
from pydantic import AfterValidator, model_validator

from ...errors import DataError
from .batch import TextBatch
from .filter import FilterSettings, Verdicts, first_reason
from .lists import check_list, entries


class UrlsSettings(FilterSettings):
    """Documents from domains of a list, or whose address has one of some words in it.

    A domain stands for those below it too. A document without an address is kept.

    Source: Penedo et al. 2023, "The RefinedWeb Dataset for Falcon LLM", section 3.1 and appendix
    G.1, whose lists of domains and words are the user's to give.
    """

    kind: Literal["urls"] = "urls"
    domains: list[str] = []
    """Domains such as example.com."""
    domain_files: list[Annotated[str, AfterValidator(check_list)]] = []
    """Files with one domain a line."""
    parts: list[str] = []
    """What an address must not have in it, in lower case."""

    @model_validator(mode="after")
    def _has_something(self) -> "UrlsSettings":
        if not (self.domains or self.domain_files or self.parts):
            raise ValueError("nothing to look for; give domains, domain_files or parts")
        return self

    def files_read(self) -> list[Path]:
        return [Path(name) for name in self.domain_files]

    def located(self) -> Self:
        return self.model_copy(
            update={"domain_files": [str(p.absolute()) for p in self.files_read()]}
        )

    def judge(self, batch: TextBatch) -> Verdicts:
        if batch.urls is None:
            raise DataError(
                "filters.urls: these documents have no addresses; name the field that has them, "
                "or leave the filter out"
            )
        listed = {domain.lower() for domain in self.domains}
        listed.update(entry for name in self.domain_files for entry in entries(name))
        urls = [(url or "").lower() for url in batch.urls]
        barred = [_below(_host(url), listed) for url in urls]
        spoken = [any(part in url for part in self.parts) for url in urls]
        rules = [
            ("a domain of the list", np.array(barred, bool)),
            ("a listed part in the address", np.array(spoken, bool)),
        ]
        return first_reason("urls", rules)


def _host(url: str) -> str:
    try:
        return urlsplit(url if "//" in url else f"//{url}").hostname or ""
    except ValueError:  # not an address, such as 'http://[1'
        return ""


def _below(host: str, domains: set[str]) -> bool:
    """Whether `host` or a domain that it is in is one of `domains`."""
    labels = host.split(".")
    return any(".".join(labels[k:]) in domains for k in range(len(labels)))
