"""commands.md: every command with the arguments and options that its --help shows, from the application itself."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from cabletag.cli import app


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, "commands.md", content="\n".join(page(app))))
    return files


def page(application: typer.Typer) -> Iterator[str]:
    """The parts of the page of one application."""
    command = typer.main.get_command(application)
    yield f"# Commands\n\nWhat `--help` says, command by command.\n\n{_plain(command.help)}\n"
    yield from _commands(command, None, "cabletag")


def _commands(command: Any, parent: Any, name: str) -> Iterator[str]:
    """One section a command, groups before their members. Typer brings a Click of its own, so the types are not named here."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    if parent is not None:
        yield f"## {context.command_path}\n\n{_plain(command.help)}\n"
    yield f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```\n"
    for parameter in command.get_params(context):
        if record := parameter.get_help_record(context):
            yield f"`{record[0]}`\n:   {_plain(record[1]) or '–'}\n"
    for key, member in getattr(command, "commands", {}).items():
        yield from _commands(member, context, key)


def _plain(text: str | None) -> str:
    """Help text as Markdown that shows it as it is; its own `code` stays code."""
    parts = re.split(r"(`[^`\n]+`)", (text or "").strip())
    return "".join(
        part if part.startswith("`") else re.sub(r"([\\*_\[\]#])", r"\\\1", html.escape(part, quote=False))
        for part in parts
    )
