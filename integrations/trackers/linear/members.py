"""The people of a Linear workspace, by their e-mail address. A base class of `tracker`."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.ports.tracker import Member
from integrations.trackers.linear.requests import LinearRequests
from integrations.trackers.linear.responses import Connection, Node, UserNode


class _TeamKeyNode(Node):
    key: str


class MemberNode(UserNode):
    """A user with the teams whose issues the user can access."""

    teams: Connection[_TeamKeyNode]


class LinearMembers(LinearRequests):
    """Looks up people."""

    def find_member(self, email: str, teams: Sequence[str]) -> Member | None:
        """The person and the readable teams, in one request: public teams, and private ones with this member."""
        found = self._query(Connection[MemberNode], "Member", "users", email=email, teams=list(teams)).nodes
        user = next((one for one in found if one.active and not one.app), None)
        return Member(user.to_person(), tuple(team.key for team in user.teams.nodes)) if user else None
