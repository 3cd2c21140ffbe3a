"""NATS only: a killed server, refusals, and authentication."""

import os
import random
import re
import shutil
import subprocess
import sys
import time

import pytest
from conftest import SOON, NatsServer, kill, publish
from support.waiting import until
from nats_keys import USER, Key, operator
from test_channels import End
from test_page import blocks
from test_requests import Sender

one_engine = pytest.mark.parametrize("meeting", ["nats"], indirect=True)


@one_engine
def test_server_that_is_killed_loses_nothing_uncounted(pair, meeting):
    north, south, _ = pair
    publisher, sent = north.publisher("lab/count"), 0
    publish(publisher, 0)
    south.has("lab/count")
    subscriber = south.subscriber("lab/count")
    taken = [int(subscriber.next())]
    seed = int(os.environ.get("LINKSPAN_SEED", random.randrange(1 << 32)))
    print(f"LINKSPAN_SEED={seed}")
    chance = random.Random(seed)
    for _ in range(3):
        meeting.server.kill()
        publish(publisher, *range(sent + 1, sent + 201))
        sent += 200
        time.sleep(chance.uniform(0, 1))
        meeting.server.start()
        # The newest message still arrives without further publishing.
        until(
            "the newest is there",
            lambda: south.listed("lab/count") and south.run("latest", "lab/count", "--json").strip() == str(sent),
        )
    publish(publisher, sent + 1)
    while taken[-1] <= sent:
        taken.append(int(subscriber.next()))
    assert taken == sorted(set(taken)), "in order, and nothing twice"
    missed = sum(map(int, re.findall(r"Lagged \(125\)[^\n]*?(\d+) messages", south.log.read_text())))
    assert len(taken) + missed == sent + 2, (len(taken), missed, sent)


@one_engine
def test_names_disappear_with_a_server_away_for_long_and_return_with_it(pair, meeting):
    north, south, _ = pair
    publisher = north.publisher("lab/name")
    publish(publisher, 1)
    north.start("reply", "lab/slow", "--shell", "--command", "sleep 60")
    south.has("lab/name")
    south.has("lab/slow")
    caller = south.start("call", "lab/slow", "1", "-t", "40")
    until("the request has arrived", lambda: north.status().get("requests_in") == 1)
    meeting.server.kill()
    until("names go with the server", lambda: south.listed("lab/name") is None)
    # The error is the bridge's answer (1), or the caller's own if the name was withdrawn earlier (4).
    assert caller.wait(SOON) in (1, 4) and "Disconnected" in south.log.read_text()
    publish(publisher, 2)
    meeting.server.start()
    south.has("lab/name")
    assert south.run("latest", "lab/name", "--json").strip() == "2"


@one_engine
def test_channel_loses_nothing_where_the_server_is_killed(pair, meeting):
    north, south, _ = pair
    pace = {"PACE": "0.002"}
    far, near = End(north, "open", "lab/line", env=pace), End(south, "connect", "lab/line", env=pace)
    far.start(1000)
    south.has("lab/line")
    near.start(1000)
    for _ in range(3):
        time.sleep(0.5)
        meeting.server.kill()
        time.sleep(0.5)
        meeting.server.start()
    for end in (far, near):
        end.has(set(range(1000)))
        end.check_once_and_in_order()


@one_engine
def test_bridges_started_before_their_server_connect(machines, meeting):
    meeting.server.kill()
    north, south = machines("north"), machines("south")
    north.bridge("--export", "lab/*", *meeting.connect())
    south.bridge("--import", "lab/*", *meeting.connect())
    publish(north.publisher("lab/early"), 1)
    meeting.server.start()
    south.has("lab/early")
    assert south.run("latest", "lab/early", "--json").strip() == "1"


@one_engine
def test_realms_on_one_server_are_separate(pair, machines, meeting):
    north, south, _ = pair
    other = machines("west")
    other.bridge("--realm", "other.realm", "--import", "*", *meeting.connect())
    publish(north.publisher("lab/a"), 1)
    south.has("lab/a")
    assert other.status()["imported"] == {} and other.status()["bridges"] == []


@one_engine
def test_message_that_the_server_refuses_is_an_error_with_the_reason(pair):
    north, south, _ = pair
    publisher = north.publisher("lab/large")
    publish(publisher, "small")
    south.has("lab/large")
    subscriber = south.subscriber("lab/large")
    assert subscriber.next() == '"small"'
    publish(publisher, "x" * 2_000_000)
    why = until("it is refused", lambda: north.status().get("refused", {}).get("lab/large"))
    assert "max_payload" in why and "2000" in why and "1048576" in why
    publish(publisher, "again")
    assert subscriber.next() == '"again"'
    assert re.search(r"Lagged \(125\)[^\n]*1 message ", south.log.read_text())
    north.start("reply", "lab/echo", "--command", "cat")
    south.has("lab/echo")
    program = "import linkspan; linkspan.connect('lab/echo').call('x' * 2_000_000)"
    asked = subprocess.run([sys.executable, "-c", program], env=south.env, capture_output=True, timeout=SOON)
    # The server's 1,048,576 bytes minus room for headers.
    assert asked.returncode == 1 and b"TooLarge" in asked.stderr and b"1047552 allowed" in asked.stderr, asked


