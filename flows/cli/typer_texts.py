"""Help and usage errors of `uln`, from the texts, in the terminal's language.

The terminal's library has its own English texts for these; none of them is shown. A command's help is the text
`help.<command>`; an option's or argument's is `help.<command>.<name>`, else `help.<name>`, which several commands share.
To add a command: `flows.cli.__main__`.
"""

import sys
from collections.abc import Sequence
from typing import Any

import typer
import typer.rich_utils as library
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from flows.cli.language import chosen, language_of, localised, localised_text
from flows.cli.output import print_wrong_usage
from schemas.texts.catalogue import Bilingual, all_texts, bilingual


class _Localised:
    """Usage and help option of a command, in the terminal's language."""

    def get_usage(self, ctx: Any) -> str:
        pieces = ctx.command.collect_usage_pieces(ctx)
        return f"{localised_text('usage.usage')}: {' '.join([ctx.command_path, *pieces])}"

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = localised_text("help.help")
        return option


class Command(_Localised, TyperCommand):
    """A command of `uln`; people read its help from the catalogue, not from the function's docstring."""


class Group(_Localised, TyperGroup):
    """`uln` itself: it sets the language before anything is printed."""

    def main(self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        """Run the command of the arguments; a usage error is one sentence in the terminal's language."""
        arguments = list(sys.argv[1:] if args is None else args)
        before = chosen.set(language_of(arguments))
        try:
            _explain(self)
            code = super().main(arguments, standalone_mode=False, **extra)
            if not standalone_mode:
                return code
            sys.exit(code or 0)
        except TyperException as error:
            if not standalone_mode:
                raise
            _print_usage_error(error)
            sys.exit(error.exit_code)
        finally:
            chosen.reset(before)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command; refuse an unknown one in the terminal's language."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise typer.BadParameter(bilingual("usage.no_such_command", command=args[0]), ctx=ctx, param_hint=args[0])
        return super().resolve_command(ctx, args)


def _explain(group: Any) -> None:
    """Set the help of commands, options and arguments, and the library's headings, in the terminal's language."""
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


def _print_usage_error(error: TyperException) -> None:
    kind = type(error).__name__
    if kind == "NoArgsIsHelpError":
        return  # the help has been printed already
    ctx, param = getattr(error, "ctx", None), getattr(error, "param", None)
    hint = getattr(error, "param_hint", None) or (param.get_error_hint() if param is not None else "")
    message = error.message
    allowed = getattr(getattr(param, "type_descriptor", None), "choices", None)
    if isinstance(message, Bilingual):
        sentence = localised(message)
    elif kind == "MissingParameter":
        sentence = localised_text("usage.missing", what=hint)
    elif kind == "NoSuchOption":
        sentence = localised_text("usage.no_such_option", what=getattr(error, "option_name", ""))
    elif allowed:
        choices = ", ".join(str(getattr(choice, "value", choice)) for choice in allowed)
        sentence = localised_text("fault.one_of", column=hint, allowed=choices)
    elif hint:
        sentence = localised_text("usage.not_taken", what=hint)
    else:
        sentence = localised_text("usage.wrong")
    usage, command = ("", "uln") if ctx is None else (ctx.get_usage(), ctx.command_path)
    print_wrong_usage(sentence, usage, command)
