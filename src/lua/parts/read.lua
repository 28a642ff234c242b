-- read: the records this call will fold, from the log to memory.

local todo = {}                 -- parsed records, in log order, each with its time `at` in ms
local spoiled = {}              -- { id, fields, reason } of the entries that are none

-- One slice through the consumer group. NOACK: reading and folding are one atomic call, so an entry that was read
-- is either folded or put back (see `checked`), and a pending entries list would have nothing to tell.
-- A stream made anew by XADD has no group; it starts at 0, and `seq` drops what had been folded.
local function read_slice(count)
  local reply = pcall('XREADGROUP', 'GROUP', GROUP, 'projector', 'COUNT', count, 'NOACK', 'STREAMS', RECORDS, '>')
  if reply and reply.err and find(reply.err, 'NOGROUP', 1, true) then
    checked(pcall('XGROUP', 'CREATE', RECORDS, GROUP, '0', 'MKSTREAM'), RECORDS)
    reply = pcall('XREADGROUP', 'GROUP', GROUP, 'projector', 'COUNT', count, 'NOACK', 'STREAMS', RECORDS, '>')
  end
  checked(reply, RECORDS)
  local entries = reply and reply[1] and reply[1][2] or {}
  if #entries > 0 then rewind = folded_id end
  return entries
end

-- Reads until the log is drained or half the budget is in hand. A slice is small enough that even records full to
-- the brim stay within the whole budget (INV-7): what a record holds is not known before it is read.
-- Returns whether the log is drained, and the id of the last entry read (nil: there was none).
local function read()
  local slice = floor(BUDGET / 2 / (OPERATIONS_MAX + 1))
  if slice < 1 then slice = 1 end
  local last_id
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
    if count < slice then return true, last_id end
  until work >= BUDGET / 2
  return false, last_id
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
