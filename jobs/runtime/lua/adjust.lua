-- Unfenced. KEYS heartbeats, delayed wake-ups, breaker, its failures, then keys with a life
-- ARGV seconds of the jump, Redis's time, longest life of a heartbeat. Heartbeats follow the clock in both directions.
-- Waits follow it back only: one that ends early is only tried early.
local jump, now, life = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local function shift(key, from, to)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, from, to)) do redis.call('ZINCRBY', key, ARGV[1], member) end
end
if jump > 0 then
  shift(KEYS[1], now - jump, now)
  return 1
end
shift(KEYS[1], now + life, '+inf')
shift(KEYS[2], '-inf', '+inf')
for _, field in ipairs({'until', 'probe_until', 'since'}) do
  local at = redis.call('HGET', KEYS[3], field)
  if at then redis.call('HSET', KEYS[3], field, string.format('%.0f', tonumber(at) + jump * 1000)) end
end
redis.call('DEL', KEYS[4])
for i = 5, #KEYS do
  local left = redis.call('PTTL', KEYS[i])
  if left > 0 then redis.call('PEXPIRE', KEYS[i], string.format('%.0f', math.max(left + jump * 1000, 1))) end
end
return 1
