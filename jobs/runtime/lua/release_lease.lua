-- Unfenced. KEYS[1] lease · ARGV[1] token. 0 when another process holds the lease.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
