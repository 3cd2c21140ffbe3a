"""The command line and configuration file: refusals, and the output of `check`."""

import os
import shutil
import subprocess

from conftest import PROGRAM, SOON, publish
from support.network import free_port


def test_check_prints_what_a_configuration_would_do(machines):
    north = machines("north")
    publish(north.publisher("lab/a"), 1)
    north.has("lab/a")
    file = north.folder / "bridge.toml"
    file.write_text(
        'machine = "north"\nexport = ["lab/*"]\nimport = ["far/*"]\nretain = "64MiB"\n[encoding]\n"lab/json/*" = "json"\n[zenoh]\nlisten = ["tcp/127.0.0.1:7447"]\n'
    )
    output = north.run("bridge", "check", file)
    assert output.splitlines() == [
        "realm default, this machine is north",
        "listens at tcp/127.0.0.1:7447",
        "keeps 67108864 bytes of messages of each exported publisher",
        "keeps 1073741824 bytes of messages of all exported publishers together",
        "carries the values of lab/json/* as JSON",
        "exports lab/*",
        "imports far/*",
        "would export now: lab/a (shm:lab/a)",
    ]


def test_configuration_errors_name_line_and_column(machines):
    north = machines("north")
    file = north.folder / "bridge.toml"
    for text, expected in [
        ('realm = "a"\nexprot = ["x"]\n', f"{file}:2:1: "),
        ('export = ["lab/*"]\n[zenoh]\nlisten = ["tcp/0.0.0.0:7447"]\n', "trusted_network"),
        ("export = [", f"{file}:1:"),
        ('export = "lab/*"\n', f'{file}:1:10: invalid type: string "lab/*", expected a sequence; write a list'),
        ("request_timeout = true\n", "write a number, without quotes"),
        ("[zenoh]\nscouting = 1\n", f"{file}:2:12: "),
        ('retain = "64 megabytes"\n', f'{file}:1:10: "64 megabytes" is not a size; give a whole number with its unit'),
        ('[encoding]\n"lab/*" = "xml"\n', f"{file}:2:11: "),
    ]:
        file.write_text(text)
        assert expected in north.run("bridge", "check", file, code=1)
        assert expected in north.run("bridge", "--config", file, code=1)
    for text, place in [
        ('realm = "a"\nexport = ["lab/*",\n  "a b"]\n', "3:3: "),
        ('export = ["lab/*"]\nrealm = "a/b"\n', "2:9: "),
        ('export = ["lab/*"]\nrequest_timeout = -1\n', "2:19: "),
        ('export = ["lab/*"]\n[zenoh]\nlisten = ["udp/127.0.0.1:1"]\n', "3:11: "),
        ('export = ["lab/*"]\n[zenoh]\nlisten = ["tcp/0.0.0.0:7447"]\n', "3:11: "),
        ('engine = "nats"\nexport = ["lab/*"]\n[nats]\nservers = ["127.0.0.1:4222"]\n', "4:12: "),
        ('engine = "nats"\nexport = ["lab/*"]\n[nats]\nservers = ["nats://10.0.0.1:4222"]\n', "4:12: "),
        ('export = ["lab/*"]\nstatus = "x y"\n', "2:10: "),
        ('export = ["lab/*"]\nservice = ""\n', "2:11: "),
        ('export = ["lab/*"]\nretain = "64"\n[encoding]\n"a b" = "json"\n', "4:9: "),
        # The file lacks the value.
        ("", " no name is exported or imported"),
        ('export = ["lab/*"]\n', " "),
    ]:
        file.write_text(text)
        output = north.run("bridge", "check", file, code=1)
        assert f"{file}:{place}" in output, (text, output)
    file.unlink()
    # Reading another kind than a regular file might never end.
    os.mkfifo(file)
    for path, expected in [(file, "is a directory, a pipe"), (north.folder, "is a directory, a pipe"), ("/dev/zero", "is a directory, a pipe"), ("/proc/kmsg", "/proc/kmsg")]:
        # The kernel's messages look like a regular file, but contain no configuration or block.
        assert expected in north.run("bridge", "check", path, code=1)
    file.unlink()
    file.write_bytes(b'export = ["lab/*"]\nrealm = "\xff"\n')
    assert f"{file}:2:10: these bytes are no UTF-8" in north.run("bridge", "check", file, code=1)
    file.unlink()
    for words in (["check", file], ["--config", file]):
        output = north.run("bridge", *words, code=1)
        assert f"{file}: there is no such file" in output and "flags" in output
    assert "no name is exported" in north.run("bridge", "--listen", "tcp/127.0.0.1:0", code=1)


def test_port_that_another_program_has_is_named_with_what_to_do(machines):
    north, south, port = machines("north"), machines("south"), free_port()
    north.bridge("--export", "lab/*", "--listen", f"tcp/127.0.0.1:{port}")
    error = south.run("bridge", "--import", "lab/*", "--listen", f"tcp/127.0.0.1:{port}", code=1)
    assert error.startswith(f"linkspan-bridge: AddressInUse (105): listening at tcp/127.0.0.1:{port}: another program listens there")
    assert f"ss -ltnp 'sport = :{port}'" in error and "listen at another port" in error
    assert ".rs" not in error


def test_flags_that_are_no_size_and_no_pattern_are_refused(machines):
    north = machines("north")
    for words, expected in [
        (("--retain", "64 megabytes"), "give a whole number with its unit"),
        (("--encoding", "lab/*=xml"), "give a pattern and json"),
    ]:
        assert expected in north.run("bridge", "--export", "lab/*", *words, code=2)


def test_every_command_shows_examples(machines):
    north = machines("north")
    for words in ([], ["check"], ["man"], ["keys", "init"], ["keys", "issue"], ["keys", "revoke"]):
        assert "Examples:\n  linkspan bridge" in north.run("bridge", *words, "--help"), words


def test_missing_bridge_program_is_reported(tmp_path):
    alone = tmp_path / "linkspan"
    shutil.copy(PROGRAM, alone)
    env = os.environ | {"PATH": str(tmp_path), "LINKSPAN_DIR": str(tmp_path)}
    done = subprocess.run([str(alone), "bridge", "--help"], env=env, capture_output=True, text=True, timeout=SOON)
    assert done.returncode == 4 and "cargo install --path programs/bridge" in done.stderr, done
