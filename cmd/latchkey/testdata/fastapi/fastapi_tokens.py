# Answers each line of stdin, {"at": seconds, "token": base64 of bytes}, with the status that the documented FastAPI
# application gives the token at that time.
import base64
import json
import sys

import auth
from fastapi import HTTPException
from fastapi_clock import set_clock

for line in sys.stdin:
    asked = json.loads(line)
    set_clock(asked["at"])
    status = 200
    try:
        auth.current_user(base64.b64decode(asked["token"]).decode("latin-1"))  # as headers are decoded
    except HTTPException as refusal:
        status = refusal.status_code
    print(status, flush=True)
