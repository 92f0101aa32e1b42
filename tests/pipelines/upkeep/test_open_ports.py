"""Which ports other machines can reach, read from the kernel."""

import socket

import pytest

from pipelines.upkeep import doctor, open_ports


@pytest.mark.parametrize(
    ("family", "host", "open"),
    [
        (socket.AF_INET, "127.0.0.1", False),
        (socket.AF_INET, "0.0.0.0", True),  # noqa: S104
        (socket.AF_INET6, "::1", False),
        (socket.AF_INET6, "::", True),
    ],
)
def test_a_port_is_open_to_other_machines_where_a_process_listens_beyond_loopback(family, host, open):
    with socket.create_server((host, 0), family=family) as server:
        assert open_ports.open_beyond_loopback(server.getsockname()[1]) is open


def test_the_doctor_fails_on_a_port_of_ours_that_other_machines_reach(monkeypatch):
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104
        monkeypatch.setenv("ROLLCAST_PORT", str(server.getsockname()[1]))
        check = next(check for check in doctor.examine() if check.name == "ports")
    assert check.verdict == "failed" and "listens beyond 127.0.0.1" in check.detail
