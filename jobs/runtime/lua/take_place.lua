-- Unfenced. KEYS places; ARGV run, most, prefix of the lease of a run. Idempotent: a run takes one place.
-- A place is free again once the lease of its run is gone, so that no process has to return it.
for _, run in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('EXISTS', ARGV[3] .. run) == 0 then redis.call('SREM', KEYS[1], run) end
end
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then return 1 end
if redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('SADD', KEYS[1], ARGV[1])
return 1
