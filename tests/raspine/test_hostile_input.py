"""Rules that hold for everything that reads from outside: no pickle, safe mode, bounds before allocation."""

import ast
import pathlib
import re
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = [path for folder in ("raspine", "data_prep", "experiments") for path in sorted((ROOT / folder).rglob("*.py"))]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}

# Modules that run code, or read files elsewhere, when they read what somebody made for that.
FORBIDDEN = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "yaml"}
# Writes pages, and reads the help of the project's own programs.
XML = {"raspine/report/charts/svg.py", "experiments/known_flags.py"}


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Yields where a function is called by that name, whatever it is an attribute of."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def argument(call: ast.Call, name: str) -> object:
    return next((ast.literal_eval(one.value) for one in call.keywords if one.arg == name), None)


def test_nothing_imports_a_module_that_runs_what_it_reads() -> None:
    found = [
        (str(path.relative_to(ROOT)), name)
        for path, tree in TREES.items()
        for name in imported(tree)
        if name.split(".")[0] in FORBIDDEN
    ]
    assert not found


def test_xml_of_others_is_never_parsed() -> None:
    found = {str(path.relative_to(ROOT)) for path, tree in TREES.items() for name in imported(tree) if "xml" in name}
    assert found <= XML


def test_numpy_never_unpickles() -> None:
    loads = [(place, call) for place, call in calls("load") if ast.unparse(call.func) in ("np.load", "numpy.load")]
    assert loads
    assert not [place for place, call in loads if argument(call, "allow_pickle")]


def test_pytorch_reads_weights_only() -> None:
    loads = [(place, call) for place, call in calls("load") if ast.unparse(call.func) == "torch.load"]
    assert loads
    assert all(argument(call, "weights_only") is True for _, call in loads)


def test_keras_loads_in_one_place_and_in_safe_mode() -> None:
    loads = list(calls("load_model"))
    assert [place.partition(":")[0] for place, _ in loads] == ["raspine/models/network_file.py"]
    assert argument(loads[0][1], "safe_mode") is True
    assert not list(calls("enable_unsafe_deserialization"))
    assert not list(calls("model_from_json"))


def test_nothing_is_evaluated() -> None:
    builtin = ("eval", "exec", "__import__", "compile")
    names = {ast.unparse(call.func) for name in builtin for _, call in calls(name)}
    assert not names & set(builtin)


def test_no_program_is_started_through_a_shell() -> None:
    started = [call for name in ("run", "Popen", "call", "check_output") for _, call in calls(name)]
    assert not [call for call in started if argument_is_true(call, "shell")]
    assert not [place for place, call in calls("system") if ast.unparse(call.func) == "os.system"]
    assert not list(calls("popen"))


def argument_is_true(call: ast.Call, name: str) -> bool:
    return any(one.arg == name and ast.unparse(one.value) == "True" for one in call.keywords)


def test_values_never_stand_in_the_text_of_a_query() -> None:
    queries = [(place, call) for name in ("execute", "executemany") for place, call in calls(name)]
    assert queries
    written = [place for place, call in queries if call.args and not is_fixed(call.args[0])]
    assert not written, "a query's text is fixed; values go through its parameters"


def is_fixed(node: ast.expr) -> bool:
    """Whether a query is a text, a name of one, or put together from upper-case constants and fixed texts alone."""
    if isinstance(node, ast.JoinedStr):
        return all(isinstance(part, ast.Constant) or is_constant(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return is_fixed(node.left) and is_fixed(node.right)
    return isinstance(node, ast.Constant | ast.Name | ast.Attribute)


def is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.FormattedValue) and re.fullmatch(r"_?[A-Z][A-Z_]*", ast.unparse(node.value)) is not None


def test_no_archive_is_unpacked_to_where_its_names_point() -> None:
    assert not list(calls("extractall"))
    assert not list(calls("unpack_archive"))
    assert not [name for tree in TREES.values() for name in imported(tree) if name == "tarfile"]


def test_tls_is_never_left_unverified() -> None:
    assert not [place for place, tree in TREES.items() for node in ast.walk(tree) if is_unverified(node)]


def is_unverified(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword) and node.arg in ("verify", "check_hostname"):
        return ast.unparse(node.value) == "False"
    return isinstance(node, ast.Attribute) and node.attr in ("CERT_NONE", "_create_unverified_context")


@pytest.mark.parametrize("name", ["gzip", "zlib"])
def test_what_inflates_has_a_bound(name: str) -> None:
    """`zlib.decompress` and `gzip.decompress` return whatever the bytes stand for."""
    assert not [place for place, call in calls("decompress") if ast.unparse(call.func) == f"{name}.decompress"]
