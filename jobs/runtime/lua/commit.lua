-- KEYS lease, mailbox, loop, inner outbox, outer outbox, loops, failures, due
-- ARGV token, event, loop ('' keeps it), ticket, events decided with this one, deadline (0 for none), number of inner
-- commands, commands...
-- Atomically removes the event and those after it that are decided from the mailbox, saves the new state with its
-- deadline and queues its commands.
if redis.call('LINDEX', KEYS[2], 0) ~= ARGV[2] then return redis.error_reply('LEASELOST the mailbox has changed') end
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[3], ARGV[3])
  redis.call('SADD', KEYS[6], ARGV[4])
  if tonumber(ARGV[6]) > 0 then
    redis.call('ZADD', KEYS[8], ARGV[6], ARGV[4])
  else
    redis.call('ZREM', KEYS[8], ARGV[4])
  end
end
for i = 8, #ARGV do
  redis.call('RPUSH', i < 8 + tonumber(ARGV[7]) and KEYS[4] or KEYS[5], ARGV[i])
end
redis.call('LTRIM', KEYS[2], 1 + tonumber(ARGV[5]), -1)
redis.call('DEL', KEYS[7])
return 1
