-- KEYS lease, list, known events, mailbox, failures, dead letters; ARGV token, item, id, letter, event id ('' for none), event
-- Atomically moves the item from its list to the dead letters and puts an event into the ticket's mailbox, once.
if redis.call('LINDEX', KEYS[2], 0) ~= ARGV[2] then return redis.error_reply('LEASELOST the list has changed') end
redis.call('LPOP', KEYS[2])
redis.call('DEL', KEYS[5])
redis.call('HSET', KEYS[6], ARGV[3], ARGV[4])
if ARGV[5] ~= '' and redis.call('SADD', KEYS[3], ARGV[5]) == 1 then redis.call('RPUSH', KEYS[4], ARGV[6]) end
return 1
