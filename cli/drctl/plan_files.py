"""Plan files: YAML or JSON, from a path or from standard input (`-`)."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from drctl.names import nearest
from drctl.options import PLAN_SUFFIXES
from drctl.outcome import CliError, ExitCode
from drctl.wording import counted


def read_plan_file(path: str, command: str) -> object:
    """Whatever value the file holds. JSON is YAML too, but a JSON parser's messages are better about JSON."""
    text = _text(path, command)
    if not (path.endswith(".json") or text.lstrip().startswith("{")):
        return _yaml(path, text)
    try:
        return json.loads(text, object_pairs_hook=_without_repeated_keys)
    except (ValueError, RecursionError) as error:
        raise CliError(f"{path} is not valid JSON: {error}.", ExitCode.REFUSED) from error


def checked_plan(path: str, command: str) -> dict[str, Any]:
    """The plan document in the file; raises CliError with every fault. `command`: what was typed before the file's
    name."""
    from drs_orchestrator.plan_document import validate_plan

    document = read_plan_file(path, command)
    faults = [{"pointer": fault.pointer, "message": fault.message} for fault in validate_plan(document)]
    if faults or not isinstance(document, dict):
        raise CliError(
            f"{path} is not a valid plan: {counted(len(faults), 'fault')}.", ExitCode.REFUSED, details=faults
        )
    return document


def _text(path: str, command: str) -> str:
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return data.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise CliError(f"There is no file {path}.", ExitCode.USAGE, _instead(path, command)) from error
    except OSError as error:
        raise CliError(f"{path} can't be read: {error.strerror}.", ExitCode.USAGE) from error
    except UnicodeDecodeError as error:
        raise CliError(f"{path} is not a text in UTF-8.", ExitCode.REFUSED) from error


def _instead(path: str, command: str) -> str:
    """The command with the plan that was probably meant: of nearly that name, there or in the folder `plans` of that
    place; else the one that shows what there is."""
    folder = next(each for each in Path(path).parents if each.is_dir())
    plans = [file for place in (folder, folder / "plans") for file in place.glob("*") if file.suffix in PLAN_SUFFIXES]
    near = nearest(Path(path).stem, (file.stem for file in plans))
    meant = next((file for file in plans if file.stem == near), None)
    return shlex.join([*command.split(), str(meant)]) if meant else shlex.join(["ls", str(folder)])


def _without_repeated_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    seen = dict(pairs)
    if len(seen) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'the key "{repeated}" is given twice')
    return seen


def _yaml(path: str, text: str) -> object:
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise CliError(
            f"{path} is not valid YAML{where}: {error.problem or error.context}.", ExitCode.REFUSED
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CliError(f"{path} is not valid YAML: {reason}.", ExitCode.REFUSED) from error


def _loader() -> Any:
    import yaml

    class PlanLoader(yaml.SafeLoader):
        """A SafeLoader that refuses a key given twice, where YAML would quietly forget the first one."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if isinstance(key, str) and key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f'the key "{key}" is given twice', key_node.start_mark
                    )
                if isinstance(key, str):
                    seen.add(key)
            return super().construct_mapping(node, deep=deep)

    return PlanLoader