@one_engine
def test_message_over_the_limit_of_the_server_is_refused_at_its_sender_and_later_ones_arrive(pair):
    north, south, _ = pair
    handled = north.folder / "handled"
    north.start("reply", "lab/log", "--shell", "--command", f"read x; echo $x >> '{handled}'; echo 1")
    south.has("lab/log")
    sender = Sender(south, "lab/log")
    assert sender.do("send first")["outcome"] is None
    assert sender.do("send " + "x" * 2_000_000)["outcome"] == "TooLarge"
    assert sender.do("send behind")["outcome"] is None
    until("the message behind it is handled", lambda: handled.exists() and "behind" in handled.read_text())
    until("and acknowledged", lambda: sender.do("call c")["unacknowledged"] == 0)
    assert [handled.read_text().count(value) for value in ("first", "behind", "xxx")] == [1, 1, 0]


@one_engine
def test_message_over_the_smaller_limit_of_a_server_is_counted_and_later_ones_arrive(pair, meeting):
    north, south, _ = pair
    north.start("reply", "lab/log", "--shell", "--command", "wc -c")
    south.has("lab/log")
    sender = Sender(south, "lab/log")
    assert sender.do("send first")["outcome"] is None
    until("it is acknowledged", lambda: sender.do("call a")["unacknowledged"] == 0)
    meeting.server.kill()
    meeting.server.file.write_text(f"{meeting.server.file.read_text()}max_payload: 65536\n")
    meeting.server.start()
    until("requests go through the new server", lambda: sender.do("call b")["outcome"] is not None)
    # The old limit still holds if the names stayed; otherwise the sender knows the new one.
    outcome = sender.do("send " + "x" * 200_000)["outcome"]
    assert outcome in (None, "TooLarge")
    if outcome is None:
        until("it is counted", lambda: south.status().get("too_large") == 1)
        assert re.search(r"a message to lab/log is lost: [^\n]*max_payload", south.log.read_text())
    sender.do("send behind")
    until("what is behind it is acknowledged", lambda: sender.do("call c")["unacknowledged"] == 0)


def test_check_prints_what_it_would_do_and_refuses_what_nats_lacks(machines):
    north = machines("north")
    (north.folder / "password").write_text("secret\n")
    start = 'engine = "nats"\nmachine = "north"\nexport = ["lab/*"]\n'
    file = north.folder / "bridge.toml"
    nats = '[nats]\nservers = ["nats://127.0.0.1:4222"]\n'
    file.write_text(f'{start}{nats}user = "me"\npassword_file = "password"\nbucket = "newest"\n')
    assert north.run("bridge", "check", file).splitlines() == [
        "realm default, this machine is north",
        "goes through the NATS server at nats://127.0.0.1:4222",
        "shows it the user me",
        "keeps newest messages in the bucket newest, too",
        "exports lab/*",
    ]
    for text, expected in [
        (f"{start}{nats}[zenoh]\nscouting = true\n", "leave out listen, peers, routers and scouting"),
        (f'{start}{nats}[tls]\nfolder = "north.1"\n', "set ca, certificate and key in [nats]"),
        (f"{start}{nats}[machines.south]\n", "the server's permissions"),
    ]:
        file.write_text(text)
        output = north.run("bridge", "check", file, code=1)
        assert expected in output and "Unsupported" in output
    file.write_text(f'{start}[nats]\nservers = ["nats://example.org:4222"]\n')
    assert "tls://" in north.run("bridge", "check", file, code=1)


