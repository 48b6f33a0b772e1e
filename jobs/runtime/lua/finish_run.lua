-- KEYS lease, runs, steering, known events, mailbox, ready, transcript; ARGV token, run, ticket, event id, event, 'heed', outcome
-- 0: words of a person wait, so a run that must heed them goes on. 1: finished, and the ticket's mailbox knows.
if ARGV[6] == 'heed' and redis.call('LLEN', KEYS[3]) > 0 then return 0 end
redis.call('XADD', KEYS[7], '*', 'kind', 'outcome', 'data', ARGV[7])
redis.call('SREM', KEYS[2], ARGV[2])
if redis.call('SADD', KEYS[4], ARGV[4]) == 1 then
  redis.call('RPUSH', KEYS[5], ARGV[5])
  redis.call('SADD', KEYS[6], ARGV[3])
end
redis.call('DEL', KEYS[1], KEYS[3])
return 1
