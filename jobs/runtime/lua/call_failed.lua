-- Unfenced. KEYS breaker, failures, alarm, runs; ARGV run, now, the provider's Retry-After ('' for none), kind, reason, mark,
-- failures that open the breaker, window in which they count, first backoff, longest backoff. Times in ms.
-- Returns {until or '0', 1 when this call raised the alarm}.
local now, named = tonumber(ARGV[2]), tonumber(ARGV[3])
local raised = 0
if ARGV[4] == 'credentials' and redis.call('SET', KEYS[3], ARGV[5], 'NX') then raised = 1 end
local until_ms, wait, probe, last = unpack(redis.call('HMGET', KEYS[1], 'until', 'wait', 'probe', 'mark'))
local function open(wait_ms, till)
  till = string.format('%.0f', till)
  redis.call('HSET', KEYS[1], 'until', till, 'wait', string.format('%.0f', wait_ms), 'kind', ARGV[4], 'reason', ARGV[5],
    'mark', ARGV[6], 'failed', ARGV[1])
  redis.call('HSETNX', KEYS[1], 'since', ARGV[2])
  return {till, raised}
end
if until_ms then
  if last == ARGV[6] then return {until_ms, raised} end  -- a retry after a lost reply
  if probe == ARGV[1] then
    redis.call('HDEL', KEYS[1], 'probe', 'probe_until')
    wait = math.min(tonumber(wait) * 2, tonumber(ARGV[10]))
    return open(wait, now + math.max(wait, named or 0))
  end
  -- A call from before the breaker opened is no new failure, but can extend the wait or report bad credentials.
  local till = math.max(tonumber(until_ms), now + (named or 0))
  if ARGV[4] == 'credentials' or till > tonumber(until_ms) then return open(wait, till) end
  return {until_ms, raised}
end
local first = tonumber(ARGV[9])
if named then return open(first, now + named) end
if ARGV[4] == 'credentials' then return open(first, now + first) end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[8]))
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1] .. '/' .. ARGV[6])
redis.call('PEXPIRE', KEYS[2], ARGV[8])
-- The failures of one run alone can be those of its conversation: they count only if there is no other run.
local failures, others = redis.call('ZRANGE', KEYS[2], 0, -1), redis.call('SCARD', KEYS[4]) <= 1
for _, failure in ipairs(failures) do
  if string.sub(failure, 1, #ARGV[1] + 1) ~= ARGV[1] .. '/' then others = true end
end
if others and #failures >= tonumber(ARGV[7]) then return open(first, now + first) end
return {'0', raised}
