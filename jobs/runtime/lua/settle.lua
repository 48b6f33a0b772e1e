-- KEYS as in ledger.lua; ARGV token, run, mark, calls, input, cached, output, usd, ms worked, seconds to keep (day, ticket),
-- cache misses and why, calls whose usage is estimated
-- The hold of this mark becomes what was really used. Without a mark, a hold that a dead slice left is spent.
local last_mark = redis.call('HGET', KEYS[2], 'mark')
if ARGV[3] == '' then
  if last_mark then spend_what_is_held(ARGV[2]) end
elseif last_mark == ARGV[3] then  -- otherwise it is settled: this was sent again after a lost reply
  spend(ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8])
  let_go(ARGV[2])
  if tonumber(ARGV[14]) > 0 then redis.call('HINCRBY', KEYS[2], 'estimated_calls', ARGV[14]) end
  if tonumber(ARGV[12]) > 0 then
    redis.call('HINCRBY', KEYS[2], 'cache_misses', ARGV[12])
    redis.call('HSET', KEYS[2], 'cache_miss_reason', ARGV[13])
  end
end
redis.call('HINCRBY', KEYS[2], 'worked_ms', ARGV[9])
keep(ARGV[10], ARGV[11])
return standing()
