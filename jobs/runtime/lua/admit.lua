-- Unfenced. KEYS breaker; ARGV run, now, timeout of a probe, wait for another run's probe, 'look' or 'take'. Times in ms.
-- Returns {} when closed, {'probe'} when this run is the probe, else {'open', until, kind, reason, since}.
local until_ms = redis.call('HGET', KEYS[1], 'until')
if not until_ms then return {} end
local now = tonumber(ARGV[2])
local function open(till)
  local kind, reason, since = unpack(redis.call('HMGET', KEYS[1], 'kind', 'reason', 'since'))
  return {'open', string.format('%.0f', till), kind, reason, since}
end
if now < tonumber(until_ms) then return open(tonumber(until_ms)) end
local probe, probe_until = unpack(redis.call('HMGET', KEYS[1], 'probe', 'probe_until'))
if probe and probe ~= ARGV[1] and now < tonumber(probe_until) then
  return open(math.min(now + tonumber(ARGV[4]), tonumber(probe_until)))
end
if ARGV[5] == 'take' then
  redis.call('HSET', KEYS[1], 'probe', ARGV[1], 'probe_until', string.format('%.0f', now + tonumber(ARGV[3])))
end
return {'probe'}
