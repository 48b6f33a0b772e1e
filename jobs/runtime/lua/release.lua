-- KEYS lease, mailbox, inner outbox, outer outbox, ready; ARGV token, ticket, 'rest' to leave work behind.
-- The ticket stays in `ready` when work is left behind or the holder has to stop.
-- 1: released. 0: there is work again, go on. So no wake-up can fall between the last look and the release.
local work = redis.call('LLEN', KEYS[2]) + redis.call('LLEN', KEYS[3]) + redis.call('LLEN', KEYS[4])
if work > 0 and ARGV[3] ~= 'rest' then return 0 end
if work == 0 and ARGV[3] ~= 'rest' then redis.call('SREM', KEYS[5], ARGV[2]) end
redis.call('DEL', KEYS[1])
return 1
