-- Unfenced. KEYS whose rest of life is limited; ARGV milliseconds. A longer rest is from before a clock went back.
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) > tonumber(ARGV[1]) then redis.call('PEXPIRE', key, ARGV[1]) end
end
return 1
