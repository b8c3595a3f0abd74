-- ARGV: …, the version wanted. Its state, to repair who has another one.
local meta = redis.call('GET', KEYS[2])
if not meta then return {'NEED', '0:0:0'} end
local current, kind = string.match(meta, '^a([%d:]+)|(.)')
if current ~= ARGV[3] then return {'NEED', current} end
if kind == '-' then return {'OK', 'D', meta} end
local state
if kind == 's' then
  state = redis.pcall('GET', KEYS[3])
else
  state = redis.call('DUMP', KEYS[3])
end
if type(state) ~= 'string' then return {'TORN', current} end
return {'OK', kind == 's' and 'S' or 'R', meta, state}
