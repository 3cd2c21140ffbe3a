"""The controller's page in PHP under nginx and php-fpm."""

import http.client
import json
import os
import secrets
import shutil
import subprocess
from dataclasses import replace

import pytest
from conftest import PATIENCE, ROOT
from controlled import EXTENSION, free_port, open_page_server
from support.rights import several_users
from support.waiting import until

FPM = next(iter(sorted(path for path in map(shutil.which, ("php-fpm", "php-fpm8.2", "php-fpm8.3", "php-fpm8.4")) if path)), None)
NAME = "lab.example"


def configuration(folder, port, token):
    """Writes the configurations of php-fpm and nginx. Both run as the owner of the services, as the page must."""
    fpm, nginx = folder / "fpm.conf", folder / "nginx.conf"
    fpm.write_text(f"""
[global]
error_log = {folder}/fpm.log
daemonize = no
[page]
user = root
group = root
listen = {folder}/fpm.sock
pm = static
pm.max_children = 6
clear_env = yes
catch_workers_output = yes
env[LINKSPAN_DIR] = {folder}/run
env[LINKSPAN_PAGE_TOKEN] = {token}
env[LINKSPAN_PAGE_HOSTS] = {NAME}
""")
    temporary = "\n".join(f'{kind}_temp_path "{folder}/nginx-{kind}";' for kind in ("client_body", "fastcgi", "proxy", "scgi", "uwsgi"))
    nginx.write_text(f"""
user root;
worker_processes 1;
daemon off;
pid "{folder}/nginx.pid";
error_log "{folder}/nginx.log";
events {{}}
http {{
    access_log off;
    {temporary}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            include /etc/nginx/fastcgi_params;
            fastcgi_param HTTP_HOST $http_host;
            fastcgi_param SCRIPT_FILENAME {ROOT}/examples/controller-page/index.php;
            fastcgi_pass "unix:{folder}/fpm.sock";
            fastcgi_buffering off;
            fastcgi_read_timeout 700;
        }}
    }}
}}
""")
    return fpm, nginx


@pytest.fixture(scope="module")
def page_server(tmp_path_factory):
    assert FPM and shutil.which("nginx"), "this needs php-fpm and nginx"
    folder = tmp_path_factory.mktemp("fpm")
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32) + "\n")
    port = free_port()
    fpm, nginx = configuration(folder, port, token)
    with open_page_server("program", folder) as opened, (folder / "servers.log").open("ab") as log:
        opened.start("bench/power")
        for command in ([FPM, "-R", "-n", "-d", f"extension={EXTENSION}", "-y", fpm], ["nginx", "-c", nginx]):
            opened.servers.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log))
        served = replace(opened, kind="fpm", address=f"http://127.0.0.1:{port}", token=token.read_text().strip())
        until(f"the service in the page of fpm (logs in {folder})", lambda: status_or_error(served) == 200)
        yield served


def status_or_error(page_server):
    try:
        return page_server.request("GET", "/api/services/bench%2Fpower")[0]
    except ConnectionError as error:
        return error


def test_page_in_fpm_lists_and_commands_services(page_server):
    status, _, services = page_server.request("GET", "/api/services")
    assert status == 200 and [record["name"] for record in services] == ["bench/power"]
    assert page_server.command("bench/power", "calibrate", arguments={"volts": 5})[2]["value"] == {"volts": 5, "error": 0.25}
    assert page_server.command("bench/power", "PAUSE")[2]["state"] == "PAUSED"
    status, headers, answer = page_server.command("bench/power", "PAUSE")
    assert (status, headers["Content-Type"], answer["answer"]["outcome"]) == (409, "application/problem+json", "REJECTED")
    assert page_server.command("bench/power", "RUN")[2]["state"] == "RUNNING"


def test_page_in_fpm_checks_token_host_and_origin(page_server):
    assert page_server.request("GET", "/", Authorization=None)[0] == 200
    assert page_server.request("GET", "/api/services", Authorization=None)[0] == 401
    assert page_server.request("GET", "/api/services", Host="evil.example")[0] == 421
    assert page_server.request("GET", "/api/services", Host=NAME)[0] == 200
    assert page_server.request("POST", "/api/services/bench%2Fpower/commands", {"command": "PAUSE"}, Origin="http://evil.example")[0] == 403
    assert page_server.request("POST", "/api/services/bench%2Fpower/commands", b"command=PAUSE", Content_Type="text/plain")[0] == 415
    assert page_server.request("GET", "/api/services/bench%2Fpower")[2]["state"] == "RUNNING"
    (page_server.folder / "token").chmod(0o644)
    try:
        status, _, answer = page_server.request("GET", "/api/services")
        assert status == 403 and "0644" in answer["detail"]
    finally:
        (page_server.folder / "token").chmod(0o600)


@several_users
def test_token_file_of_another_user_is_refused_whatever_its_mode(page_server):
    os.chown(page_server.folder / "token", 65534, -1)
    try:
        status, _, answer = page_server.request("GET", "/api/services")
        assert status == 403 and "own" in answer["detail"]
    finally:
        os.chown(page_server.folder / "token", os.geteuid(), -1)


def test_web_server_does_not_buffer_events(page_server):
    connection = http.client.HTTPConnection(page_server.host, page_server.port, timeout=PATIENCE)
    connection.request("GET", "/api/events", headers={"Authorization": f"Bearer {page_server.token}"})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/event-stream")
    seen, rows = [], set()
    while len(rows) < 2:
        line = answer.readline().decode()
        assert line, seen
        if line.startswith("event: "):
            seen.append(line[7:].strip())
        if line.startswith("data: ") and seen[-1] == "data":
            rows.add(json.loads(line[6:])["value"]["rows"])
    assert seen[0] == "snapshot"
    connection.close()
