-- read: the records this call will fold, from the log to memory.

local spoiled = {}              -- { id, fields, reason } of the entries that are none

-- Fails the call as `checked` does; an engine that refuses the command itself is told apart.
local function readable(reply)
  local err = type(reply) == 'table' and reply.err
  if err and (find(err, 'script', 1, true) or find(err, 'not allowed', 1, true)) then error('PRESENCE_READ ' .. err, 0) end
  return checked(reply, RECORDS)
end

-- One slice through the consumer group. NOACK: reading and folding are one atomic call, so an entry that was read
-- is either folded or put back (see `checked`), and a pending entries list would have nothing to tell.
-- A stream made anew by XADD has no group; it starts at 0, and `seq` drops what had been folded.
local function own_slice(count)
  local reply = pcall('XREADGROUP', 'GROUP', GROUP, 'projector', 'COUNT', count, 'NOACK', 'STREAMS', RECORDS, '>')
  if reply and reply.err and find(reply.err, 'NOGROUP', 1, true) then
    checked(pcall('XGROUP', 'CREATE', RECORDS, GROUP, '0', 'MKSTREAM'), RECORDS)
    reply = pcall('XREADGROUP', 'GROUP', GROUP, 'projector', 'COUNT', count, 'NOACK', 'STREAMS', RECORDS, '>')
  end
  readable(reply)
  local entries = reply and reply[1] and reply[1][2] or {}
  if #entries > 0 then rewind = '0' end
  return entries
end

local given_at = 8              -- where in ARGV the next entry is that the caller passed

-- One slice of those.
local function given_slice(count)
  local entries = {}
  while #entries < count and ARGV[given_at] do
    local values, fields = tonumber(ARGV[given_at + 1]), {}
    for i = 1, values do fields[i] = ARGV[given_at + 1 + i] end
    entries[#entries + 1] = { ARGV[given_at], fields }
    given_at = given_at + 2 + values
  end
  return entries
end

-- The ids of the entries not taken yet.
local function given_ids()
  local ids, at = {}, given_at
  while ARGV[at] do
    ids[#ids + 1] = ARGV[at]
    at = at + 2 + tonumber(ARGV[at + 1])
  end
  return ids
end

-- Are the entries that the caller passed the first ones of the log, all of them? What is folded leaves the log, so the
-- first of them has to be its head. And what is pending up to the last of them has to be them: one more would be one
-- that another caller was given in between; one less would be one that was folded, or lost in a failover, since.
local function are_head(ids)
  if TOKEN ~= decimal[token] then return false end
  local count = #ids
  local head = checked(pcall('XRANGE', RECORDS, '-', '+', 'COUNT', 1), RECORDS)
  if not head[1] or head[1][1] ~= ids[1] then return false end
  local pending = pcall('XPENDING', RECORDS, CALLERS, '-', ids[count], count + 1)
  if #pending ~= count then return false end
  for i = 1, count do
    if pending[i][1] ~= ids[i] then return false end
  end
  return true
end

local read_slice = CALLER == '' and own_slice or given_slice

-- Is there anything in the log after the `taken` entries in hand?
local function is_drained(taken)
  if CALLER == '' then return true end
  return checked(pcall('XLEN', RECORDS), RECORDS) == taken
end

-- One entry in hand: a record to fold, or one to set aside.
local function take(id, fields)
  local at = integer[match(id, '^%d+')]
  -- An id can be ahead of the clock: ids never go back, clocks do.
  local record, reason = parse(fields, at < now and at or now)
  if record then
    todo[#todo + 1] = record
    local records = record.of.records
    records[#records + 1] = record
    work = work + 1 + (record.to + 1 - record.from) / 2
  else
    spoiled[#spoiled + 1] = { id, fields, reason }
    ordinary = false
    work = work + 1
  end
end

-- Reads until the log is drained or half the budget is in hand. A slice is so small that even records full to the brim stay
-- within the whole budget (INV-7): what a record holds is not known before it is read.
-- Returns whether the log is drained, and the id of the last entry read (nil: there was none).
local function read()
  local last_id
  if ARGV[given_at] and not are_head(given_ids()) then return false end
  repeat
    local slice = floor((BUDGET - work) / (OPERATIONS_MAX + 1))
    if slice < 1 then slice = 1 end
    local entries = read_slice(slice)
    local count = #entries
    for i = 1, count do take(entries[i][1], entries[i][2]) end
    if count > 0 then last_id = entries[count][1] end
    if count < slice then return is_drained(#todo + #spoiled), last_id end
  until work >= BUDGET / 2
  return false, last_id
end

-- The entries that the caller passed and that are folded now.
local function acknowledge()
  local ids, at = {}, 8
  while at < given_at do
    ids[#ids + 1] = ARGV[at]
    at = at + 2 + tonumber(ARGV[at + 1])
  end
  if #ids > 0 then call('XACK', RECORDS, CALLERS, unpack(ids)) end
end

-- Keeps the malformed entries, each cut to a bounded size, with its reason.
local function set_aside()
  for i = 1, #spoiled do
    local id, fields, reason = unpack(spoiled[i])
    local copy, count = {}, #fields
    if count > 64 then count = 64 end
    for f = 1, count do copy[f] = sub(fields[f], 1, ID_BYTES_MAX) end
    checked(pcall('XADD', REJECTED, 'MAXLEN', '~', REJECTED_KEPT, '*', 'reason', reason, 'id', id, unpack(copy)), REJECTED)
    did.rejected = did.rejected + 1
  end
end
