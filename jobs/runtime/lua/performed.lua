-- KEYS lease, outbox, known events, mailbox, failures; ARGV token, command, then pairs of event id and event.
-- Atomically removes the command from the outbox and puts its events into the mailbox.
if redis.call('LINDEX', KEYS[2], 0) ~= ARGV[2] then return redis.error_reply('LEASELOST the outbox has changed') end
redis.call('LPOP', KEYS[2])
redis.call('DEL', KEYS[5])
for i = 3, #ARGV, 2 do
  if redis.call('SADD', KEYS[3], ARGV[i]) == 1 then redis.call('RPUSH', KEYS[4], ARGV[i + 1]) end
end
return 1
