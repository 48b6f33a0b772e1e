-- KEYS lease, runs, steering, known events, mailbox, ready, transcript, provenance
-- ARGV token, run, ticket, event id, event, 'heed', outcome, provenance
-- Returns 0 when there is unread guidance that the run must heed, so it continues. 1: finished, event in the mailbox.
if ARGV[6] == 'heed' and redis.call('LLEN', KEYS[3]) > 0 then return 0 end
redis.call('XADD', KEYS[7], '*', 'kind', 'outcome', 'data', ARGV[7])
redis.call('SREM', KEYS[2], ARGV[2])
if ARGV[8] ~= '' then redis.call('HSET', KEYS[8], 'record', ARGV[8]) end
if redis.call('SADD', KEYS[4], ARGV[4]) == 1 then
  redis.call('RPUSH', KEYS[5], ARGV[5])
  redis.call('SADD', KEYS[6], ARGV[3])
end
redis.call('DEL', KEYS[1], KEYS[3])
return 1
