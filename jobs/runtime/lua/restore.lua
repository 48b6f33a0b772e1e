-- Unfenced. KEYS loop, loops, known events, mailbox, inner outbox, outer outbox, ready
-- ARGV loop, ticket, number of inner commands, number of outer commands, commands..., then pairs of event id and event
-- Atomically creates the loop with its commands and events; returns 0, without effect, when the loop exists.
if redis.call('SET', KEYS[1], ARGV[1], 'NX') == false then return 0 end
redis.call('SADD', KEYS[2], ARGV[2])
local inner, outer = tonumber(ARGV[3]), tonumber(ARGV[4])
for i = 5, 4 + inner + outer do redis.call('RPUSH', i < 5 + inner and KEYS[5] or KEYS[6], ARGV[i]) end
for i = 5 + inner + outer, #ARGV, 2 do
  if redis.call('SADD', KEYS[3], ARGV[i]) == 1 then redis.call('RPUSH', KEYS[4], ARGV[i + 1]) end
end
redis.call('SADD', KEYS[7], ARGV[2])
return 1
