"""Every function of C with NULL for each pointer and zero for each number: none crashes, and an error names the function and the argument."""

import re

from conftest import C_API, run
from support.compilers import compiled
from test_c_consumers import STRICT, pkg_config

PROTOTYPE = re.compile(r"^linkspan_status (linkspan_\w+)\(([^)]*)\);", re.M)


def test_null_in_place_of_every_pointer_is_refused_by_name(tmp_path, environment):
    header = re.sub(r"//[^\n]*", "", (C_API / "include/linkspan.h").read_text())
    calls = ""
    for name, parameters in PROTOTYPE.findall(header):
        number = 0 if parameters.strip() == "void" else parameters.count(",") + 1
        arguments = ", ".join(["0"] * number)
        if name not in ("linkspan_last_error", "linkspan_set_last_error"):
            calls += f'    tried("{name}", {name}({arguments}));\n'
    source = tmp_path / "nulls.c"
    source.write_text(
        "#include <linkspan.h>\n#include <stdio.h>\n"
        "static void tried(const char *name, linkspan_status status) {\n"
        '    printf("%s\\t%s\\t%s\\n", name, linkspan_status_name(status), status == 0 ? "" : linkspan_last_error_text());\n}\n'
        f"int main(void) {{\n{calls}    return 0;\n}}\n"
    )
    flags = pkg_config(environment, "--cflags", "--libs")
    binary = compiled(*STRICT["c"], source, *flags, out=tmp_path / "nulls")
    lines = [line.split("\t") for line in run(binary, env=environment).splitlines()]
    assert len(lines) > 180
    # What is allowed to have NULL: what frees, and a list of nothing.
    allowed = {name for name, status, _ in lines if status == "Ok"}
    assert {name for name in allowed if not re.search(r"_free$|_release$", name)} == set(), allowed
    refused = [(name, text) for name, status, text in lines if status == "InvalidState"]
    assert len(refused) > 150
    assert [one for one in refused if not re.fullmatch(rf"{one[0]}: [\w> -]+ is NULL", one[1])] == []
    assert [line for line in lines if line[1] not in ("Ok", "InvalidState")] == []
