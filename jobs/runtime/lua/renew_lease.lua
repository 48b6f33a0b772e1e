-- Unfenced. KEYS[1] lease · ARGV[1] token · ARGV[2] milliseconds. 0 when another process holds the lease.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
