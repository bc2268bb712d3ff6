"""What compiles says so once for each package; what comes from a cache says nothing."""

from numba import njit

from models.kernels import compile_notice


def test_the_first_compilation_of_a_package_is_announced_once():
    told = list[str]()
    listener = compile_notice._Compilations(lambda message, package: told.append(package))
    with compile_notice.event.install_listener("numba:compile", listener):
        one, two = njit(lambda x: x + 1), njit(lambda x: x - 1)
        two.py_func.__module__ = "pymatting.util.util"
        assert (one(1), one(2), one(1.5), two(1)) == (2, 3, 2.5, 0)
    assert told == [compile_notice.package_of(__name__), "pymatting"]


def test_kernels_are_told_by_their_package():
    assert compile_notice.package_of("models.kernels.filtered_lrelu.cpu") == "models.kernels"
