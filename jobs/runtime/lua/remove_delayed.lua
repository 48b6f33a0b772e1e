-- Unfenced. Removes a delayed wake-up that was just queued, unless it has been rescheduled.
-- KEYS[1] sorted set · ARGV[1] member · ARGV[2] the score that was read
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if score and tonumber(score) == tonumber(ARGV[2]) then
  return redis.call('ZREM', KEYS[1], ARGV[1])
end
return 0
