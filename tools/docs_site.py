"""What the docs site needs beyond `docs/`, as hooks of MkDocs (mkdocs.yml).

The pages are written for the code host, where links lead through the whole repository. On the site
a link keeps leading where it did as long as its target is a page of the site; that of a file which
the site does not have is shown as text. Pages outside `docs/` that the navigation lists become
pages of the site, and so does what `FILES` lists.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
FILES = ("deploy/prometheus-alerts.yaml",)
"""Linked by pages, and no pages themselves."""
MERMAID = "assets/mermaid.tiny.js"
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Write out the folders of the navigation."""
    config["nav"] = _written_out(config["nav"])
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that the navigation takes from outside `docs/`."""
    for name in [*_named(config["nav"]), *FILES]:
        if files.get_file_from_path(name) is None and (ROOT / name).exists():
            files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links through the repository into links through the site."""
    parts = _FENCE.split(markdown)
    return "".join(
        part if part.startswith("```") else _LINK.sub(lambda link: _on_site(link, page, files), part) for part in parts
    )


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Give pages with a diagram our own script, for the theme would fetch one from elsewhere, and
    the diagram a frame to scroll in."""
    if 'class="mermaid"' not in output:
        return output
    script = f'<script src="{posixpath.relpath(MERMAID, page.url or ".")}"></script>'
    scrolling = re.sub(r'<pre class="mermaid">.*?</pre>', r'<div class="diagram">\g<0></div>', output, flags=re.DOTALL)
    return scrolling.replace("</head>", f"{script}</head>", 1)


def _written_out(nav: Any) -> Any:
    """`folder/*` becomes the folder's pages, README.md first."""
    if isinstance(nav, list):
        return [_written_out(entry) for entry in nav]
    if isinstance(nav, dict):
        return {title: _written_out(entry) for title, entry in nav.items()}
    if not nav.endswith("/*"):
        return nav
    pages = (ROOT / "docs").glob(f"{nav[:-1]}*.md")
    return [f"{nav[:-1]}{path.name}" for path in sorted(pages, key=lambda path: (path.name != "README.md", path.name))]


def _named(nav: Any) -> list[str]:
    """Every file of the navigation."""
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav
    return [name for entry in inner for name in _named(entry)]


def _on_site(link: re.Match[str], page: Page, files: Files) -> str:
    path, _, anchor = link["target"].partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return link[0]
    source = _in_repository(page.file.src_uri)
    target = _in_site(posixpath.normpath(posixpath.join(posixpath.dirname(source), path)))
    if files.get_file_from_path(target) is None:
        outside = not target.startswith("../") and not (ROOT / "docs" / target).exists() and (ROOT / target).exists()
        return link["text"] if outside else link[0]
    relative = posixpath.relpath(target, posixpath.dirname(page.file.src_uri) or ".")
    return f"{link['image']}[{link['text']}]({relative}{'#' if anchor else ''}{anchor})"


def _in_repository(site: str) -> str:
    return f"docs/{site}" if (ROOT / "docs" / site).exists() else site


def _in_site(repository: str) -> str:
    return repository.removeprefix("docs/")
