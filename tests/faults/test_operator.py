"""A shared machine: a port in use by another user, and a directory without space."""

from pathlib import Path

from programs import lines
from support.namespaces import needed
from support.tree import PROGRAM


pytestmark = needed("--mount", "--net")


def test_controller_whose_port_is_in_use_serves_local_programs_and_names_the_remedy(start) -> None:
    child = start(
        """
        import signal, socket, subprocess
        taken = socket.create_server(("127.0.0.1", 17170))
        program = sys.argv[1]
        controller = subprocess.Popen([program, "controller"], stderr=subprocess.PIPE, text=True)
        lines = []
        while not any("listens at" in line for line in lines):
            lines.append(controller.stderr.readline())
        print(lines[0].strip())
        print(subprocess.run([program, "service", "ls"], capture_output=True, text=True).returncode)
        controller.send_signal(signal.SIGTERM)
        controller.communicate(timeout=60.0)
        # An explicit request for that port is refused.
        asked = subprocess.run([program, "controller", "--listen", "tcp://127.0.0.1:17170"], capture_output=True, text=True)
        print(asked.returncode, asked.stderr.strip())
        """,
        str(PROGRAM),
        within=["--net"],
        mounts="ip link set lo up",
    )
    line, listed, refused = lines(child)
    assert "no TCP: tcp://127.0.0.1:17170" in line
    assert "--no-tcp" in line and "AddressInUse" not in line
    assert listed == "0"
    assert refused.startswith("1 linkspan: AddressInUse (105): tcp://127.0.0.1:17170")


def test_token_on_a_full_disk_leaves_nothing_and_is_made_once_there_is_space(start, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir(mode=0o700)
    child = start(
        """
        folder = os.environ["LINKSPAN_DIR"]
        # The directory and its file of locks are there.
        with linkspan.listen("unix:before"): pass
        made = fill(folder)
        listens = lambda: linkspan.listen("tcp://127.0.0.1:18171").close()
        print(became(listens))
        print([name for name in sorted(os.listdir(folder)) if not name.startswith("fill-")])
        for path in made: os.remove(path)
        print(became(listens), os.path.getsize(folder + "/.token") > 0)
        """,
        within=["--mount", "--net"],
        mounts=f"mount -t tmpfs -o size=128k,mode=700 none '{folder}' && ip link set lo up",
        env={"LINKSPAN_DIR": str(folder)},
    )
    assert lines(child) == ["NoSpace", "['.lock']", "done True"]
