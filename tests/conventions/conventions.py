"""What `make check` holds beside ruff, mypy and import-linter: short files and functions, one name
for one thing, docstrings that begin with a sentence, typed fixtures. Prints what is wrong and exits
with 1 if anything is.

    python tests/conventions/conventions.py
"""

import ast
import itertools
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = (  # what has one name for one thing: the application, and the client beside it
    ("core", "service", "workers", "models", "deploy"),
    ("matteforge",),
)
LONGEST = {"models/networks/": 320, "models/kernels/": 320, "tests/": 400, "": 250}  # lines
LONGEST_FUNCTION = 40  # lines of its statements, without its parameters and its docstring
FRAGMENTS = ("Of", "As")  # a docstring that begins so leaves its subject to be guessed
ENTRY_POINTS = {"main"}  # of programs, one a file
SHARED = {  # names that several modules have on purpose -> why
    "draw": "every concept of a portrait draws its part of the spec",
    "material": "what a part of a portrait is made of",
    "meshes": "the meshes of a part of a portrait",
    "filtered_lrelu": "one operation, its implementations by device",
    "modulated_conv": "the bench's textbook version of the operation",
}


def tracked(root: Path) -> list[Path]:
    """Python files that git knows, relative to `root`."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"],
        cwd=root, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [Path(line) for line in listed.stdout.splitlines() if (root / line).is_file()]


def long_files(files: dict[Path, str]) -> Iterator[str]:
    """Files with more lines than their folder may have."""
    for path, text in files.items():
        limit = next(most for folder, most in LONGEST.items() if str(path).startswith(folder))
        if (lines := text.count("\n")) > limit:
            yield f"{path}: {lines} lines; {limit} are the most: split it by concept"


def long_functions(files: dict[Path, str]) -> Iterator[str]:
    """Functions of the source whose statements take more lines than one step needs. A Triton kernel
    is compiled whole, and so may be longer."""
    for path, text in files.items():
        if path.parts[0] not in itertools.chain(*PROGRAMS):
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            kernel = any("triton.jit" in ast.unparse(by) for by in node.decorator_list)
            lines = _statement_lines(node)
            if lines > LONGEST_FUNCTION and not kernel:
                yield (
                    f"{path}:{node.lineno}: {node.name} has {lines} lines of statements; "
                    f"{LONGEST_FUNCTION} are the most: a function says one step"
                )


def _statement_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first, *others = function.body
    if ast.get_docstring(function, clean=False) is not None:
        if not others:
            return 0
        first = others[0]
    return (function.end_lineno or first.lineno) - first.lineno + 1


def fragments(files: dict[Path, str]) -> Iterator[str]:
    """Docstrings, of attributes too, that do not begin with a sentence."""
    for path, text in files.items():
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Expr(value=ast.Constant(value=str(words))):
                    if words.split(" ", 1)[0] in FRAGMENTS:
                        yield f"{path}:{node.lineno}: a docstring begins {words[:20]!r}"


def untyped_fixtures(files: dict[Path, str]) -> Iterator[str]:
    """Fixtures of tests with an argument or a result without a type."""
    for path, text in files.items():
        for node in ast.walk(ast.parse(text) if path.parts[0] == "tests" else ast.Module([], [])):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_fixture(node):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                bare = [one.arg for one in given if one.annotation is None and one.arg != "self"]
                bare += ["its result"] if node.returns is None else []
                if bare:
                    place = f"{path}:{node.lineno}"
                    yield f"{place}: fixture {node.name} lacks types: {', '.join(bare)}"


def _is_fixture(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is decorated as `@pytest.fixture` or `@pytest.fixture(…)`."""
    names = (by.func if isinstance(by, ast.Call) else by for by in node.decorator_list)
    return any(ast.unparse(name) in ("pytest.fixture", "fixture") for name in names)


def shared_names(files: dict[Path, str]) -> Iterator[str]:
    """Public functions and classes that more than one module of the source defines."""
    for packages in PROGRAMS:
        places = defaultdict[str, list[str]](list)
        for path, text in files.items():
            if path.parts[0] in packages:
                for name, line in public_names(text):
                    places[name].append(f"{path}:{line}")
        for name, found in sorted(places.items()):
            if len(found) > 1 and name not in SHARED.keys() | ENTRY_POINTS:
                yield f"{name} is defined in {', '.join(found)}: two things need two names"


def public_names(text: str) -> Iterator[tuple[str, int]]:
    """(name, line) of a module's public functions and classes, without commands and routes: these
    are named for what the user types."""
    for node in ast.parse(text).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                decorated = any(
                    isinstance(by, ast.Call) and _registers(by) for by in node.decorator_list
                )
                if not node.name.startswith("_") and not decorated:
                    yield node.name, node.lineno


def _registers(decorator: ast.Call) -> bool:
    """Whether a decorator is a command's or a route's: `@models.command()`, `@router.get(…)`."""
    return isinstance(decorator.func, ast.Attribute) and decorator.func.attr in {
        "command", "group", "get", "post", "put", "delete", "patch", "head", "exception_handler",
    }  # fmt: skip


def problems(root: Path) -> list[str]:
    """All that is wrong below `root`, a line each."""
    files = {path: (root / path).read_text() for path in tracked(root)}
    checks = (long_files, long_functions, fragments, untyped_fixtures, shared_names)
    return [problem for check in checks for problem in check(files)]


def main() -> None:
    found = problems(ROOT)
    print("\n".join(found) or "conventions: all kept")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
