-- Unfenced.
-- KEYS charged requests of the run, ledgers of run, ticket, day, holds of ticket, day
-- ARGV request, usd, caps (usd of run, ticket, day), seconds to keep (day, ticket)
-- Adds the price of a request to the ledgers, once. Returns nil, or {scope, cap, spent} of an exhausted limit.
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then return nil end
local price = tonumber(ARGV[2])
local function held(key)
  local usd = 0
  for _, one in ipairs(redis.call('HVALS', key)) do usd = usd + tonumber(one) end
  return usd
end
local scopes = {{'run', KEYS[2], 0}, {'ticket', KEYS[3], held(KEYS[5])}, {'day', KEYS[4], held(KEYS[6])}}
for i, scope in ipairs(scopes) do
  local name, ledger, reserved = unpack(scope)
  local spent, cap = tonumber(redis.call('HGET', ledger, 'usd') or 0), tonumber(ARGV[2 + i])
  if spent + reserved + price > cap then return {name, cap, spent} end
end
for i = 2, 4 do redis.call('HINCRBY', KEYS[i], 'usd', string.format('%.0f', price)) end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[4], ARGV[6])
redis.call('EXPIRE', KEYS[3], ARGV[7])
redis.call('EXPIRE', KEYS[1], ARGV[7])
return nil
