"""The house's rules: imports go one way, files stay short, nothing of a single network stands in the code."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from app.catalog import Catalog
from app.places import CHECKOUT
from app.settings import Settings

# The rooms of app/, from the ground up. A module imports from its own room (without a cycle) and from those before.
ROOMS = {
    "ground": "activations clock cores course errors places installation reserve settings version manifest observed "
    "tour wanted",
    "pictures": "bombs crops digit imaging maps neighbours overviews png preprocess uploads",
    "graph": "arithmetic constants figures graph groups layer matching nodes numbers opaque operations outline "
    "patterns reader tensors views worked",
    "explanations": "explain expression parameters reasons sources",
    "engine": "weights rectifiers quantise kept response_norm engine run network int8 catalog transfer mirrors cache "
    "pulls",
    "saliency": "cam occlusion saliency",
    "service": "access assets budget clients connections headers logs metrics outcomes problems proxy queries "
    "redis_records runs salt schemas batches service stores tensor_protocol visitors workers",
    "routes": "routes routes.answers routes.bodies routes.ensembles routes.inference routes.layers routes.models "
    "routes.operations routes.pages routes.predictions routes.pulls routes.runs routes.saliency",
    "doors": "main verbs serving housekeeping cli cluster",
}
ROOM_OF = {f"app.{module}": room for room, modules in ROOMS.items() for module in modules.split()} | {"app": "doors"}

TOP_LEVEL = {
    *("app", "models", "static", "templates", "tests", "benchmarks", "docs", "deploy", ".ci"),
    *("Dockerfile", "pyproject.toml", "Makefile", "README.md", "CONTRIBUTING.md", "LICENSE", ".gitignore"),
}


def module_name(path: Path) -> str:
    """`app.routes.runs` of app/routes/runs.py."""
    return ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")


@cache
def sources() -> dict[str, Path]:
    """Every module of app/ by name."""
    return {module_name(path): path for path in sorted((CHECKOUT / "app").rglob("*.py"))}


def imported(path: Path) -> Iterator[str]:
    """The modules a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in sources() else str(node.module)


def inside(module: str) -> set[str]:
    """The modules of app/ that a module imports."""
    return {name for name in imported(sources()[module]) if name in sources()} - {module}


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository that git knows."""
    git = shutil.which("git")
    if git is None or not (CHECKOUT / ".git").exists():
        pytest.skip("not a git checkout, or no git")
    asked = subprocess.run([git, "ls-files", *patterns], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return [path for line in asked.stdout.splitlines() if (path := CHECKOUT / line).is_file()]


def test_every_module_has_a_room() -> None:
    assert set(sources()) == set(ROOM_OF)


def test_no_import_goes_up() -> None:
    height = {room: floor for floor, room in enumerate(ROOMS)}
    upward = [
        f"{module} ({ROOM_OF[module]}) imports {other} ({ROOM_OF[other]})"
        for module in sources()
        for other in inside(module)
        if height[ROOM_OF[other]] > height[ROOM_OF[module]]
    ]
    assert not upward


def test_no_import_cycle() -> None:
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way, module))
        if module not in done:
            for other in inside(module):
                visit(other, (*way, module))
            done.add(module)

    for module in sources():
        visit(module, ())


def test_the_service_imports_neither_torch_nor_the_workshop() -> None:
    for module, path in sources().items():
        assert not {name.split(".")[0] for name in imported(path)} & {"torch", "models", "tests"}, module


def test_files_are_short() -> None:
    files = tracked("app/*.py", "models/*.py", "static/src/*.ts", "benchmarks/*.py")
    assert files
    lengths = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert not {path: lines for path, lines in lengths.items() if lines > 400}


def strings(path: Path) -> set[str]:
    """String literals of a Python file without its docstrings, or of a TypeScript file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return {match[2] for match in re.finditer(r"""(["'`])((?:\\.|(?!\1).)*)\1""", text)}
    tree = ast.parse(text)
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    examples = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg in ("examples", "example", "description")
        for part in ast.walk(node.value)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose | examples
    }


def test_nothing_of_a_single_network_stands_in_the_code(catalog: Catalog) -> None:
    layers = [layer for network in catalog.networks for layer in network.graph.layers]
    names = {layer.name for layer in layers if len(layer.name) > 3 and layer.op != "input"}
    names -= {layer.op for layer in layers}
    names |= {manifest.id for manifest in catalog.models}
    for path in tracked("app/*.py", "static/src/*.ts"):
        assert sorted(strings(path) & names) == [], path


def test_every_setting_is_documented() -> None:
    page = (CHECKOUT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.+) \|$", page, re.MULTILINE)
    assert [name for name, _, _ in rows] == list(Settings.model_fields)
    for name, default, text in rows:
        field = Settings.model_fields[name]
        assert field.description == text, name
        if name != "cache_dir":  # depends on the user
            assert default == ("" if field.default is None else str(field.default)), name


def test_the_top_level_holds_what_it_should() -> None:
    assert {path.relative_to(CHECKOUT).parts[0] for path in tracked()} <= TOP_LEVEL


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (CHECKOUT / "static" / "package-lock.json").read_text(encoding="utf-8")


def test_nothing_is_left_to_do() -> None:
    word = re.compile("TO" + r"DO\b|FIX" + r"ME\b|coming " + "soon", re.IGNORECASE)
    for path in tracked("*.py", "*.ts", "*.css", "*.html", "*.md", "*.toml", "Dockerfile", "Makefile", ".ci/run"):
        assert not word.search(path.read_text(encoding="utf-8")), path


def test_the_wheel_holds_every_package() -> None:
    project = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    for module, path in sources().items():
        if path.name == "__init__.py":
            assert f'"{module}"' in project, module


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_the_commands_of_the_readme_work_as_written(server: str, tmp_path: Path) -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```bash\n(.*?)```", readme, re.DOTALL)
    assert block
    lines = block[1].strip().splitlines()
    assert len(lines) == 5
    (tmp_path / "docs").symlink_to(CHECKOUT / "docs")
    # --fail, so that an answer above 399 stops the script; nothing else of the commands is changed
    script = block[1].replace("http://127.0.0.1:8000", server).replace("curl ", "curl --fail ")
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert '"expression"' in ran.stdout
    assert (tmp_path / "C3.npy").read_bytes().startswith(b"\x93NUMPY")
