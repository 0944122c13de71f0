"""What `uln` says of its commands, options and arguments, and of wrong usage: from the texts, in the terminal's language.

The library behind the terminal has English words of its own for these; none of them is shown. Help of a command is the
text `help.<command>`, of an option or argument `help.<command>.<name>`, or `help.<name>` where it is the same in all.
To add a command: `flows.cli.__main__`.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from flows.cli.language import asked_for, chosen, localised, localised_text
from flows.cli.output import print_wrong_usage
from schemas.texts.catalogue import Bilingual, all_texts, bilingual


class _Spoken:
    """What a command says of itself, and of how it is used."""

    def get_usage(self, ctx: Any) -> str:
        pieces = ctx.command.collect_usage_pieces(ctx)
        return f"{localised_text('usage.usage')}: {' '.join([ctx.command_path, *pieces])}"

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = localised_text("help.help")
        return option


class _Command(_Spoken, TyperCommand):
    """A command of `uln`."""


class _Group(_Spoken, TyperGroup):
    """`uln` itself: it settles the language before anything is said."""

    def main(self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        given = list(sys.argv[1:] if args is None else args)
        before = chosen.set(asked_for(given))
        try:
            _explain(self)
            if not standalone_mode:
                return super().main(given, standalone_mode=False, **extra)
            try:
                code = super().main(given, standalone_mode=False, **extra)
            except TyperException as wrong:
                _tell_usage(wrong)
                code = wrong.exit_code
            sys.exit(code or 0)
        finally:
            chosen.reset(before)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise typer.BadParameter(bilingual("usage.no_such_command", command=args[0]), ctx=ctx, param_hint=args[0])
        return super().resolve_command(ctx, args)


class Terminal(typer.Typer):
    """The commands, with what they say of themselves from the catalogue of texts."""

    def __init__(self, **given: Any) -> None:
        super().__init__(cls=_Group, **given)

    def command(self, name: str | None = None, **given: Any) -> Callable[[Any], Any]:
        """A command of `uln`: its function says what it does, the catalogue says so to people."""
        return super().command(name, **{"cls": _Command, **given})


def _explain(group: Any) -> None:
    """Give commands, options and arguments their help, and the library its headings, in the terminal's language."""
    import typer.rich_utils as library

    library.ARGUMENTS_PANEL_TITLE = localised_text("usage.arguments")
    library.OPTIONS_PANEL_TITLE = localised_text("usage.options")
    library.COMMANDS_PANEL_TITLE = localised_text("usage.commands")
    library.DEFAULT_STRING = f"[{localised_text('usage.default')}: {{}}]"
    library.ENVVAR_STRING = f"[{localised_text('usage.environment')}: {{}}]"
    library.REQUIRED_LONG_STRING = f"[{localised_text('usage.required')}]"
    group.subcommand_metavar = localised_text("usage.command_metavar")
    for name, command in {"uln": group, **group.commands}.items():
        command.options_metavar = localised_text("usage.options_metavar")
        command.help = _help(command.help, f"help.{name}")
        for param in command.params:
            param.help = _help(param.help, f"help.{name}.{param.name}", f"help.{param.name}")


def _help(otherwise: str | None, *keys: str) -> str | None:
    return next((localised_text(key) for key in keys if key in all_texts()), otherwise)


def _tell_usage(wrong: TyperException) -> None:
    """How a command was used wrongly, in one sentence."""
    kind = type(wrong).__name__
    if kind == "NoArgsIsHelpError":
        return  # the help has been told already
    ctx, param = getattr(wrong, "ctx", None), getattr(wrong, "param", None)
    hint = getattr(wrong, "param_hint", None) or (param.get_error_hint() if param is not None else "")
    message = wrong.message
    allowed = getattr(getattr(param, "type_descriptor", None), "choices", None)
    if isinstance(message, Bilingual):
        sentence = localised(message)
    elif kind == "MissingParameter":
        sentence = localised_text("usage.missing", what=hint)
    elif kind == "NoSuchOption":
        sentence = localised_text("usage.no_such_option", what=getattr(wrong, "option_name", ""))
    elif allowed:
        sentence = localised_text(
            "fault.one_of", column=hint, allowed=", ".join(str(getattr(one, "value", one)) for one in allowed)
        )
    elif hint:
        sentence = localised_text("usage.not_taken", what=hint)
    else:
        sentence = localised_text("usage.wrong")
    print_wrong_usage(
        sentence, ctx.get_usage() if ctx is not None else "", ctx.command_path if ctx is not None else "uln"
    )
