-- KEYS the run's failures, its transcript; ARGV seconds to remember
-- Counts how many slices have begun at this length of the transcript: a step forward begins the count again.
local steps = tostring(redis.call('XLEN', KEYS[2]))
if redis.call('HGET', KEYS[1], 'begun at') ~= steps then
  redis.call('HSET', KEYS[1], 'begun at', steps, 'begun', 0)
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'begun', 1)
