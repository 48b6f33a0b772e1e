-- KEYS lease of the run, request, requests of the run; ARGV token, request, request id, most, seconds. Returns the answer if
-- there is one, 'FULL' when the run has made its `most` requests of this kind. Idempotent: the first request of an id stays.
if redis.call('EXISTS', KEYS[2]) == 0 then
  if redis.call('SCARD', KEYS[3]) >= tonumber(ARGV[4]) then return 'FULL' end
  redis.call('HSET', KEYS[2], 'request', ARGV[2])
end
redis.call('SADD', KEYS[3], ARGV[3])
redis.call('HSET', KEYS[2], 'token', ARGV[1])
redis.call('HDEL', KEYS[2], 'outage')
redis.call('EXPIRE', KEYS[2], ARGV[5])
redis.call('EXPIRE', KEYS[3], ARGV[5])
return redis.call('HGET', KEYS[2], 'answer')
