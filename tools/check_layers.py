#!/usr/bin/env python3
"""Fails on an #include that goes against the layers.

The calve_layer(NAME DEPENDS ...) lines of CMakeLists.txt say what a layer may include: itself and what it depends on,
directly or not. A test file (*_test.cc, testing_*) may in addition include any layer's testing_* headers. Files outside of
a known layer, unknown layers, cycles, and a production file that includes a testing_* header are errors as well; so is a
thread in a SEQUENTIAL layer, whose tests ThreadSanitizer does not run.

    tools/check_layers.py [--root DIR]     check the tree
    tools/check_layers.py --self-test      prove that the check catches what it should
"""

import argparse
import pathlib
import re
import sys
import tempfile

LAYER = re.compile(r"^\s*calve_layer\(\s*(\w+)([^)]*)\)", re.MULTILINE)
INCLUDE = re.compile(r'^\s*#\s*include\s*["<](calve/[^">]+)[">]')
RELATIVE_INCLUDE = re.compile(r'^\s*#\s*include\s*"(?!calve/)([^"]+)"')
KEYWORDS = {"DEPENDS", "LIBRARIES", "TESTS_WITH", "REAL_SERVERS", "SEQUENTIAL"}
THREAD = re.compile(r"std::(jthread|thread|async)\b|pthread_create")


def read_layers(cmake_text):
    """({layer: its direct dependencies}, the sequential ones), from the calve_layer(...) lines."""
    layers, sequential = {}, set()
    for name, rest in LAYER.findall(re.sub(r"#.*", "", cmake_text)):
        direct, keyword = [], None
        for word in rest.split():
            if word == "SEQUENTIAL":
                sequential.add(name)
            if word in KEYWORDS:
                keyword = word
            elif keyword == "DEPENDS":
                direct.append(word)
        layers[name] = direct
    return layers, sequential


def close_over(layers):
    """({layer: everything it may include}, problems)."""
    problems = []
    for name, direct in layers.items():
        problems += [f"CMakeLists.txt: layer {name} depends on {d}, which is no layer" for d in direct if d not in layers]
    closed = {}

    def visit(name, path):
        if name in path:
            problems.append("CMakeLists.txt: layers in a cycle: " + " -> ".join([*path, name]))
            return set()
        if name not in closed:
            allowed = {name}
            for dependency in layers.get(name, []):
                allowed |= visit(dependency, [*path, name])
            closed[name] = allowed
        return closed[name]

    for name in layers:
        visit(name, [])
    return closed, problems


def is_test(path):
    return path.stem.endswith("_test") or path.name.startswith("testing_")


def check_file(path, shown, layer, allowed, sequential):
    problems = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        where = f"{shown}:{number}"
        if sequential and THREAD.search(line):
            problems.append(f"{where}: a thread, but CMakeLists.txt calls layer {layer} SEQUENTIAL: ThreadSanitizer would not see it")
        if match := RELATIVE_INCLUDE.match(line):
            problems.append(f'{where}: include "{match[1]}" by its full name, "calve/<layer>/<file>"')
        match = INCLUDE.match(line)
        if not match:
            continue
        parts = match[1].split("/")
        target = parts[1] if len(parts) > 2 else "(no layer)"
        testing = parts[-1].startswith("testing_")
        if testing and not is_test(path):
            problems.append(f"{where}: {match[1]} is test support; only tests may include it")
        elif target not in allowed and not (testing and is_test(path)):
            problems.append(f"{where}: layer {layer} may not include {match[1]}: {layer} depends on "
                            f"{', '.join(sorted(allowed - {layer})) or 'nothing'} only")
    return problems


