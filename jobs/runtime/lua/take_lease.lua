-- Unfenced. KEYS lease, fence, epoch; ARGV owner, ms, mark. Returns the fencing token 'owner:mark:epoch', and installation and
-- number of the epoch of this Redis; nil when the lease is held. Idempotent: a retry after a lost reply returns the same.
local held = redis.call('GET', KEYS[1])
local mine = ARGV[1] .. ':' .. ARGV[3] .. ':'
if held and string.sub(held, 1, #mine) ~= mine then return nil end
local token = held or mine .. redis.call('INCR', KEYS[2])
if not held then redis.call('SET', KEYS[1], token, 'PX', ARGV[2]) end
local epoch = redis.call('HMGET', KEYS[3], 'installation', 'number')
return {token, epoch[1] or '', epoch[2] or '0'}
