-- Unfenced. KEYS epoch, inbox; ARGV installation, smallest valid number, number to begin with, then patterns of keys.
-- Atomically deletes the keys of a Redis with an older epoch, and the deliveries that it had then. 0, without effect, when
-- another process has done that. A pattern can match no key that is not Loopline's.
local epoch = redis.call('HMGET', KEYS[1], 'installation', 'number', 'at')
if epoch[1] == ARGV[1] and tonumber(epoch[2]) >= tonumber(ARGV[2]) then return 0 end
for i = 4, #ARGV do
  local cursor = '0'
  repeat
    local page = redis.call('SCAN', cursor, 'MATCH', ARGV[i], 'COUNT', 1000)
    cursor = page[1]
    for _, key in ipairs(page[2]) do redis.call('DEL', key) end
  until cursor == '0'
end
redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f', tonumber(epoch[3] or 0) + 10000))
redis.call('HSET', KEYS[1], 'installation', ARGV[1], 'number', ARGV[3])
return 1
