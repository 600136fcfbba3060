"""Tries the token endpoint with requests-oauthlib: python3 oauth2_client.py URL EMAIL PASSWORD"""

import os
import sys

from oauthlib.oauth2 import LegacyApplicationClient
from oauthlib.oauth2.rfc6749 import errors
from requests_oauthlib import OAuth2Session

url, email, password = sys.argv[1:]
token_url = url + "/api/users/login/token/"
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # The server is without TLS.


def session(token=None, **options):
    return OAuth2Session(client=LegacyApplicationClient(client_id="a-client"), token=token, **options)


def log_in(password, **options):
    s = session()
    s.fetch_token(token_url, username=email, password=password, **options)
    return s


def fails(kind, work):
    """Returns the library's own error of this kind, or fails if the call raises none."""
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


# The client's id goes into an Authorization header, or into the form.
for options in {}, {"include_client_id": True}:
    client = log_in(password, **options)
    assert client.get(url + "/api/users/me/").json()["email"] == email
    assert client.token["token_type"] == "bearer" and 890 < client.token["expires_in"] <= 900

first = client.token["refresh_token"]
client.refresh_token(token_url)
assert client.token["refresh_token"] != first
assert client.get(url + "/api/users/me/").status_code == 200

# The library refreshes an expired access token by itself.
expired = {**client.token, "expires_in": -1, "expires_at": 1}
renewed = []
refreshing = session(expired, auto_refresh_url=token_url, token_updater=renewed.append)
assert refreshing.get(url + "/api/users/me/").status_code == 200
assert len(renewed) == 1

# A form with fields of two grants is refused, and costs no session.
last = renewed[0]["refresh_token"]
# The library has several errors of this code, and takes the first by name.
refused = fails(errors.OAuth2Error, lambda: session().refresh_token(token_url, refresh_token=last, username=email))
assert refused.error == "invalid_request"
last = session().refresh_token(token_url, refresh_token=last)["refresh_token"]

# Wrong credentials, no token, a token that was used before, and the token that ended with it.
fails(errors.InvalidGrantError, lambda: log_in("not this one"))
fails(errors.InvalidGrantError, lambda: session().refresh_token(token_url, refresh_token="lkr_nothing"))
fails(errors.InvalidGrantError, lambda: session().refresh_token(token_url, refresh_token=first))
fails(errors.InvalidGrantError, lambda: session().refresh_token(token_url, refresh_token=last))

# A limit is another error than these.
for _ in range(20):
    try:
        log_in("not this one")
    except errors.InvalidGrantError:
        continue
    except errors.TemporarilyUnavailableError:
        break
else:
    raise AssertionError("20 attempts, and no limit")
