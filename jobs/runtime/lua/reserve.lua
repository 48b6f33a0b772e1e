-- KEYS as in ledger.lua, then runs
-- ARGV token, run, mark, prompt tokens, least usd, least tokens, most usd, most tokens, caps (usd and tokens of run,
-- ticket, day), usd and tokens that the ticket has used at least, ms that a run may work, ms worked, seconds to keep
-- (day, ticket). Answers {verdict, scope, unit, cap, spent, usd, tokens}, then the standing.
-- granted: all of it · lowered: this much · waits: others hold what is missing · refused: it is spent.
local run, mark = ARGV[2], ARGV[3]
local last_mark = redis.call('HGET', KEYS[2], 'mark')
if last_mark == mark then  -- sent again after a lost reply
  local usd, input, output = read(KEYS[2], 'held_usd', 'held_input', 'held_output')
  local all = usd == tonumber(ARGV[7]) and input + output == tonumber(ARGV[8])
  return {{all and 'granted' or 'lowered', 'run', 'usd', 0, 0, usd, input + output}, standing()}
end
if last_mark then spend_what_is_held(run) end
for i, field in ipairs({'usd', 'tokens'}) do
  if read(KEYS[3], field) < tonumber(ARGV[14 + i]) then redis.call('HSET', KEYS[3], field, ARGV[14 + i]) end
end
local worked = redis.call('HINCRBY', KEYS[2], 'worked_ms', ARGV[18])
keep(ARGV[19], ARGV[20])
if worked >= tonumber(ARGV[17]) then
  return {{'refused', 'run', 'time', tonumber(ARGV[17]), worked, 0, 0}, standing()}
end

-- What others hold; a run that has ended without settling holds nothing.
local function held_by_others(holds)
  local usd, tokens = 0, 0
  local all = redis.call('HGETALL', holds)
  for i = 1, #all, 2 do
    if all[i] ~= run then
      if redis.call('SISMEMBER', KEYS[7], all[i]) == 1 then
        local one_usd, one_tokens = string.match(all[i + 1], '(%d+) (%d+)')
        usd, tokens = usd + tonumber(one_usd), tokens + tonumber(one_tokens)
      else
        redis.call('HDEL', holds, all[i])
      end
    end
  end
  return usd, tokens
end

local run_usd, input, output = read(KEYS[2], 'usd', 'input_tokens', 'output_tokens')
local ticket_usd, ticket_tokens = read(KEYS[3], 'usd', 'tokens')
local day_usd, day_tokens = read(KEYS[4], 'usd', 'tokens')
local ticket_held_usd, ticket_held_tokens = held_by_others(KEYS[5])
local day_held_usd, day_held_tokens = held_by_others(KEYS[6])
local spent = {run_usd, input + output, ticket_usd, ticket_tokens, day_usd, day_tokens}
local held = {0, 0, ticket_held_usd, ticket_held_tokens, day_held_usd, day_held_tokens}
local least, granted = {tonumber(ARGV[5]), tonumber(ARGV[6])}, {tonumber(ARGV[7]), tonumber(ARGV[8])}
local most = {granted[1], granted[2]}
local scopes, units = {'run', 'run', 'ticket', 'ticket', 'day', 'day'}, {'usd', 'tokens'}
local found = {}
for i = 1, 6 do
  local unit = (i - 1) % 2 + 1
  local cap = tonumber(ARGV[8 + i])
  local room = cap - spent[i]
  local free = room - held[i]
  local verdict
  if room < least[unit] then
    verdict = 'refused'
  elseif free < most[unit] then
    verdict = (room >= most[unit] or free < least[unit]) and 'waits' or 'lowered'
    granted[unit] = math.min(granted[unit], free)
  end
  if verdict and not found[verdict] then found[verdict] = {verdict, scopes[i], units[unit], cap, spent[i], 0, 0} end
end
local no = found.refused or found.waits
if no then return {no, standing()} end
local yes = found.lowered or {'granted', 'run', 'usd', 0, 0, 0, 0}
yes[6], yes[7] = granted[1], granted[2]
local usd, tokens = string.format('%.0f', granted[1]), string.format('%.0f', granted[2])
local rest = string.format('%.0f', granted[2] - tonumber(ARGV[4]))
redis.call('HSET', KEYS[2], 'mark', mark, 'held_usd', usd, 'held_input', ARGV[4], 'held_output', rest)
redis.call('HSET', KEYS[5], run, usd .. ' ' .. tokens)
redis.call('HSET', KEYS[6], run, usd .. ' ' .. tokens)
keep(ARGV[19], ARGV[20])
return {yes, standing()}
