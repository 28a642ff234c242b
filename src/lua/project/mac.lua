-- mac: whether a record was signed with one of the caller's keys (docs/protocol.md, "Signed records"). Only a caller that has keys
-- makes this closure.
-- gives: proven
-- reads: RECORDS find
local proven
if ARGV[10] and ARGV[10] ~= '' then
  local concat, sha1, pack = table.concat, redis.sha1hex, struct and struct.pack
  local accepts_unsigned = find(' ' .. ARGV[10] .. ' ', ' unsigned ', 1, true)

  -- 40 hex digits as 20 bytes.
  local function bytes_of(hex)
    if not pack then
      return (string.gsub(hex, '%x%x', function(two) return string.char(tonumber(two, 16)) end))
    end
    local words = {}
    for i = 1, 5 do words[i] = tonumber(string.sub(hex, 8 * i - 7, 8 * i), 16) end
    return pack('>I4I4I4I4I4', unpack(words))
  end

  -- How many names and values there are before the `mac` that proves them; nil: they are not proven. Comparing needs no constant
  -- time: equal texts are one object in Lua 5.1, so `==` compares two addresses and says nothing about how much agrees.
  proven = function(fields)
    local n = #fields - 2
    if fields[n + 1] ~= 'mac' then return accepts_unsigned and #fields or nil end
    if n >= FIELDS_MAX then return nil end
    local text, mac = n .. '\n' .. RECORDS .. '\n' .. concat(fields, '\n', 1, n), fields[n + 2]
    if #text > SIGNED_BYTES_MAX then return nil end
    for k = 11, #ARGV, 2 do
      if sha1(ARGV[k + 1] .. bytes_of(sha1(ARGV[k] .. text))) == mac then return n end
    end
    return nil
  end
end
