-- Unfenced. KEYS known events, mailbox, ready; ARGV event id, event, ticket, longest mailbox.
-- Returns 1; 0 for a known event; -1 when the mailbox is full. Idempotent: deduplicated by the event's id.
if redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[4]) then return -1 end
if redis.call('SADD', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('EXPIRE', KEYS[1], 7776000)
redis.call('RPUSH', KEYS[2], ARGV[2])
redis.call('SADD', KEYS[3], ARGV[3])
return 1
