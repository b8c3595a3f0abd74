-- ARGV: …, T, S. Drops a tombstone that the floor stands for.
if floor ~= ARGV[3] .. ':' .. ARGV[4] then return {'STALE', floor} end
local meta = redis.call('GET', KEYS[2])
if not meta then return {'OK'} end
local current, kind = string.match(meta, '^a([%d:]+)|(.)')
local t, s, c = numbers(forgotten)
if kind ~= '-' or below(t, s, c, current) then return {'NEED', current} end
redis.call('DEL', KEYS[2])
return {'OK'}
