"""What compiles says so once; what comes from a cache says nothing."""

import logging

from numba import njit

from models.kernels import compile_notice


def test_the_first_compilation_is_announced_once(caplog):
    compile_notice.announce_compilation()
    listener = compile_notice._FirstCompilation()
    with (
        caplog.at_level(logging.WARNING),
        compile_notice.event.install_listener("numba:compile", listener),
    ):
        one, two = njit(lambda x: x + 1), njit(lambda x: x - 1)
        assert (one(1), one(2), two(1)) == (2, 3, 0)
    told = [each.message for each in caplog.records if each.name == compile_notice.__name__]
    assert compile_notice.MESSAGE in told
    before = len(told)
    assert before <= 2, "one of this listener, one of the program's"
    assert one(3) == 4
