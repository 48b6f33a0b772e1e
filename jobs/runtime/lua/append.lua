-- KEYS lease, transcript; ARGV token, kind, data, mark. Idempotent: a retry after a lost reply finds its mark.
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
if last and last[2][6] == ARGV[4] then return last[1] end
return redis.call('XADD', KEYS[2], '*', 'kind', ARGV[2], 'data', ARGV[3], 'mark', ARGV[4])
