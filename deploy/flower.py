"""Flower with a password on everything but /healthcheck: its own /metrics would be open to all."""

import os
import sys

from core.messages import QUEUES

LOGINS = "FLOWER_BASIC_AUTH"


def check_logins(logins: str) -> None:
    """Exit with one line unless `logins` is USER:PASSWORD, or several with commas between, none of
    them empty.
    """
    for login in logins.split(","):
        user, _, password = login.strip().partition(":")
        if not user or not password:
            sys.exit(
                f"{LOGINS} must be USER:PASSWORD, neither of them empty; "
                "Flower is not started without one"
            )


def main() -> None:
    """Run `celery … flower …` with this process's arguments."""
    check_logins(os.environ.get(LOGINS, ""))
    from flower.__main__ import main as flower
    from flower.views import BaseHandler
    from flower.views.monitor import Metrics
    from tornado.web import authenticated

    Metrics.get = authenticated(Metrics.get)
    # Flower itself lists queues that a worker has told of: one that nobody serves would be missing.
    BaseHandler.get_active_queue_names = lambda self: sorted(QUEUES)
    flower()


if __name__ == "__main__":
    main()
