# The documented FastAPI application, a quarter of an hour and the leeway later.
import time

from fastapi_clock import set_clock

set_clock(time.time() + 900 + 31)

from main import app  # noqa: E402, F401
