-- KEYS lease, transcript, steering; ARGV token, mark. The words move into the transcript and are returned; sent again after
-- a lost reply, the words that this call has moved are returned again.
local words = redis.call('LRANGE', KEYS[3], 0, -1)
for _, data in ipairs(words) do redis.call('XADD', KEYS[2], '*', 'kind', 'steering', 'data', data, 'mark', ARGV[2]) end
redis.call('DEL', KEYS[3])
if #words > 0 then return words end
local moved = {}
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
while last and last[2][6] == ARGV[2] do
  table.insert(moved, 1, last[2][4])
  last = redis.call('XREVRANGE', KEYS[2], '(' .. last[1], '-', 'COUNT', 1)[1]
end
return moved
