"""Addresses that a webhook may not reach, in all the ways in which they are written."""

import pytest

from core.errors import InvalidSpec
from core.webhooks.addresses import check_webhook_url, is_open


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_the_open_internet_may_be_reached(address: str) -> None:
    assert is_open(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1",  # IPv4 in IPv6
        "2002:7f00:1::", "2002:a00:1::1",  # 6to4
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",  # NAT64
        "2001:0:a00:1::1",  # Teredo
        "::127.0.0.1", "::ffff:0:127.0.0.1", "fec0::1", "5f00::1",  # not given out
        "192.0.0.8", "3fff::1",
    ],
)  # fmt: skip
def test_no_address_of_a_network_s_own_may_be_reached(address: str) -> None:
    assert not is_open(address)


@pytest.mark.parametrize(
    "url", ["https://example.org/hook", "https://example.org:8443/a?b=c", "https://8.8.8.8/x"]
)
def test_a_plain_address_is_taken(url: str) -> None:
    check_webhook_url(url, private=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/",
        "https://0177.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/", "https://169.254.169.254/latest/meta-data",
        "https://localhost/", "https://LOCALHOST./",
        "https://user:secret@example.org/", "https://example.org@127.0.0.1/", "https://",
        "https://example.org:0/", "https://example.org:99999/", "https://[::1/", "https://exämple.org/",
        "https://exa\x1b[2Jmple.org/", "https://example.org/\x00",
    ],
)  # fmt: skip
def test_what_can_t_be_right_is_refused_before_anything_is_resolved(url: str) -> None:
    with pytest.raises(InvalidSpec, match="webhook_url"):
        check_webhook_url(url, private=False)


def test_a_setting_allows_this_network() -> None:
    check_webhook_url("http://127.0.0.1:8080/hook", private=True)
    with pytest.raises(InvalidSpec):
        check_webhook_url("http://me:secret@127.0.0.1/hook", private=True)
