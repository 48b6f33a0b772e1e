-- KEYS lease of the run, its question; ARGV token, request id, prefix of requests, seconds. Returns 0 when another question of
-- the run has no answer yet. Idempotent. The request itself can follow.
local open = redis.call('GET', KEYS[2])
if open and open ~= ARGV[2] and redis.call('HEXISTS', ARGV[3] .. open, 'answer') == 0 then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[4])
return 1
