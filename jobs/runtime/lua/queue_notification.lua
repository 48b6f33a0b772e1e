-- Unfenced. Queues a notification for a target, once for each id.
-- KEYS: 1 known ids, 2 queue · ARGV: 1 id, 2 time, 3 notification, 4 time before which ids are forgotten, 5 seconds
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[4])
if redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1]) == 0 then
  return 0
end
redis.call('RPUSH', KEYS[2], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[5])
return 1
