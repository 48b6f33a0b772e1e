-- Unfenced. KEYS lease, fence; ARGV owner, ms, mark. Returns the fencing token 'owner:mark:epoch'; nil when the lease is held.
-- Idempotent: a retry after a lost reply returns the same token.
local held = redis.call('GET', KEYS[1])
local mine = ARGV[1] .. ':' .. ARGV[3] .. ':'
if held then return string.sub(held, 1, #mine) == mine and held or nil end
local token = mine .. redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], token, 'PX', ARGV[2])
return token
