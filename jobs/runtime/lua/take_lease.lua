-- KEYS lease, fence; ARGV owner, milliseconds, mark. The token is 'owner:mark:epoch'; nil when somebody else holds the lease.
-- Sent again after a lost reply, it answers the token that it has given.
local held = redis.call('GET', KEYS[1])
local mine = ARGV[1] .. ':' .. ARGV[3] .. ':'
if held then return string.sub(held, 1, #mine) == mine and held or nil end
local token = mine .. redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], token, 'PX', ARGV[2])
return token
