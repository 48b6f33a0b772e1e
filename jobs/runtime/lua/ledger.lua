-- The books of a run, in front of the scripts that write them. Money is in millionths of a US dollar.
-- KEYS lease, run ledger, ticket ledger, day ledger, ticket holds, day holds
local function read(key, ...)
  local values = redis.call('HMGET', key, ...)
  for i = 1, #values do values[i] = tonumber(values[i] or 0) end
  return unpack(values)
end

local function spend(calls, input, cached, output, usd)
  redis.call('HINCRBY', KEYS[2], 'model_calls', calls)
  redis.call('HINCRBY', KEYS[2], 'input_tokens', input)
  redis.call('HINCRBY', KEYS[2], 'cached_tokens', cached)
  redis.call('HINCRBY', KEYS[2], 'output_tokens', output)
  redis.call('HINCRBY', KEYS[2], 'usd', usd)
  for i = 3, 4 do redis.call('HINCRBY', KEYS[i], 'usd', usd) end
end

local function let_go(run)
  redis.call('HDEL', KEYS[2], 'mark', 'held_usd', 'held_input', 'held_output')
  redis.call('HDEL', KEYS[5], run)
  redis.call('HDEL', KEYS[6], run)
end

-- A call that nobody heard the end of has cost what was held for it: less would let a crash hide a bill.
local function spend_what_is_held(run)
  local usd, input, output = read(KEYS[2], 'held_usd', 'held_input', 'held_output')
  spend(1, input, 0, output, usd)
  let_go(run)
end

local function keep(days_seconds, seconds)
  redis.call('EXPIRE', KEYS[3], seconds)
  redis.call('EXPIRE', KEYS[5], seconds)
  redis.call('EXPIRE', KEYS[4], days_seconds)
  redis.call('EXPIRE', KEYS[6], days_seconds)
end

local function standing()
  local calls, input, cached, output, usd, worked, parked = read(KEYS[2], 'model_calls', 'input_tokens',
    'cached_tokens', 'output_tokens', 'usd', 'worked_ms', 'parked_until')
  return {calls, input, cached, output, usd, worked, parked, read(KEYS[3], 'usd')}
end
