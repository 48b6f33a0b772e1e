-- KEYS lease, list, known events, mailbox, failures, dead letters; ARGV token, item, id, letter, event id ('' for none), event
-- The item leaves its list and is kept as a dead letter, and the ticket hears of it once, all together.
if redis.call('LINDEX', KEYS[2], 0) ~= ARGV[2] then return redis.error_reply('LEASELOST the list has moved on') end
redis.call('LPOP', KEYS[2])
redis.call('DEL', KEYS[5])
redis.call('HSET', KEYS[6], ARGV[3], ARGV[4])
if ARGV[5] ~= '' and redis.call('SADD', KEYS[3], ARGV[5]) == 1 then redis.call('RPUSH', KEYS[4], ARGV[6]) end
return 1
