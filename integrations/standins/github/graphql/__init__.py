"""GitHub's GraphQL API: the endpoint, its objects and its mutations."""
