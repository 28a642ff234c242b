-- read: the records this call will fold, from the log to memory.

local todo = {}                 -- parsed records, in log order, each with its time `at` in ms
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

local function count_left_over()
  while ARGV[given_at] do
    left_over = left_over + 1
    given_at = given_at + 2 + tonumber(ARGV[given_at + 1])
  end
end

-- Is the first entry that the caller passed the first of the log? What is folded leaves the log, so an entry that is not
-- was folded before, or follows one that is still to be folded. One read has no gaps, so the others follow it.
local function is_head()
  if not in_turn() then return false end
  local head = checked(pcall('XRANGE', RECORDS, '-', '+', 'COUNT', 1), RECORDS)
  return head[1] and head[1][1] == ARGV[given_at]
end

local read_slice = CALLER == '' and own_slice or given_slice

-- Is there anything in the log after the `taken` entries in hand?
local function is_drained(taken)
  if CALLER == '' then return true end
  return checked(pcall('XLEN', RECORDS), RECORDS) == taken
end

-- Reads until the log is drained or half the budget is in hand. A slice is small enough that even records full to
-- the brim stay within the whole budget (INV-7): what a record holds is not known before it is read.
-- Returns whether the log is drained, and the id of the last entry read (nil: there was none).
local function read()
  local slice = floor(BUDGET / 2 / (OPERATIONS_MAX + 1))
  if slice < 1 then slice = 1 end
  local last_id
  if ARGV[given_at] and not is_head() then return false end
  repeat
    local entries = read_slice(slice)
    local count = #entries
    for i = 1, count do
      local id, fields = entries[i][1], entries[i][2]
      local record, reason = parse(fields)
      if record then
        local at = tonumber(sub(id, 1, find(id, '-', 1, true) - 1))
        -- An id can be ahead of the clock: ids never go back, clocks do.
        record.at = at < now and at or now
        todo[#todo + 1] = record
        work = work + 1 + record.last - record.first + 1
      else
        spoiled[#spoiled + 1] = { id, fields, reason }
        work = work + 1
      end
    end
    if count > 0 then last_id = entries[count][1] end
    if count < slice then return is_drained(#todo + #spoiled), last_id end
  until work >= BUDGET / 2
  return false, last_id
end

-- The caller's pending entries up to `id`: folded now, by this call or an earlier one, or gone from the log.
local function acknowledge(id)
  -- Somebody may have taken the group away, and its pending entries with it.
  local pending = pcall('XPENDING', RECORDS, GROUP, '-', id, VALUES_MAX)
  local ids = {}
  for i = 1, #pending do ids[i] = pending[i][1] end
  if #ids > 0 then call('XACK', RECORDS, GROUP, unpack(ids)) end
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