def certificates(folder) -> None:
    folder.mkdir()
    key = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    def run(*words: str) -> None:
        subprocess.run(words, cwd=folder, check=True, capture_output=True, timeout=SOON)

    run(*key, "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2")
    for name, more in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")):
        (folder / "more").write_text(more)
        run(*key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ["openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
        run(*signed, "-out", f"{name}.pem", "-days", "1", "-extfile", "more")


def test_tls_both_ways_and_unknown_client_learns_nothing(machines, tmp_path):
    assert shutil.which("openssl"), "openssl makes the certificates of this test"
    certificates(tmp_path / "keys")
    here = tmp_path / "keys"
    tls = f'tls {{ cert_file: "{here}/server.pem", key_file: "{here}/server.key", ca_file: "{here}/ca.pem", verify: true }}'
    server = NatsServer(tmp_path / "server", tls)
    try:
        address = f"tls://127.0.0.1:{server.port}"
        files = ("--ca", here / "ca.pem", "--certificate", here / "client.pem", "--key", here / "client.key")
        north, south, outsider = machines("north"), machines("south"), machines("outsider")
        words = ("--engine", "nats", "--server", address)
        north.bridge("--export", "lab/*", *words, *files)
        south.bridge("--import", "lab/*", *words, *files)
        outsider.bridge("--import", "*", *words, "--ca", here / "ca.pem")
        publish(north.publisher("lab/a"), 7)
        south.has("lab/a")
        assert south.run("latest", "lab/a", "--json").strip() == "7"
        until("the log has the refusal of the server", lambda: "not reached" in outsider.log.read_text())
        assert outsider.status()["imported"] == {}
    finally:
        server.kill()


def test_permissions_of_users_are_the_server_s(machines, tmp_path):
    """As in docs/bridge.md: north may export lab/*; south may read it and publish nothing."""
    server = NatsServer(tmp_path / "server", blocks("conf")[0].replace('"..."', "let-me-in"))
    try:
        north, south, outsider = machines("north"), machines("south"), machines("outsider")
        for machine, more in ((north, ("--export", "*")), (south, ("--import", "*", "--export", "from/*")), (outsider, ("--import", "*"))):
            (machine.folder / "password").write_text("let-me-in\n")
            machine.bridge(
                "--engine", "nats", "--server", server.url,
                "--user", machine.name, "--password-file", machine.folder / "password", *more,
            )
        publish(north.publisher("lab/a"), 1)
        south.has("lab/a")
        assert south.run("latest", "lab/a", "--json").strip() == "1"
        expected = f"the NATS server refuses the user outsider with the password in {outsider.folder / 'password'}"
        until("the log has the refusal of the server", lambda: expected in outsider.log.read_text())
        assert "let-me-in" not in outsider.log.read_text()
        assert outsider.status()["imported"] == {}
        publish(south.publisher("from/south"), 2)
        until("the log has the refusal of the server", lambda: "refuses something" in south.log.read_text())
    finally:
        server.kill()


@one_engine
def test_names_of_a_killed_bridge_disappear_before_their_time_out(machines, meeting):
    north, south = machines("north"), machines("south")
    bridge = north.bridge("--export", "lab/*", *meeting.connect())
    south.bridge("--import", "lab/*", *meeting.connect())
    publish(north.publisher("lab/a"), 1)
    south.has("lab/a")
    assert until("it knows the bridge", lambda: south.status()["bridges"] == ["north"])
    kill(bridge)
    until("name and bridge are gone", lambda: south.listed("lab/a") is None and south.status()["bridges"] == [])


@pytest.mark.parametrize("what", ["user", "token", "nkey", "credentials"])
def test_server_that_requires_credentials(machines, tmp_path, what):
    """Valid credentials connect; the error for others names their file. Logs and command lines contain no secret."""
    jetstream, wrong = True, "not-it"
    if what == "user":
        configuration, secret, flags = 'authorization { user: bridge, password: "let-me-in" }', "let-me-in", ("--user", "bridge", "--password-file")
    elif what == "token":
        configuration, secret, flags = 'authorization { token: "let-me-in" }', "let-me-in", ("--token-file",)
    elif what == "nkey":
        key = Key(USER, tmp_path / "key")
        configuration, secret, flags = f"authorization {{ users: [ {{ nkey: {key.public} }} ] }}", key.seed, ("--nkey-file",)
        wrong = Key(USER, tmp_path / "other").seed
    else:
        configuration, secret = operator(tmp_path / "operator")
        # JetStream would need a system account, which bridges do not need.
        jetstream, wrong, flags = False, operator(tmp_path / "other")[1], ("--credentials",)
    server = NatsServer(tmp_path / "server", configuration, jetstream=jetstream)
    try:
        north, south, outsider = machines("north"), machines("south"), machines("outsider")
        for machine, text, more in ((north, secret, ("--export", "*")), (south, secret, ("--import", "*")), (outsider, wrong, ("--import", "*"))):
            (machine.folder / "secret").write_text(f"{text}\n")
            machine.bridge("--engine", "nats", "--server", server.url, *flags, machine.folder / "secret", *more)
        publish(north.publisher("lab/a"), 1)
        south.has("lab/a")
        assert south.run("latest", "lab/a", "--json").strip() == "1"
        expected = rf"the NATS server refuses the {what}\b.* in {outsider.folder / 'secret'}: .*begin anew"
        until("the log has what the server refuses", lambda: re.search(expected, outsider.log.read_text()))
        assert outsider.status()["imported"] == {}
        shown = [line for line in secret.splitlines() if line and not line.startswith("-")]
        logs = "".join(machine.log.read_text() for machine in (north, south, outsider))
        assert not any(line in logs for line in shown)
        # A malformed secret in a file is reported before use.
        other = machines("west")
        file, held = other.folder / "bridge.toml", other.folder / "secret"
        user = 'user = "bridge"\n' if what == "user" else ""
        option = flags[-1].removeprefix("--").replace("-", "_")
        file.write_text(f'engine = "nats"\nimport = ["*"]\n[nats]\nservers = ["{server.url}"]\n{user}{option} = "secret"\n')
        for text in ["", "no key"] if what in ("nkey", "credentials") else [""]:
            held.write_text(text)
            output = other.run("bridge", "--config", file, code=1)
            assert re.search(rf"Malformed .*{held} (is empty: write|has no (seed|credentials).*makes)", output), output
        held.write_text(secret)
        other.bridge("--config", file)
        other.has("lab/a")
    finally:
        server.kill()
