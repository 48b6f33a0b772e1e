-- Unfenced. KEYS breaker, runs; ARGV run, now, timeout of a probe, wait for another run's probe, 'look' or 'take'. Times in ms.
-- Returns {} when closed, {'probe'} when this run is the probe, else {'open', until, kind, reason, since}.
local until_ms = redis.call('HGET', KEYS[1], 'until')
if not until_ms then return {} end
local now = tonumber(ARGV[2])
local function open(till)
  local kind, reason, since = unpack(redis.call('HMGET', KEYS[1], 'kind', 'reason', 'since'))
  return {'open', string.format('%.0f', till), kind, reason, since}
end
if now < tonumber(until_ms) then return open(tonumber(until_ms)) end
-- Another run is the better probe: the failures can be those of one conversation. Without one, this run probes too.
local failed = redis.call('HGET', KEYS[1], 'failed')
local grace = tonumber(until_ms) + tonumber(ARGV[4])
if failed == ARGV[1] and now < grace and redis.call('SCARD', KEYS[2]) > 1 then return open(grace) end
local probe, probe_until = unpack(redis.call('HMGET', KEYS[1], 'probe', 'probe_until'))
if probe and probe ~= ARGV[1] and now < tonumber(probe_until) then
  return open(math.min(now + tonumber(ARGV[4]), tonumber(probe_until)))
end
if ARGV[5] == 'take' then
  redis.call('HSET', KEYS[1], 'probe', ARGV[1], 'probe_until', string.format('%.0f', now + tonumber(ARGV[3])))
end
return {'probe'}
