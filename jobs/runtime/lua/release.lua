-- KEYS lease, mailbox, inner outbox, outer outbox, ready; ARGV token, ticket, 'rest' to release despite pending work.
-- The ticket stays in `ready` when work is pending or the holder has to stop.
-- Returns 1: released; 0: new work, so continue. Atomic, so no event is missed between check and release.
local work = redis.call('LLEN', KEYS[2]) + redis.call('LLEN', KEYS[3]) + redis.call('LLEN', KEYS[4])
if work > 0 and ARGV[3] ~= 'rest' then return 0 end
if work == 0 and ARGV[3] ~= 'rest' then redis.call('SREM', KEYS[5], ARGV[2]) end
redis.call('DEL', KEYS[1])
return 1
