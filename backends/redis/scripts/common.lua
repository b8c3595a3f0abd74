-- Before every script but admit: whose is this server, and what does its fence say of the slot?
-- KEYS: fence, meta, data. ARGV: slot, incarnation, then the script's own.
-- Versions are compared as numbers, field by field (each below 2^53), never as strings, and stored
-- as they came, never through tostring(). Whatever may fail comes before the first write, and the
-- meta is written last.
local slot = ARGV[1]
local fence = redis.call('HMGET', KEYS[1], 'i', 's' .. slot, 'h' .. slot, 'g' .. slot)
if fence[1] ~= ARGV[2] then return {'NOFENCE'} end
local floor, high, forgotten = fence[2] or '0:0', fence[3] or '0', fence[4] or '0:0:0'
local function numbers(text)
  local t, s, c = string.match(text, '^(%d+):(%d+):?(%d*)$')
  return tonumber(t), tonumber(s), tonumber(c)
end
local function below(t, s, c, text)
  local t2, s2, c2 = numbers(text)
  if t ~= t2 then return t < t2 end
  if s ~= s2 then return s < s2 end
  return c < c2
end
