-- KEYS lease, transcript, steering; ARGV token, mark. Moves all guidance into the transcript and returns it.
-- Idempotent: a retry after a lost reply returns the same guidance.
local entries = redis.call('LRANGE', KEYS[3], 0, -1)
for _, data in ipairs(entries) do redis.call('XADD', KEYS[2], '*', 'kind', 'steering', 'data', data, 'mark', ARGV[2]) end
redis.call('DEL', KEYS[3])
if #entries > 0 then return entries end
local moved = {}
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
while last and last[2][6] == ARGV[2] do
  table.insert(moved, 1, last[2][4])
  last = redis.call('XREVRANGE', KEYS[2], '(' .. last[1], '-', 'COUNT', 1)[1]
end
return moved
