-- Unfenced. KEYS lease, fence; ARGV token, ms. 0 when another process holds the lease.
-- A lease that expired early is renewed if no other process has taken it since: the fence still has the token's epoch.
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if held or redis.call('GET', KEYS[2]) ~= string.match(ARGV[1], '%d+$') then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
