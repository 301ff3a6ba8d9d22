from __future__ import annotations

import socket

import pytest

from tests.unit.cli.conftest import Run

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("command", ["serve", "web"])
def test_a_taken_port_is_one_sentence_that_names_the_flag(run: Run, command: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        result = run(command, "--port", str(port))
    assert result.exit_code == 2
    assert (
        result.stderr
        == f"Error: Port {port} is in use: stop what listens there, or choose another with --port or PORT.\n"
    )


def test_an_address_of_another_machine_is_refused(run: Run) -> None:
    result = run("serve", "--host", "192.0.2.1", "--insecure")
    assert result.exit_code == 2
    assert "192.0.2.1 is no address that this machine can listen on" in result.stderr
