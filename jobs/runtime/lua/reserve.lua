-- KEYS as in ledger.lua, then runs
-- ARGV token, run, mark, prompt tokens, reply tokens, least usd, most usd, caps (usd of run, ticket, day), usd that the
-- ticket has used at least, ms that a run may work, ms worked, seconds to keep (day, ticket). Returns {verdict, scope,
-- unit, cap, spent, usd}, then the standing.
-- granted: all of it · lowered: this much · waits: others hold what is missing · refused: it is spent.
local run, mark = ARGV[2], ARGV[3]
local least, most = tonumber(ARGV[6]), tonumber(ARGV[7])
local last_mark = redis.call('HGET', KEYS[2], 'mark')
if last_mark == mark then  -- sent again after a lost reply
  local usd = read(KEYS[2], 'held_usd')
  return {{usd == most and 'granted' or 'lowered', 'run', 'usd', 0, 0, usd}, standing()}
end
if last_mark then spend_what_is_held(run) end
if read(KEYS[3], 'usd') < tonumber(ARGV[11]) then redis.call('HSET', KEYS[3], 'usd', ARGV[11]) end
local worked = redis.call('HINCRBY', KEYS[2], 'worked_ms', ARGV[13])
keep(ARGV[14], ARGV[15])
if worked >= tonumber(ARGV[12]) then
  return {{'refused', 'run', 'time', tonumber(ARGV[12]), worked, 0}, standing()}
end

-- What others hold; a run that has ended without settling holds nothing.
local function held_by_others(holds)
  local usd = 0
  local all = redis.call('HGETALL', holds)
  for i = 1, #all, 2 do
    if all[i] ~= run then
      if redis.call('SISMEMBER', KEYS[7], all[i]) == 1 then
        usd = usd + tonumber(all[i + 1])
      else
        redis.call('HDEL', holds, all[i])
      end
    end
  end
  return usd
end

local scopes = {
  {'run', read(KEYS[2], 'usd'), 0},
  {'ticket', read(KEYS[3], 'usd'), held_by_others(KEYS[5])},
  {'day', read(KEYS[4], 'usd'), held_by_others(KEYS[6])},
}
local granted, found = most, {}
for i, scope in ipairs(scopes) do
  local name, spent, held = unpack(scope)
  local cap = tonumber(ARGV[7 + i])
  local room = cap - spent
  local free = room - held
  local verdict
  if room < least then
    verdict = 'refused'
  elseif free < most then
    verdict = (room >= most or free < least) and 'waits' or 'lowered'
    granted = math.min(granted, free)
  end
  if verdict and not found[verdict] then found[verdict] = {verdict, name, 'usd', cap, spent, 0} end
end
local no = found.refused or found.waits
if no then return {no, standing()} end
local yes = found.lowered or {'granted', 'run', 'usd', 0, 0, 0}
yes[6] = granted
local usd = string.format('%.0f', granted)
redis.call('HSET', KEYS[2], 'mark', mark, 'held_usd', usd, 'held_input', ARGV[4], 'held_output', ARGV[5])
redis.call('HSET', KEYS[5], run, usd)
redis.call('HSET', KEYS[6], run, usd)
keep(ARGV[14], ARGV[15])
return {yes, standing()}
