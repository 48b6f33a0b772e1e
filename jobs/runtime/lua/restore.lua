-- Unfenced. KEYS loop, loops, known events, mailbox, inner outbox, outer outbox, ready, due
-- ARGV loop, ticket, deadline (0 for none), number of inner commands, number of outer commands, commands..., then pairs
-- of event id and event
-- Atomically creates the loop with its commands and events; returns 0, without effect, when the loop exists.
if redis.call('SET', KEYS[1], ARGV[1], 'NX') == false then return 0 end
redis.call('SADD', KEYS[2], ARGV[2])
if tonumber(ARGV[3]) > 0 then redis.call('ZADD', KEYS[8], ARGV[3], ARGV[2]) end
local inner, outer = tonumber(ARGV[4]), tonumber(ARGV[5])
for i = 6, 5 + inner + outer do redis.call('RPUSH', i < 6 + inner and KEYS[5] or KEYS[6], ARGV[i]) end
for i = 6 + inner + outer, #ARGV, 2 do
  if redis.call('SADD', KEYS[3], ARGV[i]) == 1 then redis.call('RPUSH', KEYS[4], ARGV[i + 1]) end
end
redis.call('SADD', KEYS[7], ARGV[2])
return 1
