-- Unfenced. KEYS freezes, thawed; ARGV now, then ids. Thaws these freezes; their files on other machines are removed there.
for i = 2, #ARGV do
  redis.call('HDEL', KEYS[1], ARGV[i])
  redis.call('ZADD', KEYS[2], ARGV[1], ARGV[i])
end
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1001)
return 1
