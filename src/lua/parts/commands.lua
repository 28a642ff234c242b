-- commands: variadic commands over lists of any length, and integers as strings.

-- A number handed to redis.call is printed with %.17g each time; counts are small and repeat, so print them once.
local decimal = setmetatable({}, {
  __index = function(cache, number)
    local text = format('%.0f', number)
    cache[number] = text
    return text
  end,
})

-- The same the other way: counts come back from Redis as text.
local integer = setmetatable({}, {
  __index = function(cache, text)
    local number = tonumber(text)
    cache[text] = number
    return number
  end,
})

-- Set while records have been read and nothing of them is written yet: where to put the group's cursor back.
local rewind

-- Set once there are totals to write.
local save_totals

-- Fails the call with a message that names the key. Nothing is lost: records read and not yet folded are put back,
-- and the totals take in what the call has done.
local function checked(reply, key)
  if type(reply) == 'table' and reply.err then
    if rewind then call('XGROUP', 'SETID', RECORDS, GROUP, rewind) elseif save_totals then save_totals() end
    error('PRESENCE_TYPE ' .. key .. ': ' .. reply.err, 0)
  end
  return reply
end

-- `command key values…` for `values[from..to]`, from 1 on by default, in chunks of an even length (pairs stay together).
local function variadic(command, key, values, to, from)
  for first = from or 1, to, VALUES_MAX do
    local last = first + VALUES_MAX - 1
    if last > to then last = to end
    checked(pcall(command, key, unpack(values, first, last)), key)
  end
end

-- HMGET of `fields[1..count]`: a list of as many values, false where there is none.
local function hmget(key, fields, count)
  if count == 0 then return {} end
  if count <= VALUES_MAX then return checked(pcall('HMGET', key, unpack(fields, 1, count)), key) end
  local values, filled = {}, 0
  for first = 1, count, VALUES_MAX do
    local last = first + VALUES_MAX - 1
    if last > count then last = count end
    local part = checked(pcall('HMGET', key, unpack(fields, first, last)), key)
    for i = 1, last - first + 1 do values[filled + i] = part[i] end
    filled = last
  end
  return values
end

-- A whole number of at most 15 digits, or nil. tonumber() alone takes '1e5', '0x10' and ' 7 '.
local whole = setmetatable({}, {
  __index = function(cache, text)
    if not text or text == '' or #text > 15 or find(text, '%D') then return nil end
    local number = tonumber(text)
    cache[text] = number
    return number
  end,
})
