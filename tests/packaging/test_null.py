"""Every C function with NULL and zero arguments: no crash, and errors name function and argument."""

import re

from conftest import C_API, run
from support.compilers import compiled
from test_c_consumers import STRICT, pkg_config

PROTOTYPE = re.compile(r"^linkspan_status (linkspan_\w+)\(([^)]*)\);", re.M)


def test_null_in_place_of_every_pointer_is_refused_by_name(tmp_path, environment):
    header = re.sub(r"//[^\n]*", "", (C_API / "include/linkspan.h").read_text())
    calls, declared = "", {}
    for name, parameters in PROTOTYPE.findall(header):
        number = 0 if parameters.strip() == "void" else parameters.count(",") + 1
        arguments = ", ".join(["0"] * number)
        declared[name] = {re.split(r"[ *]", parameter.split("[")[0].strip())[-1] for parameter in parameters.split(",")}
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
    assert len(lines) > 145
    # Freeing functions and empty lists allow NULL.
    allowed = {name for name, status, _ in lines if status == "Ok"}
    assert {name for name in allowed if not re.search(r"_free$|_release$", name)} == set(), allowed
    refused = [(name, text) for name, status, text in lines if status == "InvalidState"]
    assert len(refused) > 120
    found = {name: re.fullmatch(rf"{name}: (\w+) is NULL", text) for name, text in refused}
    assert [one for one in refused if found[one[0]] is None or found[one[0]][1] not in declared[one[0]]] == []
    assert [line for line in lines if line[1] not in ("Ok", "InvalidState")] == []


def test_null_in_place_of_one_pointer_is_refused_by_its_name(tmp_path, environment):
    calls = {
        'linkspan_message_put_text(m, "t", NULL, 5)': "linkspan_message_put_text: text is NULL, at path t",
        'linkspan_message_put_uuid(m, "t", NULL)': "linkspan_message_put_uuid: uuid is NULL, at path t",
        'linkspan_message_put_message(m, "t", NULL)': "linkspan_message_put_message: value is NULL, at path t",
        'linkspan_message_get_text(m, "", NULL, &length)': "linkspan_message_get_text: text is NULL",
        'linkspan_message_get_text(m, "", &text, NULL)': "linkspan_message_get_text: length is NULL",
        "linkspan_encode(m, LINKSPAN_CBOR, &bytes, NULL)": "linkspan_encode: length is NULL",
        "linkspan_encode(m, LINKSPAN_CBOR, NULL, &length)": "linkspan_encode: bytes is NULL",
        "linkspan_channel_connect(NULL, NULL, 0, &channel)": "linkspan_channel_connect: endpoint is NULL",
        'linkspan_channel_connect("x", NULL, 0, NULL)': "linkspan_channel_connect: channel is NULL",
        "linkspan_request_reply(NULL, m)": "linkspan_request_reply: request is NULL",
        'linkspan_message_get_record(m, "", NULL, &length)': "linkspan_message_get_record: record is NULL",
    }
    tried = "".join(f"    tried({call});\n" for call in calls)
    source = tmp_path / "null.c"
    source.write_text(
        "#include <linkspan.h>\n#include <stdio.h>\n"
        "static void tried(linkspan_status status) { puts(status == LINKSPAN_INVALID_STATE ? linkspan_last_error_text() : \"\"); }\n"
        "int main(void) {\n    linkspan_message *m; linkspan_channel *channel;\n"
        "    const char *text; uint8_t *bytes; size_t length;\n"
        "    if (linkspan_message_new(&m)) return 1;\n"
        f"{tried}    return linkspan_message_release(m);\n}}\n"
    )
    binary = compiled("gcc", "-std=c11", source, *pkg_config(environment, "--cflags", "--libs"), out=tmp_path / "null")
    assert run(binary, env=environment).splitlines() == list(calls.values())
