"""`autofinetune completion`: print a script that completes commands and options in a shell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autofinetune.cli.commands import COMMANDS
from autofinetune.cli.options import Parser
from autofinetune.config.options import OPTIONS

_BASH = """\
_autofinetune() {{
    local word=${{COMP_WORDS[COMP_CWORD]}}
    local commands="{commands}"
    local options="{options}"
    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
        [[ ${{COMPREPLY[0]}} == *= ]] && compopt -o nospace
    elif [[ $COMP_CWORD == 1 ]]; then
        COMPREPLY=($(compgen -W "$commands" -- "$word") $(compgen -f -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
complete -o filenames -F _autofinetune autofinetune
"""
_ZSH = """\
#compdef autofinetune
_autofinetune() {{
    local -a commands options
    commands=({commands})
    options=({options})
    if [[ $words[CURRENT] == -* ]]; then
        compadd -S '' -- $options
    else
        (( CURRENT == 2 )) && compadd -- $commands
        _files
    fi
}}
compdef _autofinetune autofinetune
"""


def completion_command(argv: Sequence[str]) -> int:
    """Print the completion script for a shell and return the exit code."""
    parser = Parser(
        "completion",
        description="Print the completion script for a shell. For bash: "
        'eval "$(autofinetune completion bash)"',
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    print(script_for(parser.parse_args(argv).shell), end="")
    return 0


def script_for(shell: str) -> str:
    """Return the completion script for `bash`, `zsh` or `fish`."""
    if shell == "fish":
        return "\n".join(_fish(COMMANDS))
    options = [f"--{one.name}{'=' if one.metavar else ''}" for one in OPTIONS.values()]
    template = _BASH if shell == "bash" else _ZSH
    return template.format(commands=" ".join(COMMANDS), options=" ".join([*options, "--help"]))


def _fish(commands: Iterable[str]) -> Sequence[str]:
    start = "complete -c autofinetune"
    lines = [f"{start} -n __fish_use_subcommand -a {command}" for command in commands]
    for option in OPTIONS.values():
        needs = " -r" if option.metavar else ""
        text = option.help.replace("\\", "\\\\").replace("'", "\\'")
        lines.append(f"{start} -l {option.name}{needs} -d '{text}'")
    return [*lines, ""]
