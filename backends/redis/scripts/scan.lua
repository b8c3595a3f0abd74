-- ARGV: …, cursor, how many at a time, the prefix of metas. Keys with metas, of all slots.
local prefix = ARGV[5]
local part = redis.call('SCAN', ARGV[3], 'MATCH', prefix .. '*', 'COUNT', ARGV[4])
local reply = {'OK', part[1]}
for _, name in ipairs(part[2]) do
  local meta = redis.call('GET', name)
  if meta then
    reply[#reply + 1] = string.sub(name, #prefix + 1)
    reply[#reply + 1] = meta
  end
end
return reply
