-- KEYS lease of the request or of its run, request; ARGV token, answer, seconds. The first answer stays and is returned; nil
-- for a request that has expired.
if redis.call('EXISTS', KEYS[2]) == 0 then return nil end
redis.call('HSETNX', KEYS[2], 'answer', ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return redis.call('HGET', KEYS[2], 'answer')
