"""Reading a JSON file, with one sentence for each way in which that can fail; and writing one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from DosePredictionLib.errors import InputError
from DosePredictionLib.whole_file import whole_file


def read_json(path: str | Path, what: str, *, strict: bool = False) -> Any:
    """What a JSON file holds; a byte order mark before it is passed over.

    Args:
        path: of the file.
        what: it should hold, for messages: "goals", "a scorecard".
        strict: also refuse what JSON itself knows nothing of but Python reads: NaN and infinity, and a name that is
            given twice in one object, of which the last would count.

    Raises:
        InputError: the file can't be read or isn't JSON; the message says where.
    """
    path = Path(path)
    try:
        return json.loads(
            path.read_text(encoding="utf-8-sig"),
            parse_constant=_refuse_constant(path) if strict else None,
            object_pairs_hook=_refuse_twice(path) if strict else None,
        )
    except OSError as error:
        raise InputError(f"Cannot read {what} from {path}: {error.strerror}; check the path.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8, so it cannot hold {what}; save it as UTF-8 JSON.") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path} is not valid JSON at line {error.lineno}, column {error.colno} ({error.msg}); correct it there."
        ) from error
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply to hold {what}; check the file.") from error
    except ValueError as error:  # a whole number of thousands of digits
        raise InputError(f"{path} cannot be read as JSON ({error}); correct it.") from error


def write_json(path: str | Path, content: Any, *, ensure_ascii: bool = True, allow_nan: bool = True) -> None:
    """Write plain types as JSON that people can read; the file appears whole or not at all.

    Args:
        path: of the file.
        content: dictionaries, lists, texts, numbers.
        ensure_ascii, allow_nan: see `json.dumps`.

    Raises:
        InputError: the file can't be written.
    """
    text = json.dumps(content, indent=2, ensure_ascii=ensure_ascii, allow_nan=allow_nan)
    with whole_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _refuse_constant(path: Path) -> Callable[[str], NoReturn]:
    def refuse(constant: str) -> NoReturn:
        raise InputError(f"{path} holds {constant}, which is no number in JSON; give a number.")

    return refuse


def _refuse_twice(path: Path) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entry = dict(pairs)
        if len(entry) < len(pairs):
            names = [key for key, _ in pairs]
            twice = next(key for key in names if names.count(key) > 1)
            raise InputError(f"{path} gives {twice!r} twice in one place; keep one of the two.")
        return entry

    return build
