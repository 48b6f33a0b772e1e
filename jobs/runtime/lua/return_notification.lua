-- Puts a claimed notification back to the head of its queue, unless another process has settled it.
-- KEYS: 1 lease, 2 claimed, 3 queue · ARGV: 1 token, 2 notification, 3 seconds
if redis.call('LREM', KEYS[2], 1, ARGV[2]) == 0 then
  return 0
end
redis.call('LPUSH', KEYS[3], ARGV[2])
redis.call('EXPIRE', KEYS[3], ARGV[3])
return 1
