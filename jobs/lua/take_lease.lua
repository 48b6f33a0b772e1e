-- KEYS lease, fence; ARGV owner, milliseconds. The token is 'owner:epoch'; nil when somebody else holds the lease.
if redis.call('EXISTS', KEYS[1]) == 1 then return nil end
local token = ARGV[1] .. ':' .. redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], token, 'PX', ARGV[2])
return token
