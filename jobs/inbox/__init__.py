"""From accepted deliveries to ticket mailboxes, and the journal of raw deliveries."""
