"""What compiles says so once for each package; what comes from a cache says nothing."""

import logging

from numba import njit

from models.kernels import compile_notice


def test_the_first_compilation_of_a_package_is_announced_once(caplog):
    with (
        caplog.at_level(logging.WARNING),
        compile_notice.event.install_listener("numba:compile", compile_notice._Compilations()),
    ):
        one, two = njit(lambda x: x + 1), njit(lambda x: x - 1)
        two.py_func.__module__ = "pymatting.util.util"
        assert (one(1), one(2), one(1.5), two(1)) == (2, 3, 2.5, 0)
    own = compile_notice.package_of(__name__)
    told = [each.message for each in caplog.records if each.name == compile_notice.__name__]
    assert [message.split()[1] for message in told] == [own, "pymatting"]


def test_kernels_are_told_by_their_package():
    assert compile_notice.package_of("models.kernels.filtered_lrelu.cpu") == "models.kernels"
