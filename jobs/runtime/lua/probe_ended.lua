-- Unfenced. KEYS breaker, failures, alarm; ARGV run, 'answered' or 'unknown'. Without effect unless this run is the probe.
-- Returns 1 when this call closed the breaker.
if redis.call('HGET', KEYS[1], 'probe') ~= ARGV[1] then return 0 end
if ARGV[2] == 'answered' then return redis.call('DEL', KEYS[1], KEYS[2], KEYS[3]) > 0 and 1 or 0 end
redis.call('HDEL', KEYS[1], 'probe', 'probe_until')
return 0
