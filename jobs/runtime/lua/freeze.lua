-- Unfenced. KEYS freezes, thawed; ARGV id, freeze. Returns 1 while the freeze holds, 0 when it was thawed. Idempotent.
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return 1
