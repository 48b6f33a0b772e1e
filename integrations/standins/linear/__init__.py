"""A local Linear on the wire: GraphQL, signed webhooks and a board page. Never imported by the product."""
