-- KEYS lease, mailbox, loop, inner outbox, outer outbox, loops, failures
-- ARGV token, event, loop ('' keeps it), ticket, events decided with this one, number of inner commands, commands...
-- Atomically removes the event and those after it that are decided from the mailbox, saves the new state and queues its
-- commands.
if redis.call('LINDEX', KEYS[2], 0) ~= ARGV[2] then return redis.error_reply('LEASELOST the mailbox has changed') end
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[3], ARGV[3])
  redis.call('SADD', KEYS[6], ARGV[4])
end
for i = 7, #ARGV do
  redis.call('RPUSH', i < 7 + tonumber(ARGV[6]) and KEYS[4] or KEYS[5], ARGV[i])
end
redis.call('LTRIM', KEYS[2], 1 + tonumber(ARGV[5]), -1)
redis.call('DEL', KEYS[7])
return 1
