/**
 * The scripts of dialect.ts. They return a command's error and do not raise it, because Redis adds the script's name and line
 * to a raised error, and the client did not send a script.
 */

/** ARGV: cursor and options of SCAN. Returns a page in which each key is followed by its type. */
export const SCAN_WITH_TYPE = `
local page = redis.pcall('SCAN', unpack(ARGV))
if page.err then return page end
local found = {}
for _, key in ipairs(page[2]) do
  found[#found + 1] = key
  found[#found + 1] = redis.call('TYPE', key).ok
end
return { page[1], found }`;

/** KEYS: streams. ARGV: group, consumer, arguments of XREADGROUP. An existing consumer is kept. */
export const NOACK = `
local group, consumer = ARGV[1], ARGV[2]
local function is_new(stream)
  local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, group)
  if consumers.err then return false end
  for _, known in ipairs(consumers) do
    if known[2] == consumer then return false end
  end
  return true
end
local new_to = {}
for _, stream in ipairs(KEYS) do
  if is_new(stream) then new_to[#new_to + 1] = stream end
end
local reply = redis.pcall('XREADGROUP', unpack(ARGV, 3))
for _, stream in ipairs(new_to) do redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer) end
return reply`;

/**
 * KEYS: destination and sources. ARGV: the operation. If Redis does not support it, it is built from AND, OR and XOR, whose
 * results are as long as the longest source, as with the four operations. The destination may be a source, so it is written
 * last; intermediate results are in keys that are deleted at the end.
 */
export const BITOP = `
local reply = redis.pcall('BITOP', ARGV[1], unpack(KEYS))
if type(reply) == 'number' or reply.err ~= 'ERR syntax error' then return reply end
local to, x, others = KEYS[1], KEYS[2], { unpack(KEYS, 3) }
for i = 2, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'string' and kind ~= 'none' then
    return { err = 'WRONGTYPE Operation against a key holding the wrong kind of value' }
  end
end
local scratch = {}
for i = 1, 3 do
  local name = to .. ':bitop:' .. i
  while redis.call('EXISTS', name) == 1 do name = name .. ':' .. i end
  scratch[i] = name
end
local a, b, c = scratch[1], scratch[2], scratch[3]
local function bitop(...) return redis.call('BITOP', ...) end
if ARGV[1] == 'ONE' then
  for i = 2, #KEYS do
    bitop('AND', c, a, KEYS[i])
    bitop('OR', b, b, c)
    bitop('XOR', a, a, KEYS[i])
  end
  bitop('AND', b, a, b)
  reply = bitop('XOR', to, a, b)
else
  bitop('OR', a, unpack(others))
  bitop('AND', b, x, a)
  if ARGV[1] == 'ANDOR' then reply = bitop('OR', to, b)
  elseif ARGV[1] == 'DIFF' then reply = bitop('XOR', to, x, b)
  else reply = bitop('XOR', to, a, b) end
end
redis.call('DEL', a, b, c)
return reply`;