def check_tree(root):
    """(number of files looked at, problems)"""
    cmake = (root / "CMakeLists.txt").read_text(encoding="utf-8")
    layers, sequential = read_layers(cmake)
    if not layers:
        return 0, ["CMakeLists.txt: no calve_layer(...) line found"]
    closed, problems = close_over(layers)
    source = root / "src" / "calve"
    files = sorted(p for p in source.rglob("*") if p.suffix in (".h", ".cc"))
    for path in files:
        shown = path.relative_to(root)
        inside = path.relative_to(source).parts
        if len(inside) != 2 or inside[0] not in closed:
            problems.append(f"{shown}: not in the folder of a layer that CMakeLists.txt names")
            continue
        problems += check_file(path, shown, inside[0], closed[inside[0]], inside[0] in sequential)
    return len(files), problems


SELF_TEST_CMAKE = """
# calve_layer(ghost DEPENDS nowhere)
calve_layer(base      DEPENDS                 LIBRARIES fmt::fmt)
calve_layer(iceberg   SEQUENTIAL DEPENDS base LIBRARIES ZLIB::ZLIB)
calve_layer(storage   DEPENDS base)
calve_layer(catalog
            DEPENDS iceberg storage           LIBRARIES SQLite::SQLite3)
"""

# (file, its text, what must be said of it; None: nothing)
SELF_TEST_FILES = [
    ("catalog/a.cc", '#include "calve/catalog/a.h"\n#include "calve/base/error.h"\n#include <fmt/format.h>\n', None),
    ("catalog/b.cc", '#include "calve/iceberg/x.h"\n', None),
    ("iceberg/up.cc", '\n#include "calve/catalog/a.h"\n', "iceberg/up.cc:2: layer iceberg may not include calve/catalog/a.h"),
    ("storage/side.h", '#  include <calve/iceberg/x.h>\n', "layer storage may not include calve/iceberg/x.h"),
    ("base/none.h", '#include "calve/storage/x.h"\n', "base depends on nothing only"),
    ("iceberg/a_test.cc", '#include "calve/catalog/testing_fake.h"\n', None),
    ("iceberg/testing_a.h", '#include "calve/catalog/testing_fake.h"\n', None),
    ("iceberg/b_test.cc", '#include "calve/catalog/a.h"\n', "layer iceberg may not include calve/catalog/a.h"),
    ("catalog/c.cc", '#include "calve/catalog/testing_fake.h"\n', "only tests may include it"),
    ("catalog/d.cc", '#include "a.h"\n', "by its full name"),
    ("catalog/e.cc", '#include "calve/ghost/a.h"\n', "may not include calve/ghost/a.h"),
    ("catalog/f.cc", '#include "calve/a.h"\n', "may not include calve/a.h"),
    ("iceberg/c.cc", "  std::thread t;\n", "calls layer iceberg SEQUENTIAL"),
    ("storage/c.cc", "  std::thread t;\n", None),
    ("ghost/a.h", "\n", "not in the folder of a layer"),
    ("stray.h", "\n", "not in the folder of a layer"),
]


def self_test():
    failures = []
    for name, text, expected in SELF_TEST_FILES:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "CMakeLists.txt").write_text(SELF_TEST_CMAKE)
            path = root / "src" / "calve" / name
            path.parent.mkdir(parents=True)
            path.write_text(text)
            _, problems = check_tree(root)
        if expected is None and problems:
            failures.append(f"{name}: should pass, got {problems}")
        if expected is not None and not (len(problems) == 1 and expected in problems[0]):
            failures.append(f"{name}: expected one problem with {expected!r}, got {problems}")
    _, cycle = close_over({"a": ["b"], "b": ["a"]})
    if not any("cycle" in problem for problem in cycle):
        failures.append(f"a cycle was not found: {cycle}")
    _, unknown = close_over({"a": ["b"]})
    if unknown != ["CMakeLists.txt: layer a depends on b, which is no layer"]:
        failures.append(f"an unknown dependency was not found: {unknown}")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        failures = self_test()
        print("\n".join(failures) or f"layers: self-test: {len(SELF_TEST_FILES) + 2} cases as expected")
        return 1 if failures else 0
    count, problems = check_tree(options.root)
    for problem in problems:
        print(problem)
    print(f"layers: {count} files, {len(problems)} problem(s)")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
