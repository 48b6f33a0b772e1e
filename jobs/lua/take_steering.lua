-- KEYS lease, transcript, steering; ARGV token. The words move into the transcript and are returned.
local words = redis.call('LRANGE', KEYS[3], 0, -1)
for _, data in ipairs(words) do redis.call('XADD', KEYS[2], '*', 'kind', 'steering', 'data', data) end
redis.call('DEL', KEYS[3])
return words
