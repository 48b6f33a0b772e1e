"""`GET /user` and `GET /rate_limit`."""

from __future__ import annotations

from integrations.standins.github.operations import Call, Reply, operation
from integrations.standins.github.problems import Problem
from integrations.standins.github.rates import LIMIT, rate
from integrations.standins.github.shapes.people import full_user


@operation("GET", "/user")
def viewer(call: Call) -> Reply:
    """The person behind the token."""
    if call.actor.kind == "nobody":
        raise Problem(401, "Requires authentication")
    if call.actor.kind != "user":
        raise Problem(403, "Resource not accessible by integration")
    return Reply(full_user(call.view, call.actor.login))


@operation("GET", "/rate_limit")
def rate_limit(call: Call) -> Reply:
    """What is left; asking costs nothing."""
    core = rate(call.hub, call.actor)
    untouched = {"limit": LIMIT, "used": 0, "remaining": LIMIT, "reset": core["reset"]}
    return Reply({"resources": {"core": core, "search": untouched, "graphql": untouched}, "rate": core})
