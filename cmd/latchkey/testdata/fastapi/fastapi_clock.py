# The clock of the documented FastAPI application, for tests.
import datetime
import time

import jwt.api_jwt


def set_clock(seconds: float) -> None:
    """Sets what the application takes for the time, in seconds since 1970."""

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(seconds, tz)

    jwt.api_jwt.datetime = Clock
    time.monotonic = lambda: seconds
